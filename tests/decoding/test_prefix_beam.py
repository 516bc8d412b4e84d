"""Prefix beam search against a sum over all paths."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.lattices import lattice, sums_over_all_paths
from support.tiny import unhurried

from asr.decoding import prefix_beam as module
from asr.decoding.greedy import greedy
from asr.decoding.hotwords import HotWords
from asr.decoding.prefix_beam import prefix_beam_search


@pytest.mark.parametrize(("frames", "tokens"), [(1, 4), (6, 2), (5, 3), (4, 4), (3, 6)])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_sums_over_all_paths(frames, tokens, seed):
    log_probs = lattice(frames, tokens, seed)
    expected = sums_over_all_paths(log_probs)
    found = prefix_beam_search(log_probs, beam=10_000)
    assert {sequence for sequence, _ in found} == set(expected)
    assert len(found) == len(expected)
    for sequence, score in found:
        assert score == pytest.approx(math.log(expected[sequence]), abs=1e-9)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(map(math.exp, scores)) == pytest.approx(1.0)


@unhurried
@given(st.lists(st.integers(0, 3), max_size=12))
def test_a_beam_of_one_finds_on_a_certain_lattice_what_greedy_finds(path):
    log_probs = torch.full((len(path), 4), -math.inf)
    for frame, token in enumerate(path):
        log_probs[frame, token] = 0.0
    assert prefix_beam_search(log_probs, beam=1) == [(greedy(log_probs).tokens, 0.0)]


@unhurried
@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_narrow_beam_never_claims_more_than_the_sum(seed, beam):
    log_probs = lattice(5, 3, seed)
    expected = sums_over_all_paths(log_probs)
    found = prefix_beam_search(log_probs, beam=beam)
    assert len(found) <= beam
    assert all(score <= math.log(expected[sequence]) + 1e-9 for sequence, score in found)


def test_the_best_sequence_need_not_be_that_of_the_best_path():
    """Graves et al. 2006, section 3.2: many weak paths outweigh a strong one."""
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert greedy(log_probs).tokens == ()
    (best, score), *_ = prefix_beam_search(log_probs, beam=4)
    assert best == (1,)
    assert score == pytest.approx(math.log(0.64))


def test_no_frame_is_the_empty_sequence():
    assert prefix_beam_search(torch.zeros(0, 3), beam=5) == [((), 0.0)]


@pytest.mark.parametrize("seed", range(5))
def test_hot_words_reorder_by_what_each_sequence_earns(seed):
    log_probs = lattice(5, 3, seed)
    hotwords = HotWords({(1, 2): 1.5, (2, 2): 0.7})
    expected = sums_over_all_paths(log_probs)
    found = prefix_beam_search(log_probs, beam=10_000, hotwords=hotwords)
    ranks = [score + hotwords.earned(sequence) for sequence, score in found]
    assert ranks == pytest.approx(sorted(ranks, reverse=True))
    assert all(score == pytest.approx(math.log(expected[sequence]), abs=1e-9) for sequence, score in found)


@pytest.mark.parametrize("hotwords", [None, HotWords({(1, 2): 1.5, (2, 2): 0.7})])
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_clearing_the_tree_changes_nothing(monkeypatch, block, hotwords):
    log_probs = lattice(40, 4, 0)
    expected = prefix_beam_search(log_probs, beam=8, hotwords=hotwords)
    monkeypatch.setattr(module, "BLOCK", block)
    assert prefix_beam_search(log_probs, beam=8, hotwords=hotwords) == expected


def test_no_more_is_remembered_than_the_kept_prefixes(monkeypatch):
    """However long the recording; and its scores are lists for a block at a time."""
    trees = []

    class Watched(module._Tree):
        def pruned(self, kept):
            left = super().pruned(kept)
            sequences = {self.sequence(prefix) for prefix, _, _ in left}
            prefixes = {sequence[:length] for sequence in sequences for length in range(len(sequence) + 1)}
            trees.append((len(self.lasts), len(prefixes)))
            return left

    monkeypatch.setattr(module, "_Tree", Watched)
    monkeypatch.setattr(module, "BLOCK", 16)
    prefix_beam_search(lattice(200, 4, 0), beam=8)
    assert len(trees) == 13 and all(nodes == needed for nodes, needed in trees)
