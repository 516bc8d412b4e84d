"""Greedy decoding against brute force."""

from itertools import groupby

import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.decoding.greedy import collapse, greedy

paths = st.lists(st.integers(0, 3), max_size=12)


def merged_then_without_blanks(path):
    return [token for token, _ in groupby(path) if token != 0]


@unhurried
@given(paths)
def test_collapse_merges_repeats_and_then_drops_blanks(path):
    assert collapse(path) == merged_then_without_blanks(path)


def test_a_blank_between_equal_tokens_keeps_both():
    assert collapse([0, 1, 1, 0, 1, 2, 2, 0]) == [1, 1, 2]


@unhurried
@given(st.lists(paths, min_size=1, max_size=4), st.integers(0, 3))
def test_greedy_takes_the_best_token_of_each_valid_frame(batch, padding):
    """Frames beyond an utterance's length hold a confident token, which must not be heard."""
    lengths = torch.tensor([len(path) for path in batch])
    longest = max(1, int(lengths.max()))
    log_probs = torch.randn(len(batch), longest, 4).sub(10)
    for row, path in enumerate(batch):
        for frame, token in enumerate(path + [padding] * (longest - len(path))):
            log_probs[row, frame, token] = 0.0
    assert greedy(log_probs, lengths) == [merged_then_without_blanks(path) for path in batch]
