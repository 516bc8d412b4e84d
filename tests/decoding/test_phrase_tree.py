"""The sums of a tree of phrases: by counting every path, and as the list of them has it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.lattices import lattice, sums_over_all_paths
from support.tiny import unhurried

from asr.decoding.likelihood import log_likelihoods
from asr.decoding.phrase_tree import PhraseTree


def test_they_sum_over_all_paths():
    log_probs = lattice(4, 3, seed=0)
    expected = sums_over_all_paths(log_probs)
    sequences = [sequence for sequence in expected if sequence]
    found = PhraseTree(sequences).log_likelihoods(log_probs.numpy())
    assert np.allclose(np.exp(found), [expected[sequence] for sequence in sequences], rtol=1e-12)


SEQUENCE = st.lists(st.integers(1, 4), min_size=1, max_size=8).map(tuple)


@unhurried
@given(
    st.lists(SEQUENCE, min_size=1, max_size=12), st.integers(1, 25), st.integers(0, 99), st.sampled_from([1.0, 12.0])
)
def test_the_best_and_those_near_it_are_those_of_a_list(sequences, frames, seed, spread):
    log_probs = lattice(frames, 5, seed, spread)
    found = PhraseTree(sequences).log_likelihoods(log_probs.numpy())
    exact = np.array(log_likelihoods(log_probs, sequences))
    assert (found <= exact + 1e-9).all()
    near = exact > exact.max() - 20
    assert np.allclose(found[near], exact[near], rtol=0, atol=1e-6)


def test_what_the_first_pass_loses_is_found():
    """A phrase that begins 60 nats behind and is the best in the end."""
    log_probs = torch.full((4, 3), -200.0)
    log_probs[0, 1], log_probs[0, 2], log_probs[2, 2], log_probs[1::2, 0] = 0.0, -60.0, 0.0, 0.0
    tree = PhraseTree([(1, 1), (2, 2)])
    assert tree.log_likelihoods(log_probs.numpy()) == pytest.approx([-200.0, -60.0])


def test_no_frame_has_no_phrase():
    assert PhraseTree([(1,), (1, 2)]).log_likelihoods(np.zeros((0, 3))).tolist() == [-math.inf, -math.inf]
    assert PhraseTree([(1, 1)]).log_likelihoods(np.log(np.full((2, 2), 0.5))).tolist() == [-math.inf]


def test_what_phrases_have_in_common_is_there_once():
    assert len(PhraseTree([(1, 2, 3), (1, 2, 4), (1, 2)])) == 5
