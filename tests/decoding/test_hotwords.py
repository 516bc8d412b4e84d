"""Hot words: what sequences earn, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.decoding.hotwords import HotWords, TokenPhrases
from asr.text.tokenizer import CharacterTokenizer

phrases = st.dictionaries(
    st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), st.floats(0.1, 3), min_size=1, max_size=5
)


@unhurried
@given(phrases, st.lists(st.integers(0, 2), max_size=12))
def test_a_sequence_earns_the_bonus_of_every_phrase_in_it(bonuses, units):
    occurrences = sum(
        bonus * (tuple(units[start : start + len(phrase)]) == phrase)
        for phrase, bonus in bonuses.items()
        for start in range(len(units))
    )
    assert HotWords(bonuses).earned(units) == pytest.approx(occurrences)


def test_a_phrase_is_paid_as_it_grows_and_pays_back_when_it_breaks_off():
    hotwords = HotWords({(1, 2, 3): 3.0})
    first, change = hotwords.step(0, 1)
    assert change == pytest.approx(1.0)
    second, change = hotwords.step(first, 2)
    assert change == pytest.approx(1.0)
    assert hotwords.step(second, 3)[1] == pytest.approx(1.0)
    assert hotwords.step(second, 4) == (0, pytest.approx(-2.0))
    assert hotwords.finish(second) == pytest.approx(-2.0)


def test_a_phrase_of_tokens_is_found_as_whole_words_only():
    """With a separator; without one it is found anywhere."""
    for letters, expected in ((" ab", {"ab": 2.0, "a ab b": 2.0, "aab": 0.0, "ab ab": 4.0}), ("ab", {"aab": 2.0})):
        tokenizer = CharacterTokenizer(letters)
        phrases = TokenPhrases(tokenizer, {"ab": 2.0})
        for text, earned in expected.items():
            assert phrases.earned(tokenizer.encode(text)) == pytest.approx(earned)
