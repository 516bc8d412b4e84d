"""What tokens can spell, and which language models are of tokens."""

import pytest

from asr.decoding.vocabulary import alphabet, are_tokens, are_words, letters, separator
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer

SPACED, UNSPACED = CharacterTokenizer(" ab"), CharacterTokenizer("ab")


def test_a_separator_is_a_token_that_only_parts_words():
    assert SPACED.decode([2, separator(SPACED), 3]) == "a b"
    assert separator(UNSPACED) is None
    assert separator(train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])) is None


@pytest.mark.parametrize(
    ("units", "tokenizer", "expected"),
    [
        (["▁", "a", "b"], SPACED, True),
        (["a", "b"], SPACED, False),  # words of one letter
        (["a", "b"], UNSPACED, True),
        (["a", "ab"], UNSPACED, False),
    ],
)
def test_units_are_tokens_if_the_tokenizer_has_them_and_words_begin_among_them(units, tokenizer, expected):
    assert are_tokens(units, tokenizer) == expected


def test_tokens_may_be_words():
    assert are_words(train_tokenizer(TokenizerConfig("words"), ["ab a", "b"]))
    assert not are_words(SPACED)


def test_letters_are_listed_up_to_sixty():
    assert letters(SPACED) == {"a", "b"}
    assert alphabet(SPACED) == "ab"
    many = CharacterTokenizer("".join(chr(0x4E00 + number) for number in range(70)))
    assert len(alphabet(many)) == 63 and alphabet(many).endswith("...")
