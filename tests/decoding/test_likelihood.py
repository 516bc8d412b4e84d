"""Likelihoods of token sequences against the CTC loss, and what they cost on a long recording."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.lattices import lattice, sums_over_all_paths
from support.tiny import unhurried
from torch.utils._python_dispatch import TorchDispatchMode

from asr.decoding import likelihood as module
from asr.decoding.likelihood import log_likelihoods
from asr.model.ctc import ctc_loss

sequences = st.lists(st.lists(st.integers(1, 3), max_size=12).map(tuple), min_size=1, max_size=6)


class Sizes(TorchDispatchMode):
    """Remembers how many numbers each operation makes."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        found = function(*arguments, **(keywords or {}))
        if isinstance(found, torch.Tensor):
            self.made.append((function.overloadpacket.__name__, found.numel()))
        return found


def losses(log_probs, tokens):
    """The same by the loss, which keeps a lattice, or checkpoints of one."""
    lengths = torch.tensor([len(each) for each in tokens])
    targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(each).long() for each in tokens], batch_first=True)
    frames = torch.full((len(tokens),), len(log_probs))
    found = ctc_loss(log_probs.expand(len(tokens), -1, -1), frames, targets, lengths)
    return torch.where(found.feasible, -found.values, -math.inf).tolist()


def spoken(frames, seed=0):
    """Sharp log-probs, and many sequences that differ from theirs in a few places far apart."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 20, (frames // 2,), generator=generator)
    scores = 2 * torch.randn(frames, 20, generator=generator)
    scores[:, 0] += 8
    scores[1::2, 0] -= 8
    scores[torch.arange(1, frames, 2), tokens] += 8
    others = []
    for number in range(12):
        other = tokens.tolist()
        for place in torch.randint(len(other), (4,), generator=generator).tolist():
            other[place : place + 1] = [[], [1 + number], [other[place], 1 + number]][number % 3]
        others.append(other)
    return scores.log_softmax(dim=1), others


@unhurried
@given(st.integers(0, 1000), st.integers(1, 14), st.floats(0.1, 30), sequences)
def test_they_are_those_of_the_loss(seed, frames, spread, tokens):
    log_probs = lattice(frames, 4, seed, spread)
    assert log_likelihoods(log_probs, tokens) == pytest.approx(losses(log_probs, tokens), abs=1e-9)


def test_they_sum_over_all_paths():
    log_probs = lattice(5, 3, 0)
    expected = sums_over_all_paths(log_probs)
    found = log_likelihoods(log_probs, list(expected))
    assert found == pytest.approx([math.log(each) for each in expected.values()], abs=1e-9)
    assert sum(map(math.exp, found)) == pytest.approx(1.0)


def test_no_frame_has_no_token():
    assert log_likelihoods(torch.zeros(0, 3), [(), (1,)]) == [0.0, -math.inf]


def test_what_the_first_pass_loses_is_found():
    """For 80 frames all is against the sequence, then all is for it.

    It is against it by far more than the first pass allows.
    """
    log_probs = torch.full((120, 3), -0.0)
    log_probs[:80] = torch.tensor([0.0, -9.0, -9.0])
    log_probs[80:] = torch.tensor([-9.0, -9.0, 0.0])
    log_probs = log_probs.double().log_softmax(dim=1)
    tokens = [(1,) * 30 + (2,), (1, 2), (2,)]
    bounds = module._Columns(tokens, 3).sums(log_probs, None)
    assert float(bounds[0]) < losses(log_probs, tokens)[0] - 1
    assert log_likelihoods(log_probs, tokens) == pytest.approx(losses(log_probs, tokens), abs=1e-9)


def test_a_long_recording_keeps_one_column_and_computes_little_of_it():
    log_probs, tokens = spoken(600)
    column = len(tokens) * (1 + max(map(len, tokens)))
    with Sizes() as sizes:
        found = log_likelihoods(log_probs, tokens)
    assert found == pytest.approx(losses(log_probs.double(), tokens), rel=1e-9)
    assert max(size for _, size in sizes.made) <= column
    computed = sum(size for name, size in sizes.made if name == "logaddexp")
    assert computed < 2 * len(log_probs) * column / 2
