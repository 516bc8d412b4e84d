"""Decoding with language models against a search through every text."""

import math
import sys

import pytest
import torch
from support.lattices import lattice, sums_over_all_paths
from support.tiny import recogniser

from asr.audio.log_mel import FeatureConfig
from asr.decoding.decoder import Decoder
from asr.decoding.flashlight import IMPOSSIBLE
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import load_decoder
from asr.errors import ConfigError, MissingExtra, ModelError
from asr.lm.ngram import END, START, train_ngram
from asr.lm.rnn import RnnLm, RnnLmConfig
from asr.model.acoustic import AcousticConfig
from asr.recogniser.model_folder import save_model
from asr.recogniser.recogniser import Recogniser, RecogniserConfig
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer

TOKENIZER = CharacterTokenizer(" ab")
TEXT = ["ab a", "a ab", "b", "ab ab a", "a", "b ab"]
WIDE = {"beam": 5000, "top_tokens": 10}


@pytest.fixture
def flashlight():
    pytest.importorskip("flashlight.lib.text")


def write_lm(path, text=TEXT, order=2):
    model = train_ngram(text, order)
    model.write(path)
    return model


def written(model, units):
    """ln P of a sentence."""
    sentence = [START, *units, END]
    return sum(model.log_prob(tuple(sentence[:i]), sentence[i]) for i in range(1, len(sentence)))


def characters_of(text):
    return [character.replace(" ", "▁") for character in text]


def texts(log_probs, tokenizer=TOKENIZER):
    """Every text that is spelt without needless spaces, with ln P(its tokens | audio)."""
    sums = sums_over_all_paths(log_probs)
    found = {tokenizer.decode(tokens): (tokens, p) for tokens, p in sums.items()}
    return {
        text: math.log(sums[tuple(tokenizer.encode(text))])
        for text in found
        if tuple(tokenizer.encode(text)) in sums and sums[tuple(tokenizer.encode(text))] > 0
    }


@pytest.mark.usefixtures("flashlight")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("weight", "bonus"), [(0.5, 0.0), (1.5, 1.0)])
def test_words_are_found_by_the_sum_over_all_paths_and_the_model(tmp_path, seed, weight, bonus):
    model = write_lm(tmp_path / "lm.arpa")
    log_probs = lattice(5, 4, seed, spread=1.0)
    expected = {
        text: heard + weight * written(model, text.split()) + bonus * len(text.split())
        for text, heard in texts(log_probs).items()
        if all(word in model for word in text.split())
    }
    decoder = Decoder(TOKENIZER, DecodingConfig(lm_weight=weight, word_bonus=bonus, **WIDE), ngram=tmp_path / "lm.arpa")
    found = decoder(log_probs)
    assert found[0].text == max(expected, key=expected.get)
    assert len({hypothesis.text for hypothesis in found}) == len(found)
    for hypothesis in found:
        assert hypothesis.tokens == tuple(TOKENIZER.encode(hypothesis.text))
        assert hypothesis.score == pytest.approx(expected[hypothesis.text], abs=1e-3)
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.usefixtures("flashlight")
@pytest.mark.parametrize("seed", range(6))
def test_any_spelling_is_found_with_a_model_of_tokens(tmp_path, seed):
    model = write_lm(tmp_path / "lm.arpa", [" ".join(characters_of(text)) for text in TEXT], order=3)
    log_probs = lattice(5, 4, seed, spread=1.0)
    expected = {
        tokens: math.log(probability) + 0.6 * written(model, [TOKENIZER.pieces[token - 1] for token in tokens])
        for tokens, probability in sums_over_all_paths(log_probs).items()
        if tokens[:1] != (1,)  # a text does not begin with a space
    }
    found = Decoder(TOKENIZER, DecodingConfig(lm_weight=0.6, **WIDE), ngram=tmp_path / "lm.arpa")(log_probs)
    best = max(expected, key=expected.get)
    assert found[0].tokens == best
    assert found[0].score == pytest.approx(expected[best], abs=1e-3)


@pytest.mark.usefixtures("flashlight")
def test_the_last_word_ends_and_no_word_is_doubled(tmp_path):
    """Tokens that are words, or hold a separator, each held for several frames: what is heard is what was said."""
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    write_lm(tmp_path / "lm.arpa")
    for tokenizer in (words, TOKENIZER):
        for text in ("ab", "b ab", "a b a", "b b"):
            path = [0] + [frame for token in tokenizer.encode(text) for frame in (token, token, token, 0)]
            for end in (0, 1):  # silence, or the last token to the very end
                frames = path[: len(path) - end]
                log_probs = torch.zeros(len(frames), tokenizer.size).scatter_(1, torch.tensor(frames)[:, None], 1.0)
                decoder = Decoder(tokenizer, DecodingConfig(lm_weight=0.1), ngram=tmp_path / "lm.arpa")
                assert decoder(log_probs.log())[0].text == text


