"""Greedy decoding against brute force and against forced alignment."""

from itertools import groupby

import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.decoding.greedy import BestPath, collapse, greedy
from asr.model.best_path import align

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
@given(paths)
def test_greedy_takes_the_best_token_of_each_frame(path):
    log_probs = torch.randn(len(path), 4).sub(10)
    log_probs[range(len(path)), path] = 0.0
    assert list(greedy(log_probs).tokens) == merged_then_without_blanks(path)


@unhurried
@given(st.integers(1, 200), st.integers(2, 6), st.integers(0, 10_000))
def test_its_spikes_are_those_of_aligning_its_tokens(frames, tokens, seed):
    """Of random log-probs no two are equal, so the best path is the only one."""
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(frames, tokens, generator=generator).mul(2).log_softmax(dim=-1)
    found = greedy(log_probs)
    assert list(found.spikes) == align(log_probs, found.tokens)


def test_without_a_frame_there_is_no_token():
    assert greedy(torch.zeros(0, 4)) == BestPath((), ())
