"""Beam search with an n-gram model against a search through every text."""

import math

import pytest
import torch
from support.language import TEXT, TOKENIZER, WIDE, characters_of, lm_score, texts, write_lm
from support.lattices import lattice, sums_over_all_paths

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ModelError
from asr.lm.ngram import START
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer

pytest.importorskip("flashlight.lib.text")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("weight", "bonus"), [(0.5, 0.0), (1.5, 1.0)])
def test_words_are_found_by_the_sum_over_all_paths_and_the_model(tmp_path, seed, weight, bonus):
    model = write_lm(tmp_path / "lm.arpa")
    log_probs = lattice(5, 4, seed, spread=1.0)
    expected = {
        text: acoustic_score + weight * lm_score(model, text.split()) + bonus * len(text.split())
        for text, acoustic_score in texts(log_probs).items()
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


@pytest.mark.parametrize("seed", range(6))
def test_any_spelling_is_found_with_a_model_of_tokens(tmp_path, seed):
    model = write_lm(tmp_path / "lm.arpa", [" ".join(characters_of(text)) for text in TEXT], order=3)
    log_probs = lattice(5, 4, seed, spread=1.0)
    expected = {
        tokens: math.log(probability) + 0.6 * lm_score(model, [TOKENIZER.pieces[token - 1] for token in tokens])
        for tokens, probability in sums_over_all_paths(log_probs).items()
        if tokens[:1] != (1,)  # a text does not begin with a space
    }
    found = Decoder(TOKENIZER, DecodingConfig(lm_weight=0.6, **WIDE), ngram=tmp_path / "lm.arpa")(log_probs)
    best = max(expected, key=expected.get)
    assert found[0].tokens == best
    assert found[0].score == pytest.approx(expected[best], abs=1e-3)


def test_the_last_word_ends_and_no_word_is_doubled(tmp_path):
    """The text decoded is the text spelt, whether tokens are words or hold a separator.

    Each token is held for several frames.
    """
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


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("weight", "bonus"), [(0.5, -1.0), (1.5, 1.0)])
def test_tokens_that_are_words_are_found_with_a_model_of_words(tmp_path, seed, weight, bonus):
    """By the sum over all paths.

    A word that is held for several frames is not a pause that may stand in for another one.
    """
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    model = write_lm(tmp_path / "lm.arpa")
    log_probs = lattice(5, words.size, seed, spread=1.0)
    log_probs[:, 1] = -1e4  # the unknown word's token
    expected = {
        tokens: math.log(probability) + weight * lm_score(model, words.decode(tokens).split()) + bonus * len(tokens)
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


def test_a_narrow_search_keeps_the_words_that_their_bonus_pays_for(tmp_path):
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    write_lm(tmp_path / "lm.arpa")
    spoken = ["ab", "a", "ab", "b", "ab", "a"]
    log_probs = torch.full((2 * len(spoken), words.size), 1e-4)
    log_probs[:, 0] = 1.0
    for place, token in enumerate(words.encode(" ".join(spoken))):
        log_probs[2 * place, [0, token]] = torch.tensor([0.4, 0.6])
    config = DecodingConfig(lm_weight=1.5, word_bonus=6.0, beam=8)
    decoder = Decoder(words, config, ngram=tmp_path / "lm.arpa")
    assert decoder(log_probs.log())[0].text == " ".join(spoken)


def test_a_narrow_search_does_not_take_a_rising_word_for_the_one_before_going_on(tmp_path):
    """Each word is as likely as a blank in its first frame, then certain.

    So to leave it out costs more than a bonus of -1.
    """
    words = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])
    write_lm(tmp_path / "lm.arpa")
    spoken = "ab a b a ab b a b ab a"
    shares = [(token, share) for token in words.encode(spoken) for share in (0.5, 0.98, 0.02)]
    log_probs = torch.full((len(shares), words.size), 1e-4)
    for row, (token, share) in zip(log_probs, shares, strict=True):
        row[token], row[0] = share, 1 - share
    config = DecodingConfig(lm_weight=0.0, word_bonus=-1.0, beam=10)
    assert Decoder(words, config, ngram=tmp_path / "lm.arpa")(log_probs.log())[0].text == spoken