@pytest.mark.usefixtures("flashlight")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("weight", "bonus"), [(0.5, -1.0), (1.5, 1.0)])
def test_tokens_that_are_words_are_found_with_a_model_of_words(tmp_path, seed, weight, bonus):
    """By the sum over all paths: a word that is held for several frames is not a pause that may stand in for another one."""
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    model = write_lm(tmp_path / "lm.arpa")
    log_probs = lattice(5, words.size, seed, spread=1.0)
    log_probs[:, 1] = -1e4  # the unknown word's token
    expected = {
        tokens: math.log(probability) + weight * written(model, words.decode(tokens).split()) + bonus * len(tokens)
        for tokens, probability in sums_over_all_paths(log_probs).items()
        if probability > 0
    }
    decoder = Decoder(words, DecodingConfig(lm_weight=weight, word_bonus=bonus, **WIDE), ngram=tmp_path / "lm.arpa")
    found = decoder(log_probs)
    best = max(expected, key=expected.get)
    assert found[0].tokens == best
    assert found[0].score == pytest.approx(expected[best], abs=1e-3)
    assert decoder.unspelt == ()
    write_lm(tmp_path / "more.arpa", [*TEXT, "xyz ab"])
    assert Decoder(words, DecodingConfig(), ngram=tmp_path / "more.arpa").unspelt == ("xyz",)
    write_lm(tmp_path / "none.arpa", ["xyz zyx"])
    with pytest.raises(ModelError, match="none of its 2 words"):
        Decoder(words, DecodingConfig(), ngram=tmp_path / "none.arpa")


@pytest.mark.usefixtures("flashlight")
def test_a_narrow_search_keeps_the_words_that_their_bonus_pays_for(tmp_path):
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    write_lm(tmp_path / "lm.arpa")
    told = ["ab", "a", "ab", "b", "ab", "a"]
    log_probs = torch.full((2 * len(told), words.size), 1e-4)
    log_probs[:, 0] = 1.0
    for place, token in enumerate(words.encode(" ".join(told))):
        log_probs[2 * place, [0, token]] = torch.tensor([0.4, 0.6])
    config = DecodingConfig(lm_weight=1.5, word_bonus=6.0, beam=8)
    decoder = Decoder(words, config, ngram=tmp_path / "lm.arpa")
    assert decoder(log_probs.log())[0].text == " ".join(told)


@pytest.mark.usefixtures("flashlight")
def test_a_narrow_search_does_not_take_a_rising_word_for_the_one_before_going_on(tmp_path):
    """Each word is as likely as a blank in its first frame, then certain, so to leave it out costs more than a bonus of -1."""
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    write_lm(tmp_path / "lm.arpa")
    told = "ab a b a ab b a b ab a"
    shares = [(token, share) for token in words.encode(told) for share in (0.5, 0.98, 0.02)]
    log_probs = torch.full((len(shares), words.size), 1e-4)
    for row, (token, share) in zip(log_probs, shares, strict=True):
        row[token], row[0] = share, 1 - share
    config = DecodingConfig(lm_weight=0.0, word_bonus=-1.0, beam=10)
    assert Decoder(words, config, ngram=tmp_path / "lm.arpa")(log_probs.log())[0].text == told


@pytest.mark.usefixtures("flashlight")
@pytest.mark.parametrize("kind", ["words", "tokens"])
@pytest.mark.parametrize("bonus", [0.0, 1.0])
@pytest.mark.parametrize(("share", "heard"), [(0.7, "a"), (1.4, "b")])
def test_the_models_take_part_in_the_search_with_their_weight(tmp_path, kind, bonus, share, heard):
    """A beam of one must choose at the first frame: the sound speaks for b, by a share of what the models say for a."""
    model = write_lm(tmp_path / "lm.arpa", ["a", "a", "a", "b"])
    speaks_for_a = 0.8 * (model.log_prob((START,), "a") - model.log_prob((START,), "b")) + bonus
    odds = math.exp(share * speaks_for_a)
    a, b = 1 / (1 + odds), odds / (1 + odds)
    log_probs = torch.tensor([[0.0, 0.0, a, b], [1.0, 0.0, 0.0, 0.0]]).log()
    tokenizer = (
        TOKENIZER if kind == "words" else CharacterTokenizer("?ab")
    )  # where tokens are words, the file is one of tokens
    config = DecodingConfig(beam=1, lm_weight=0.8)
    decoder = Decoder(tokenizer, config, ngram=tmp_path / "lm.arpa", hotwords={"a": bonus} if bonus else {})
    assert type(decoder._search).__name__ == {"words": "WordSearch", "tokens": "TokenSearch"}[kind]
    assert decoder(log_probs)[0].text == heard


