"""Likelihoods of token sequences against the CTC loss, and what they cost on a long recording."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.lattices import lattice, sums_over_all_paths
from support.tiny import unhurried

from asr.decoding import likelihood as module
from asr.decoding.likelihood import each_log_likelihood, log_likelihoods
from asr.model.ctc import ctc_loss

sequences = st.lists(st.lists(st.integers(1, 3), max_size=12).map(tuple), min_size=1, max_size=6)


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
    log_probs[:80] = torch.tensor([0.0, -90.0, -90.0])
    log_probs[80:] = torch.tensor([-90.0, -90.0, 0.0])
    log_probs = log_probs.double().log_softmax(dim=1)
    tokens = [(1,) * 30 + (2,), (1, 2), (2,)]
    columns = module._Columns([log_probs.numpy()] * 3, tokens)
    assert columns.scaled()[1].tolist() == [False, True, True]
    assert log_likelihoods(log_probs, tokens) == pytest.approx(losses(log_probs, tokens), abs=1e-9)


@unhurried
@given(st.integers(0, 1000), st.lists(st.integers(0, 9), min_size=1, max_size=5), st.floats(0.1, 300), sequences)
def test_each_in_a_window_of_its_own_is_as_it_is_alone(seed, frames, spread, tokens):
    windows = [lattice(frames[n % len(frames)], 4, seed + n, spread).numpy() for n in range(len(tokens))]
    alone = [log_likelihoods(window, [each])[0] for window, each in zip(windows, tokens, strict=True)]
    assert each_log_likelihood(windows, tokens) == pytest.approx(alone, abs=1e-9)


def test_logarithms_say_the_same():
    log_probs, tokens = spoken(60)
    columns = module._Columns([log_probs.numpy()] * len(tokens), tokens)
    assert columns.logarithms()[0] == pytest.approx(columns.scaled()[0], abs=1e-9)


def test_of_a_long_recording_little_is_computed(monkeypatch):
    log_probs, tokens = spoken(600)
    column, rows = len(tokens) * (1 + max(map(len, tokens))), []
    emitted = module._Columns._emitted

    def counted(columns, row, low, top):
        rows.append(top - low)
        return emitted(columns, row, low, top)

    monkeypatch.setattr(module._Columns, "_emitted", counted)
    found = log_likelihoods(log_probs, tokens)
    assert found == pytest.approx(losses(log_probs.double(), tokens), rel=1e-9)
    assert sum(rows) * len(tokens) < len(log_probs) * column / 2