@pytest.mark.parametrize("kind", ["words", "tokens"])
@pytest.mark.parametrize("bonus", [0.0, 1.0])
@pytest.mark.parametrize(("share", "expected"), [(0.7, "a"), (1.4, "b")])
def test_the_models_take_part_in_the_search_with_their_weight(tmp_path, kind, bonus, share, expected):
    """A beam of one must choose at the first frame.

    The acoustic score favours b, by a share of what the models favour a.
    """
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
    assert decoder(log_probs)[0].text == expected


def test_hot_words_are_found_though_the_language_model_does_not_know_them(tmp_path):
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


@pytest.mark.parametrize("seed", range(6))
def test_hot_words_of_any_kind_are_found_by_what_they_earn(tmp_path, seed):
    """Known, unknown, and phrases of both: two unknown words after the same text stay two words."""
    model = write_lm(tmp_path / "lm.arpa")
    hotwords = {"bb": 5.0, "aa": 4.5, "bb aa": 2.0, "ab": 1.0}
    log_probs = lattice(5, 4, seed, spread=1.0)
    known = {*["ab", "bb", "aa"], *(word for text in TEXT for word in text.split())}

    def earned(text):
        return sum(
            bonus * f" {text} ".replace(" ", "  ").count(f" {phrase.replace(' ', '  ')} ")
            for phrase, bonus in hotwords.items()
        )

    expected = {
        text: acoustic_score + 0.5 * lm_score(model, text.split()) + earned(text)
        for text, acoustic_score in texts(log_probs).items()
        if known.issuperset(text.split())
    }
    config = DecodingConfig(lm_weight=0.5, **WIDE)
    found = Decoder(TOKENIZER, config, ngram=tmp_path / "lm.arpa", hotwords=hotwords)(log_probs)
    assert found[0].text == max(expected, key=expected.get)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(expected[hypothesis.text], abs=1e-3)


def test_other_hot_words_take_the_place_of_the_first_ones(tmp_path):
    model = write_lm(tmp_path / "words.arpa")
    write_lm(tmp_path / "tokens.arpa", [" ".join(characters_of(text)) for text in TEXT], order=3)
    log_probs = lattice(7, 4, 0, spread=1.0)
    for lm in ("words.arpa", "tokens.arpa", None):
        ngram = tmp_path / lm if lm else None
        plain = Decoder(TOKENIZER, DecodingConfig(), ngram=ngram)
        before = plain(log_probs)
        first = plain.with_hotwords({"bab aab": 9.0})
        second = first.with_hotwords({"bb": 7.0, "a": 2.0})
        assert second(log_probs) == Decoder(TOKENIZER, DecodingConfig(), ngram=ngram, hotwords={"bb": 7.0, "a": 2.0})(
            log_probs
        )
        assert first.with_hotwords({})(log_probs) == plain(log_probs) == before
        if lm == "words.arpa":  # a word that the model does not know costs what the unknown word does
            assert "bb" not in model
            found = next(each for each in second(log_probs) if "bb" in each.text.split())
            assert found.ngram_score == pytest.approx(lm_score(model, found.text.split()), abs=1e-4)


def test_words_that_cannot_be_spelt_are_left_out_and_named(tmp_path):
    write_lm(tmp_path / "lm.arpa", ["ab a", "naïve b"])
    assert Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "lm.arpa").unspelt == ("naïve",)


def test_files_that_cannot_be_used_are_named(tmp_path):
    write_lm(tmp_path / "lm.arpa")
    write_lm(tmp_path / "greek.arpa", ["αβγ δ"])
    (tmp_path / "short.arpa").write_text((tmp_path / "lm.arpa").read_text()[:-40])
    with pytest.raises(ModelError, match=r"greek.arpa: none of its 2 words, such as '.*', can be spelt .* ab"):
        Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "greek.arpa")
    with pytest.raises(ModelError, match=r"short.arpa: this language model cannot be read"):
        Decoder(TOKENIZER, DecodingConfig(), ngram=tmp_path / "short.arpa")
