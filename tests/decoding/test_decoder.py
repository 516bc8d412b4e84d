"""Hypotheses are ranked by all that scores them."""

import math
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.language import TOKENIZER, WIDE, texts, write_lm
from support.lattices import lattice, sums_over_all_paths
from support.tiny import recogniser, unhurried

from asr.decoding.decoder import Decoder, Decoding, penalised
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ConfigError, MissingExtra, ModelError
from asr.lm.rnn import RnnLm, RnnLmConfig
from asr.model.labels import IMPOSSIBLE
from asr.text.tokenizer import CharacterTokenizer


def test_no_hypothesis_is_lost_however_long_the_recording():
    """Their lattices together are too large to be kept: 2 x 10^8 states."""
    beam, log_probs = 20, lattice(3000, 4, 0)
    hypotheses = Decoder(CharacterTokenizer("abc"), DecodingConfig(beam=beam))(log_probs)
    states = len(log_probs) * sum(2 * len(hypothesis.tokens) + 1 for hypothesis in hypotheses)
    assert len(hypotheses) == beam and states > 1.5e8
    scores = [hypothesis.score for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1] > -math.inf


def test_without_a_frame_there_is_no_text():
    (found,) = Decoder(TOKENIZER, DecodingConfig())(torch.zeros(0, 4))
    assert (found.text, found.score) == ("", 0.0)


class Spy:
    """A search that notes what it is given, and proposes nothing."""

    def __init__(self):
        self.frames = []

    def accept(self, log_probs):
        self.frames += log_probs.tolist()

    def finish(self):
        return []


PAUSED, UNSURE = [math.log(p) for p in (0.995, 0.003, 0.002)], [math.log(p) for p in (0.98, 0.01, 0.01)]
SPOKEN = [math.log(p) for p in (0.1, 0.8, 0.1)]


@unhurried
@given(
    st.lists(st.sampled_from([PAUSED, UNSURE, SPOKEN]), max_size=20).flatmap(
        lambda frames: st.tuples(st.just(frames), st.lists(st.integers(0, len(frames)), max_size=4))
    )
)
def test_of_certain_blanks_in_a_row_one_is_searched_however_the_frames_come(cut):
    frames, places = cut
    expected = [frame for before, frame in pairwise([SPOKEN, *frames]) if not before == frame == PAUSED]
    spy = Spy()
    decoding = Decoding(Decoder(CharacterTokenizer("ab"), DecodingConfig()), DecodingConfig(), spy)
    for first, last in pairwise([0, *sorted(places), len(frames)]):
        decoding.accept(np.array(frames[first:last], np.float32).reshape(-1, 3))
    assert np.allclose(spy.frames, np.array(expected, np.float32)) if expected else not spy.frames


@pytest.mark.parametrize("pause", [1, 2, 7])
def test_a_pause_of_any_length_keeps_repeats_apart_and_counts_in_the_score(pause):
    frames = [SPOKEN, *pause * [PAUSED], SPOKEN]
    best, *_ = Decoder(CharacterTokenizer("ab"), DecodingConfig(**WIDE))(torch.tensor(frames))
    assert best.text == "aa"
    assert math.exp(best.acoustic_score) == pytest.approx(sums_over_all_paths(torch.tensor(frames))[1, 1], rel=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 3.0])
def test_a_blank_penalty_takes_from_blank_and_gives_to_all_tokens_alike(penalty):
    plain = lattice(5, 4, 3)
    given = penalised(plain.numpy().astype(np.float32), penalty)
    assert np.exp(given).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    change = given - plain.numpy()
    assert np.ptp(change[:, 1:], axis=1) == pytest.approx(np.zeros(5), abs=1e-5)
    assert change[:, 1] - change[:, 0] == pytest.approx(np.full(5, penalty), abs=1e-5)
    found = Decoder(TOKENIZER, DecodingConfig(blank_penalty=penalty, **WIDE))(plain)
    sums = sums_over_all_paths(torch.from_numpy(given))
    for hypothesis in found:
        assert hypothesis.acoustic_score == pytest.approx(math.log(sums[hypothesis.tokens]), abs=1e-4)


def test_a_recurrent_model_ranks_what_the_search_finds():
    torch.manual_seed(0)
    rnn = RnnLm(RnnLmConfig(hidden=4, embedding=3), TOKENIZER)
    log_probs = lattice(5, 4, 1)
    found = Decoder(TOKENIZER, DecodingConfig(lm_weight=0.8, word_bonus=0.3, **WIDE), rnn=rnn)(log_probs)
    acoustic_scores = texts(log_probs)
    for hypothesis in found:
        if hypothesis.tokens == tuple(TOKENIZER.encode(hypothesis.text)):
            (rnn_score,) = rnn.log_probs([hypothesis.text])
            expected = acoustic_scores[hypothesis.text] + 0.8 * rnn_score + 0.3 * len(hypothesis.text.split())
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_second_recogniser_counts_the_sum_over_all_its_paths(seed):
    """Its frames and tokens are its own, fewer and in another order here."""
    first, second = lattice(5, 4, seed), lattice(4, 4, 50 + seed)
    other = recogniser(tokenizer=CharacterTokenizer("ba "))
    config = DecodingConfig(second_weight=0.7, lm_weight=0.0, **WIDE)
    sums, second_scores = sums_over_all_paths(first), texts(second, other.tokenizer)
    found = Decoder(TOKENIZER, config, second=other)(first, second=second)
    for hypothesis in found:
        expected = math.log(sums[hypothesis.tokens]) + 0.7 * second_scores.get(hypothesis.text, IMPOSSIBLE)
        assert hypothesis.score == pytest.approx(expected, rel=1e-5)
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)
    alone = Decoder(TOKENIZER, config)(first)
    assert {h.text for h in alone} == {h.text for h in found}
    assert [h.text for h in alone] != [h.text for h in found]


def test_models_of_another_language_and_mistakes_are_named(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="hot word 'xyz' cannot be spelt"):
        Decoder(TOKENIZER, DecodingConfig(), hotwords={"xyz": 1.0})
    greek = RnnLm(RnnLmConfig(hidden=2, embedding=2), CharacterTokenizer(" γδ"))
    with pytest.raises(ModelError, match="the recurrent language model writes γδ, the recogniser ab"):
        Decoder(TOKENIZER, DecodingConfig(), rnn=greek)
    with pytest.raises(ModelError, match="the second recogniser writes γδ, the recogniser ab"):
        Decoder(TOKENIZER, DecodingConfig(), second=recogniser(tokenizer=CharacterTokenizer(" γδ")))
    with pytest.raises(ConfigError, match="second_weight must not be negative"):
        DecodingConfig(second_weight=-0.1)
    with pytest.raises(ConfigError, match=r"beam must lie in \[1, 100000\]"):
        DecodingConfig(beam=0)
    write_lm(tmp_path / "lm.arpa")
    monkeypatch.setitem(sys.modules, "flashlight.lib.text", None)
    with pytest.raises(MissingExtra, match=r"pip install 'asr\[lm\]'"):
        Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "lm.arpa")


@pytest.mark.parametrize("bonus", [math.nan, math.inf, "6", None])
def test_a_hot_word_whose_bonus_is_no_number_is_refused(bonus):
    with pytest.raises(ConfigError, match="hot word 'ab': its bonus must be a finite number"):
        Decoder(CharacterTokenizer(" ab"), DecodingConfig(), hotwords={"ab": bonus})