@pytest.mark.usefixtures("flashlight")
def test_hot_words_are_heard_though_the_language_model_does_not_know_them(tmp_path):
    write_lm(tmp_path / "words.arpa")
    write_lm(tmp_path / "tokens.arpa", [" ".join(characters_of(text)) for text in TEXT], order=3)
    path = TOKENIZER.encode("a bab")
    log_probs = torch.full((len(path), 4), 0.2).scatter_(1, torch.tensor(path)[:, None], 0.4).log()
    for lm in ("words.arpa", "tokens.arpa", None):
        ngram = tmp_path / lm if lm else None
        plain, hot = (
            Decoder(TOKENIZER, DecodingConfig(), ngram=ngram, hotwords=hotwords)(log_probs)[0]
            for hotwords in ({}, {"bab": 20.0})
        )
        assert "bab" not in plain.text.split()
        assert "bab" in hot.text.split()
        assert hot.bonus == pytest.approx(20.0 * hot.text.split().count("bab"))
        assert plain.bonus == 0.0


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


def test_a_recurrent_model_ranks_what_the_search_finds():
    torch.manual_seed(0)
    rnn = RnnLm(RnnLmConfig(hidden=4, embedding=3), TOKENIZER)
    log_probs = lattice(5, 4, 1)
    found = Decoder(TOKENIZER, DecodingConfig(lm_weight=0.8, word_bonus=0.3, **WIDE), rnn=rnn)(log_probs)
    heard = texts(log_probs)
    for hypothesis in found:
        if hypothesis.tokens == tuple(TOKENIZER.encode(hypothesis.text)):
            (rnn_score,) = rnn.log_probs([hypothesis.text])
            expected = heard[hypothesis.text] + 0.8 * rnn_score + 0.3 * len(hypothesis.text.split())
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_second_recogniser_counts_the_sum_over_all_its_paths(seed):
    """Its frames and tokens are its own, fewer and in another order here."""
    first, second = lattice(5, 4, seed), lattice(4, 4, 50 + seed)
    other = recogniser(tokenizer=CharacterTokenizer("ba "))
    config = DecodingConfig(second_weight=0.7, lm_weight=0.0, **WIDE)
    sums, again = sums_over_all_paths(first), texts(second, other.tokenizer)
    found = Decoder(TOKENIZER, config, second=other)(first, second=second)
    for hypothesis in found:
        expected = math.log(sums[hypothesis.tokens]) + 0.7 * again.get(hypothesis.text, IMPOSSIBLE)
        assert hypothesis.score == pytest.approx(expected, rel=1e-5)
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)
    alone = Decoder(TOKENIZER, config)(first)
    assert {h.text for h in alone} == {h.text for h in found}
    assert [h.text for h in alone] != [h.text for h in found]


def test_mistakes_are_named(tmp_path, monkeypatch):
    write_lm(tmp_path / "lm.arpa")
    write_lm(tmp_path / "greek.arpa", ["αβγ δ"])
    (tmp_path / "short.arpa").write_text((tmp_path / "lm.arpa").read_text()[:-40])
    with pytest.raises(ConfigError, match="hot word 'xyz' cannot be spelt"):
        Decoder(TOKENIZER, DecodingConfig(), hotwords={"xyz": 1.0})
    with pytest.raises(ConfigError, match="--lm takes one n-gram file"):
        load_decoder(tmp_path, recogniser(), [tmp_path / "lm.arpa", tmp_path / "greek.arpa"])
    slow = RecogniserConfig(
        FeatureConfig(sample_rate=8000, num_mels=16), AcousticConfig(channels=2, layers=1, hidden=6)
    )
    save_model(tmp_path / "slow", Recogniser(slow, TOKENIZER), readme="")
    with pytest.raises(ConfigError, match=r"slow: takes 8000 samples a second, .* 16000"):
        load_decoder(tmp_path, recogniser(), [], second=tmp_path / "slow")
    greek = RnnLm(RnnLmConfig(hidden=2, embedding=2), CharacterTokenizer(" γδ"))
    with pytest.raises(ModelError, match="the recurrent language model writes γδ, the recogniser ab"):
        Decoder(TOKENIZER, DecodingConfig(), rnn=greek)
    with pytest.raises(ModelError, match="the second recogniser writes γδ, the recogniser ab"):
        Decoder(TOKENIZER, DecodingConfig(), second=recogniser(tokenizer=CharacterTokenizer(" γδ")))
    with pytest.raises(ConfigError, match="second_weight must not be negative"):
        DecodingConfig(second_weight=-0.1)
    with pytest.raises(ConfigError, match="beam must be at least 1"):
        DecodingConfig(beam=0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "flashlight.lib.text", None)
        with pytest.raises(MissingExtra, match=r"pip install 'asr\[lm\]'"):
            Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "lm.arpa")
    pytest.importorskip("flashlight.lib.text")
    with pytest.raises(ModelError, match=r"greek.arpa: none of its 2 words, such as '.*', can be spelt .* ab"):
        Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "greek.arpa")
    with pytest.raises(ModelError, match=r"short.arpa: this language model cannot be read"):
        Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "short.arpa")


@pytest.mark.usefixtures("flashlight")
def test_words_that_cannot_be_spelt_are_left_out_and_told(tmp_path):
    write_lm(tmp_path / "lm.arpa", ["ab a", "naïve b"])
    assert Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "lm.arpa").unspelt == ("naïve",)
