"""A recording in pieces: the best texts of all, and where words lie."""

import random
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from support.tiny import RATE, noise, recogniser, sine

from asr.decoding.hypothesis import Hypothesis
from asr.transcription.transcribe import Transcriber, best_together


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
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 450)
    waveform = np.concatenate([sine(pitch, 0.2) for pitch in pitches]) + noise(90 * RATE, level=0.01)
    timed = model.transcribe(waveform, RATE)
    words = timed.words
    assert timed.duration == 90 and len(timed.segments) >= 3
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))
    assert words[-1].end <= 90 and words[-1].end > 60
    assert tuple(model.segments(waveform, RATE)) == timed.segments
