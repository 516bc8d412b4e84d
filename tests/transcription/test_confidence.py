"""Probabilities of stretches against sums over all paths; calibration against drawn truths."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.decoding.greedy import collapse
from asr.decoding.likelihood import each_log_likelihood
from asr.errors import ModelError
from asr.model.best_path import align
from asr.text.spelling import split_words
from asr.text.tokenizer import CharacterTokenizer
from asr.transcription import confidence as module
from asr.transcription.confidence import (
    CONFIDENCE_FILE,
    UNCALIBRATED,
    Calibration,
    Platt,
    calibration_error,
    chance_error,
    fit,
    load_calibration,
    save_calibration,
    stretch_log_probs,
)


def test_a_stretch_has_the_probability_of_all_paths_between_its_neighbours():
    """Text "a b a" (space is token 1); brute force over the frames that each stretch has."""
    generator = torch.Generator().manual_seed(4)
    log_probs = torch.randn(9, 4, generator=generator).log_softmax(dim=-1)
    tokens = [2, 1, 3, 1, 2]
    spelling, spikes = split_words(tokens, CharacterTokenizer(" ab")), align(log_probs, tokens)
    stretches = {(0, 1): (tokens[:2], 0, spikes[2].start), (1, 2): (tokens[1:4], spikes[0].stop, spikes[4].start)}
    stretches |= {(1, 3): (tokens[1:], spikes[0].stop, 9), (0, 3): (tokens, 0, 9)}
    found = stretch_log_probs(log_probs, spelling, spikes, list(stretches))
    for log_prob, (text, start, stop) in zip(found, stretches.values(), strict=True):
        paths = (path for path in product(range(4), repeat=stop - start) if collapse(list(path)) == text)
        total = sum(math.exp(log_probs[range(start, stop), path].sum()) for path in paths)
        assert log_prob == pytest.approx(math.log(total), abs=1e-4)


def test_a_text_without_words_has_the_probability_of_silence():
    log_probs = torch.randn(5, 3).log_softmax(dim=-1)
    spelling = split_words([], CharacterTokenizer(" a"))
    assert stretch_log_probs(log_probs, spelling, [], [(0, 0)]) == pytest.approx(
        [float(log_probs[:, 0].sum())], abs=1e-4
    )


def test_more_stretches_than_are_scored_at_once():
    tokens = [2, 1] * 99 + [2]
    log_probs = torch.randn(600, 3).log_softmax(dim=-1)
    spelling, spikes = split_words(tokens, CharacterTokenizer(" a")), align(log_probs, tokens)
    alone = [(n, n + 1) for n in range(100)]
    together = stretch_log_probs(log_probs, spelling, spikes, alone)
    assert together == pytest.approx([stretch_log_probs(log_probs, spelling, spikes, [s])[0] for s in alone], abs=1e-4)


def test_one_long_pause_does_not_widen_the_stretches_of_all_words(monkeypatch):
    """What is scored at once, padding included, is bounded, or is a single stretch.

    Values stay the same.
    """
    tokens = [2, 1] * 149 + [2]
    log_probs = torch.full((40_000, 3), -9.0)
    log_probs[:, 0] = 0.0
    places = [10 * n for n in range(150)] + [30_000 + 10 * n for n in range(149)]
    log_probs[places] = log_probs[places][:, [1, 2, 0]]
    log_probs = log_probs + torch.randn(log_probs.shape, generator=torch.Generator().manual_seed(0))
    log_probs = log_probs.log_softmax(dim=-1).numpy()
    spelling, spikes = split_words(tokens, CharacterTokenizer(" a")), align(log_probs, tokens)
    alone = [(n, n + 1) for n in range(150)]
    expected = [stretch_log_probs(log_probs, spelling, spikes, [stretch])[0] for stretch in alone]
    calls = []

    def counting(windows, texts):
        lengths = [len(window) for window in windows]
        calls.append((len(windows) * max(lengths) * (3 + 2 * max(map(len, texts)) + 1), lengths))
        return each_log_likelihood(windows, texts)

    monkeypatch.setattr(module, "each_log_likelihood", counting)
    monkeypatch.setattr(module, "_LARGEST_PADDED", 100_000)
    assert stretch_log_probs(log_probs, spelling, spikes, alone) == pytest.approx(expected, abs=1e-9)
    assert max(frames for _, lengths in calls for frames in lengths) > 25_000
    assert all(size <= 100_000 or len(lengths) == 1 for size, lengths in calls)
    assert sum(len(lengths) == 1 for _, lengths in calls) <= 3 and len(calls) < 8


def test_a_fit_finds_the_sigmoid_that_outcomes_were_drawn_from():
    generator = np.random.default_rng(0)
    probabilities = generator.uniform(0.02, 0.98, 20_000)
    truth = Platt(0.6, -0.8)
    correct = generator.random(len(probabilities)) < [truth(math.log(p)) for p in probabilities]
    found = fit(np.log(probabilities).tolist(), correct.tolist())
    assert (found.scale, found.offset) == pytest.approx((0.6, -0.8), abs=0.06)
    before, after = (calibration_error([f(math.log(p)) for p in probabilities], correct) for f in (Platt(), found))
    assert before > 0.1 and after < 0.02


@pytest.mark.parametrize("correct", [[True] * 20, [False] * 20, [True, False] * 10, [False] * 10 + [True] * 10])
def test_a_fit_never_claims_certainty_and_keeps_the_order(correct):
    """All right, all wrong, no relation, and perfectly told apart."""
    log_probs = np.log(np.linspace(0.05, 0.99, 20)).tolist()
    found = fit(log_probs, correct)
    confidences = [found(p) for p in log_probs]
    assert confidences == sorted(confidences)
    assert confidences[0] > 0 and confidences[-1] < 1


@unhurried
@given(st.floats(-1e5, 0.0), st.floats(0.1, 3), st.floats(-5, 5))
def test_confidences_are_probabilities_whatever_goes_in(log_prob, scale, offset):
    assert 0 <= Platt(scale, offset)(log_prob) <= 1


def test_without_calibration_confidences_are_the_models_own():
    assert Platt()(math.log(0.3)) == pytest.approx(0.3)


def test_calibration_error_of_known_answers():
    assert calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert calibration_error([0.95, 0.95, 0.15, 0.15], [True, False, False, False]) == pytest.approx((0.9 + 0.3) / 4)
    assert calibration_error([1.0, 1.0], [False, False]) == 1
    assert calibration_error([], []) == 0


def test_luck_alone_shows_less_the_more_there_is():
    assert chance_error([0.5] * 10) > 2 * chance_error([0.5] * 100) > 4 * chance_error([0.5] * 10_000)


def test_a_calibration_comes_back_from_its_folder(tmp_path):
    assert load_calibration(tmp_path) == UNCALIBRATED
    calibration = Calibration(Platt(0.7, 0.5), Platt(0.8, -1.0))
    save_calibration(tmp_path, calibration)
    assert load_calibration(tmp_path) == calibration
    (tmp_path / CONFIDENCE_FILE).write_text('{"words": {"scale": "much"}}')
    with pytest.raises(ModelError, match=r"confidence\.json: cannot be used .*asr calibrate"):
        load_calibration(tmp_path)
