"""Texts as tokens and back, with three kinds of tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import DataError
from asr.text.spelling import spell, split_words
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer

CORPUS = ["one two three", "the cat sat on the mat", "don't tell them on the other one", "three mats at the cat"] * 3
TOKENIZERS = [
    CharacterTokenizer(" 'abcdehlmnorstw"),
    train_tokenizer(TokenizerConfig(units="sentencepiece", size=26), CORPUS),
    train_tokenizer(TokenizerConfig(units="words"), CORPUS),
]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_words_of_a_spelled_text_are_found_again_in_its_tokens(tokenizer):
    for text in CORPUS:
        spelling = spell(text, tokenizer)
        assert [word for word, _ in spelling.words] == text.split()
        assert tokenizer.decode(spelling.tokens) == text
        assert split_words(spelling.tokens, tokenizer) == spelling


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@unhurried
@given(st.data())
def test_whatever_is_decoded_its_words_are_those_of_its_text(tokenizer, data):
    tokens = data.draw(st.lists(st.integers(1, tokenizer.size - 1), max_size=12))
    spelling = split_words(tokens, tokenizer)
    assert [word for word, _ in spelling.words] == tokenizer.decode(tokens).split()
    assert all(tokenizer.decode(tokens[at.start : at.stop]) == word for word, at in spelling.words)
    positions = [position for _, at in spelling.words for position in at]
    assert positions == sorted(set(positions))


def test_words_stay_as_they_are_written():
    spelling = spell("The Cat, don't — sat-on!", TOKENIZERS[0])
    assert [word for word, _ in spelling.words] == ["The", "Cat,", "don't", "sat-on!"]
    assert TOKENIZERS[0].decode(spelling.tokens) == "the cat don't sat on"


def test_a_model_of_capitals_and_commas_gets_them():
    tokenizer = CharacterTokenizer(" ,CTaht")
    assert tokenizer.decode(spell("That, CaT", tokenizer).tokens) == "That, CaT"


def test_words_without_tokens_are_all_named():
    with pytest.raises(DataError, match=r"no tokens for '42', 'çok'; write words and numbers as they are spoken"):
        spell("the 42 cats çok", TOKENIZERS[0])
    with pytest.raises(DataError, match="and 3 more"):
        spell("1 2 3 4 5 6 7 8", TOKENIZERS[0])
    with pytest.raises(DataError, match="'dog'"):
        spell("the dog", TOKENIZERS[2])


@pytest.mark.parametrize("text", ["", " \n", "— !"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(DataError, match="no words"):
        spell(text, TOKENIZERS[0])


def test_words_are_told_apart_where_no_token_is_a_space():
    tokenizer = CharacterTokenizer("eno")
    assert spell("one one", tokenizer).words == (("one", range(3)), ("one", range(3, 6)))
