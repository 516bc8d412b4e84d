"""Forced alignment against brute force over all paths, and against torchaudio's."""

from itertools import product

import pytest
import torch
import torchaudio
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.decoding.greedy import collapse
from asr.model import best_path as module
from asr.model.best_path import align
from asr.model.labels import minimum_frames


def random_log_probs(frames: int, tokens: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, tokens, generator=generator).mul(2).log_softmax(dim=-1)


def path_of(spikes, tokens, frames):
    path = [0] * frames
    for token, spike in zip(tokens, spikes, strict=True):
        path[spike.start : spike.stop] = [token] * (spike.stop - spike.start)
    return path


@unhurried
@given(st.integers(1, 6), st.lists(st.integers(1, 2), max_size=4), st.integers(0, 10_000))
def test_no_path_of_the_tokens_is_better(frames, tokens, seed):
    log_probs = random_log_probs(frames, 3, seed)
    paths = [path for path in product(range(3), repeat=frames) if collapse(list(path)) == tokens]
    assert bool(paths) == (minimum_frames(tokens) <= frames)
    if not paths:
        with pytest.raises(ValueError, match="frames"):
            align(log_probs, tokens)
        return
    best = max(paths, key=lambda path: float(log_probs[range(frames), path].double().sum()))
    assert path_of(align(log_probs, tokens), tokens, frames) == list(best)


@unhurried
@given(st.integers(1, 300), st.integers(2, 6), st.floats(0.05, 1.0), st.integers(0, 10_000))
def test_alignment_equals_torchaudios(frames, size, share, seed):
    log_probs = random_log_probs(frames, size, seed)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, size, (1 + int(share * (frames - 1)),), generator=generator).tolist()
    while minimum_frames(tokens) > frames:
        tokens.pop()
    path, scores = torchaudio.functional.forced_align(
        log_probs[None], torch.tensor([tokens], dtype=torch.int32), blank=0
    )
    spikes = align(log_probs, tokens)
    assert path_of(spikes, tokens, frames) == path[0].tolist()
    theirs = torchaudio.functional.merge_tokens(path[0], scores[0])
    assert [(s.start, s.stop) for s in spikes] == [(s.start, s.end) for s in theirs]
    torch.testing.assert_close([s.log_prob for s in spikes], [s.score for s in theirs], rtol=1e-5, atol=1e-5)


def test_greedy_text_is_aligned_with_the_greedy_path():
    log_probs = random_log_probs(80, 5, seed=3)
    path = log_probs.argmax(dim=1).tolist()
    assert path_of(align(log_probs, collapse(path)), collapse(path), 80) == path


def test_no_tokens_no_spikes():
    assert align(random_log_probs(3, 4, 0), []) == []
    assert align(torch.zeros(0, 4), []) == []


def test_tokens_that_are_impossible_are_refused():
    log_probs = random_log_probs(4, 3, 0)
    log_probs[:, 2] = -torch.inf
    with pytest.raises(ValueError, match="finite"):
        align(log_probs, [2])


def test_memory_grows_with_a_power_below_one_of_frames_times_states(monkeypatch):
    """Counted in numbers kept, for a lattice 64 times as large.

    They are all stored columns and the widest window.
    """
    kept: list[int] = []
    walk = module._walk

    def counting(column, emitted, skip):
        kept[-1] = max(kept[-1], len(column) * (1 + len(emitted)))
        return walk(column, emitted, skip)

    monkeypatch.setattr(module, "_walk", counting)
    for frames in (200, 1600):
        kept.append(0)
        align(random_log_probs(frames, 5, 1), [1, 2, 3, 4] * (frames // 16))
    small, large = kept
    assert large < 1.1 * 16 * small  # 64 ** (2 / 3)


@pytest.mark.parametrize("tokens", [[0], [1, 0, 2], [-1], [4], [1, 99]])
def test_what_is_no_token_of_the_alphabet_is_refused(tokens):
    with pytest.raises(ValueError, match="is not one of 1 to 3"):
        align(torch.zeros(9, 4).log_softmax(dim=1), tokens)
