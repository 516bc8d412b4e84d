"""Recordings in, texts out: from files, from arrays, one by one and many, greedily and by beam search."""

import sys

import numpy as np
import pytest
import soundfile
from support.tiny import RATE, noise, recogniser
from support.tones import write_cut

from asr.audio.waveform import save_flac
from asr.errors import DataError, MissingExtra
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber, find_recordings

MODEL = Transcriber(recogniser(seed=1))


def texts(paths):
    return [transcript.text for transcript in MODEL.transcribe_files(paths)]


def test_a_bad_file_among_good_ones_keeps_none_from_its_turn(tmp_path):
    for name, seed in (("a.flac", 0), ("d.flac", 1)):
        save_flac(tmp_path / name, noise(RATE, seed=seed), RATE)
    (tmp_path / "b.wav").write_text("not audio")
    paths = [tmp_path / name for name in ("a.flac", "b.wav", "c.wav", "d.flac")]
    found = list(MODEL.transcribe_files(paths))
    assert [transcript.name for transcript in found] == [str(path) for path in paths]
    assert [type(transcript.error) for transcript in found] == [type(None), DataError, DataError, type(None)]
    assert "b.wav: not readable as audio" in str(found[1].error) and "c.wav: no such" in str(found[2].error)
    assert [transcript.text for transcript in found] == [*texts(paths[:1]), "", "", *texts(paths[3:])]
    assert found[0].text and found[3].text


def test_a_file_that_needs_an_extra_is_reported_too(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(b"?")
    (found,) = MODEL.transcribe_files([tmp_path / "a.m4a"])
    assert isinstance(found.error, MissingExtra)


def test_files_are_transcribed_one_at_a_time(tmp_path):
    """A long list gives its first text at once."""
    save_flac(tmp_path / "a.flac", noise(RATE), RATE)

    def paths():
        yield tmp_path / "a.flac"
        pytest.fail("asked for the second file before the first one's text was taken")

    assert next(MODEL.transcribe_files(paths())).text


@pytest.mark.parametrize("samples", [1, 399])
def test_a_recording_shorter_than_a_window_has_the_empty_text(tmp_path, samples):
    soundfile.write(tmp_path / "a.wav", noise(samples), RATE)
    (found,) = MODEL.transcribe_files([tmp_path / "a.wav"])
    assert (found.text, found.error) == ("", None)


def test_silence_is_no_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    (found,) = MODEL.transcribe_files([tmp_path / "a.wav"])
    assert found.error is None


def test_evaluating_finds_what_transcribing_finds(tmp_path):
    """Through manifests and in padded batches, or from files and alone: the same texts."""
    cuts = [
        write_cut(tmp_path, f"u{n}", "a cab", noise(size, seed=n)) for n, size in enumerate((9_000, 300, 20_000, 4_321))
    ]
    evaluation = evaluate(MODEL, cuts, loaders=0)
    assert [evaluation.hypotheses[cut.id] for cut in cuts] == texts(tmp_path / f"{cut.id}.wav" for cut in cuts)
    assert evaluation.references == {cut.id: "a cab" for cut in cuts}


def test_a_folder_stands_for_the_audio_below_it_in_order_of_name(tmp_path):
    for name in ("b/2.wav", "b/10.MP3", "a.flac", "c/d/1.m4a", "notes.txt", "b/2.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"
    found = find_recordings([single, tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "notes.txt",  # named by the user, so not left out
        "a.flac",
        "b/10.MP3",
        "b/2.wav",
        "c/d/1.m4a",
    ]


def test_a_folder_without_audio_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=f"{tmp_path}: no audio file in this folder"):
        find_recordings([tmp_path])


def test_paths_that_do_not_exist_stay_for_the_transcriber_to_name(tmp_path):
    assert find_recordings([tmp_path / "missing.wav"]) == [tmp_path / "missing.wav"]
