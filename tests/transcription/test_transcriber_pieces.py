"""A recording in pieces: the best texts of all, and where words lie."""

import json
import random
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import soundfile
import torch
from support.tiny import RATE, noise, recogniser, sine

from asr.audio.reader import Recording
from asr.decoding.hypothesis import Hypothesis, best_together
from asr.errors import ConfigError
from asr.text.formats import render_timed_text
from asr.transcription.transcribe import Transcriber


def test_the_best_texts_of_pieces_make_the_best_texts_of_all():
    """Against every combination."""
    draw = random.Random(0)
    lists = [
        sorted(
            (Hypothesis((n,), f"{place}{n}", draw.uniform(-9, 0), draw.random()) for n in range(4)),
            key=lambda hypothesis: -hypothesis.score,
        )
        for place in "abc"
    ]
    every = {" ".join(h.text for h in parts): sum(h.score for h in parts) for parts in product(*lists)}
    expected = sorted(every, key=lambda text: -every[text])[:4]
    found = best_together(lists)
    assert [hypothesis.text for hypothesis in found] == expected
    assert [hypothesis.score for hypothesis in found] == pytest.approx([every[text] for text in expected])
    assert len(found[0].tokens) == 3
    assert best_together([]) == best_together([(), ()]) == ()


def test_a_long_recording_is_read_in_parts_that_lie_where_they_are():
    """Words of a minute and a half come in order, and segments one by one are the same."""
    model = Transcriber(recogniser(layers=2))
    with torch.no_grad():
        model.recogniser.acoustic.output.bias[0] -= 2  # else it says next to nothing
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 900)
    waveform = np.concatenate([sine(pitch, 0.1) for pitch in pitches]) + noise(90 * RATE, level=0.01)
    timed = model.transcribe(waveform, RATE)
    words = timed.words
    assert timed.duration == 90 and len(timed.segments) >= 3
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))
    assert words[-1].end <= 90 and words[-1].end > 60
    assert tuple(model.segments(waveform, RATE)) == timed.segments


def test_a_file_is_read_block_by_block_and_its_segments_come_before_its_end(tmp_path, monkeypatch):
    """The same text as of the whole waveform, and no block is held."""
    model = Transcriber(recogniser(layers=2))
    with torch.no_grad():
        model.recogniser.acoustic.output.bias[0] -= 2
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 1800)
    waveform = np.concatenate([sine(pitch, 0.1) for pitch in pitches]) + noise(180 * RATE, level=0.01)
    soundfile.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    sizes = []
    blocks = Recording.blocks

    def counted(recording, *args, **options):
        for block in blocks(recording, *args, **options):
            sizes.append(len(block))
            yield block

    monkeypatch.setattr(Recording, "blocks", counted)
    expected = model.transcribe(waveform, RATE)
    assert model.transcribe(tmp_path / "a.wav") == expected
    assert sum(sizes) == 180 * RATE and max(sizes) <= 10 * RATE
    sizes.clear()
    segments = model.segments(tmp_path / "a.wav")
    assert next(segments) == expected.segments[0]
    assert sum(sizes) < 90 * RATE, "the first segment needs the beginning only"
    segments.close()


def test_what_is_amiss_with_a_recording_comes_with_its_text(tmp_path):
    model, path = Transcriber(recogniser()), tmp_path / "a.wav"
    soundfile.write(path, np.stack([noise(RATE), -noise(RATE)], axis=1), RATE, subtype="FLOAT")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    (transcript,) = model.transcribe_files([path])
    cancelled, torn = transcript.timed.warnings
    assert "channels cancel each other" in cancelled and "breaks off after 0.75 s of 1.00 s" in torn
    assert transcript.text == model.transcribe(noise(RATE)[: RATE * 3 // 4], RATE).text
    segments = model.segments(path)
    assert segments.coverage is None, "nothing is read yet"
    assert tuple(segments) == transcript.timed.segments
    assert segments.warnings == transcript.timed.warnings and segments.coverage == transcript.timed.coverage
    assert (segments.duration, segments.confidence) == (transcript.timed.duration, transcript.timed.confidence)
    described = json.loads(render_timed_text(transcript.timed, "json", "a"))
    assert described["warnings"] == [cancelled, torn]
    (chosen,) = model.transcribe_files([path], channel=1)
    assert tuple(model.segments(path, channel=1)) == chosen.timed.segments
    assert "".join(chosen.timed.warnings).count("cancel") == 0
    (absent,) = model.transcribe_files([path], channel=2)
    assert str(absent.error) == f"{path}: has no channel 2; it has 2, counted from 0"


def test_a_channel_is_chosen_from_files_only():
    with pytest.raises(ConfigError, match="track and channel choose from a file"):
        Transcriber(recogniser()).transcribe(noise(RATE), RATE, channel=0)


def test_several_pieces_at_a_time_make_the_same_text():
    model = Transcriber(recogniser(layers=2))
    with torch.no_grad():
        model.recogniser.acoustic.output.bias[0] -= 2
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 900)
    waveform = np.concatenate([sine(pitch, 0.1) for pitch in pitches]) + noise(90 * RATE, level=0.01)
    assert replace(model, jobs=3).transcribe(waveform, RATE) == model.transcribe(waveform, RATE)
