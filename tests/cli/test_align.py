"""`asr align`."""

from pathlib import Path

import numpy as np
import soundfile


def test_known_texts_are_aligned(asr, model: Path, dev: Path, recordings: Path, tmp_path: Path):
    recording, said = recordings / "test" / "test-0.wav", (recordings / "test" / "test-0.txt")
    found = asr("align", recording, said, "--model", model)
    assert found.code == 0, found.err
    lines = [line.split() for line in found.out.splitlines()]
    assert [line[4] for line in lines] == said.read_text().split()
    assert all(line[:2] == ["test-0", "1"] and len(line) == 6 for line in lines)
    assert asr("align", recording, said.read_text(), "--model", model).out == found.out
    assert asr("align", dev, "--model", model).out.count("dev-00 ") > 0
    grids = asr("align", dev, "--model", model, "--format", "TextGrid", "--out", tmp_path)
    assert sorted(grids.out.splitlines()) == [str(tmp_path / f"dev-0{n}.TextGrid") for n in range(2)]


def test_a_channel_is_chosen(asr, refused, model: Path, dev: Path, recordings: Path, tmp_path: Path):
    """The one beside it is silent, and cannot be aligned."""
    sound, rate = soundfile.read(recordings / "test" / "test-0.wav")
    said = recordings / "test" / "test-0.txt"
    soundfile.write(tmp_path / "test-0.wav", np.stack([0 * sound, sound], axis=1), rate)
    both = ("align", tmp_path / "test-0.wav", said, "--model", model)
    alone = asr("align", recordings / "test" / "test-0.wav", said, "--model", model).out
    assert asr(*both, "--channel", 1).out == alone
    refused(1, "holds only silence", *both, "--channel", 0)
    refused(1, "has no sound track 1; it has 1", *both, "--track", 1)
    refused(2, "choose from an audio file", "align", dev, "--model", model, "--track", 0)


def test_mistakes_end_in_one_clear_line(refused, model: Path, dev: Path, noise: Path, broken: Path, tmp_path: Path):
    with_model, sound = ("--model", model), dev.parent / "dev-00.wav"
    refused(1, "noise.wav: not readable as audio", "align", noise, "abc", *with_model)
    refused(2, "say what is said in", "align", noise, *with_model)
    refused(1, "missing.txt: no such text file", "align", noise, "missing.txt", *with_model)
    refused(1, "none.wav: no such audio file", "align", tmp_path / "none.wav", "abc", *with_model)
    refused(2, "a manifest has its own transcripts", "align", broken, "abc", *with_model)
    refused(1, "no tokens for 'xyz'", "align", sound, "xyz", *with_model)
    refused(1, "the recording has", "align", sound, "abc " * 99, *with_model)
    refused(2, "--format needs a form", "align", dev, *with_model, "--format")
