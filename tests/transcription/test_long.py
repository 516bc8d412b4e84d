"""Laws of pieces: together they are the recording, and do not depend on how it came."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, recogniser, sine, sure, unhurried

from asr.decoding.greedy import greedy
from asr.transcription.long import LONGEST, find_cut, part_words, pieces
from asr.transcription.segments import Segments
from asr.transcription.sound import Sound
from asr.transcription.transcribe import Transcriber


@pytest.mark.parametrize(
    ("path", "cut"),
    [
        ([], None),
        ([1, 0, 0, 0], None),
        ([1, 0, 0, 0, 0], 3),
        ([0, 0, 0, 0, 0, 0], None),
        ([0, 0, 0, 0, 0, 0, 1], None),
        ([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0], 10),
        ([1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], 6),
        ([0] * 20, 15),
        ([1, 2] * 5 + [0] * 3 + [1, 2, 1, 2] + [0] * 2 + [1], 12),
        ([1, 2] * 10, 11),
    ],
)
def test_a_piece_ends_in_a_pause_or_at_the_longest_blank(path, cut):
    """Of four blanks; after 20 frames at the latest, in their second half."""
    assert find_cut(sure(path), pause=4, longest=20) == cut


@unhurried
@given(st.lists(st.integers(0, 2), max_size=80))
def test_a_cut_lies_inside_and_is_certain_as_soon_as_it_is_known(path):
    log_probs = sure(path, 3)
    known = next((n for n in range(len(path) + 1) if find_cut(log_probs[:n], pause=4, longest=20) is not None), None)
    cut = find_cut(log_probs, pause=4, longest=20)
    if known is None:
        assert cut is None
    else:
        assert cut == find_cut(log_probs[:known], pause=4, longest=20)
        assert 0 < cut <= min(known, 20)


def parted(model, waveform, size):
    return list(pieces(model, (waveform[n : n + size] for n in range(0, len(waveform), size))))


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5, 12.0, 70.0])
def test_pieces_together_are_the_recording_however_it_comes(seconds):
    model = recogniser(layers=2)
    waveform = noise(round(seconds * RATE))
    expected = parted(model, waveform, max(1, len(waveform)))
    for size in (37_003, 320_000):
        found = parted(model, waveform, size)
        assert [piece.start for piece in found] == [piece.start for piece in expected]
        np.testing.assert_array_equal(
            np.concatenate([piece.waveform for piece in found]) if found else waveform, waveform
        )
    assert all(len(piece.waveform) <= LONGEST * RATE for piece in expected)
    for before, after in pairwise(expected):
        assert after.start == pytest.approx(before.start + len(before.waveform) / RATE)


def test_no_token_is_lost_or_doubled_where_pieces_meet():
    model = recogniser(layers=2)
    waveform = noise(100 * RATE)
    found = parted(model, waveform, 50_000)
    assert len(found) >= 4
    whole = greedy(np.concatenate([piece.log_probs for piece in found])).tokens
    assert tuple(token for piece in found for token in greedy(piece.log_probs).tokens) == tuple(whole)


@pytest.mark.parametrize("chunk", [None, 2.0])
def test_a_recording_in_two_parts_read_as_one_stream_loses_and_doubles_nothing(chunk):
    """Cut anywhere, in blocks of any sizes: the text of the whole, and its words where they are."""
    model = Transcriber(recogniser(layers=2, seed=7, chunk=chunk, lookahead=1.0 if chunk else 0.0), min_confidence=0.0)
    with torch.no_grad():
        model.recogniser.acoustic.output.bias[0] -= 2  # else it says next to nothing
    draw = np.random.default_rng(0)
    sounds = [sine(pitch, 0.2) for pitch in draw.choice([0, 200, 900, 2500, 6000], 5 * 33)]
    waveform = np.concatenate(sounds) + noise(33 * RATE, level=0.01)
    expected = model.transcribe(waveform, RATE)
    assert len(expected.segments) >= 2

    def blocks(cut):
        for part in (waveform[:cut], waveform[cut:]):
            while len(part):
                size = int(10 ** draw.uniform(3, 5.2))
                yield part[:size]
                part = part[size:]

    for cut in draw.integers(0, len(waveform), 12):
        found = Segments(nullcontext(Sound(blocks(cut), RATE, [])), model.parts)
        segments = list(found)
        assert " ".join(segment.text for segment in segments) == expected.text
        assert [s.start for s in segments] == pytest.approx([s.start for s in expected.segments], abs=1e-6)
        assert (found.duration, found.coverage) == (expected.duration, expected.coverage)


@pytest.mark.parametrize(
    ("path", "parted"),
    [
        ([1, 0, 0, 0, 0, 2], [1, 0, 3, 0, 0, 2]),
        ([1, 0, 0, 0, 2], [1, 0, 0, 0, 2]),
        ([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        ([1, 3, 0, 0, 0, 0, 0, 2], [1, 3, 0, 0, 0, 0, 0, 2]),
        ([1, 0, 0, 0, 0, 0, 3, 2], [1, 0, 0, 0, 0, 0, 3, 2]),
        ([1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2], [1, 1, 0, 3, 0, 0, 1, 0, 3, 0, 0, 2]),
        ([], []),
    ],
)
def test_a_long_pause_parts_words(path, parted):
    """Of more than three blanks between two tokens, none of which parts words already; 3 does."""
    log_probs = sure(path)
    found = part_words(log_probs, 3, pause=4)
    assert found.argmax(axis=1).tolist() == parted
    changed = (found != log_probs).any(axis=1)
    assert changed.tolist() == [a != b for a, b in zip(path, parted, strict=True)]
