"""Words and their sounds."""

import gzip

import pytest

from asr.errors import DataError
from asr.text.pronunciation import Pronunciations, read_pronunciations

DICTIONARY = """;;; a comment of CMUdict's
HAND  HH AE1 N D
hand(2)  HH AE0 N
cart K AA1 R T # the vehicle
a AH0
aa AA1
lonely
"""


def test_a_dictionary_gives_the_first_pronunciation_without_stress(tmp_path):
    path = tmp_path / "cmudict.dict"
    path.write_text(DICTIONARY)
    found = read_pronunciations(path)
    assert found.words == {
        "hand": ("HH", "AE", "N", "D"),
        "cart": ("K", "AA", "R", "T"),
        "a": ("AH",),
        "aa": ("AA",),
    }
    assert found.sounds == ("AA", "AE", "AH", "D", "HH", "K", "N", "R", "T") and found.size == 10
    packed = tmp_path / "cmudict.gz"
    packed.write_bytes(gzip.compress(DICTIONARY.encode()))
    assert read_pronunciations(packed).words == found.words


def test_tokens_follow_the_order_of_the_sounds_and_leave_0_to_the_blank():
    told = Pronunciations({"ab": ("x", "y"), "c": ("a", "x")})
    assert told.sounds == ("a", "x", "y")
    assert told.encode("c ab c") == [1, 2, 2, 3, 1, 2]
    assert told.encode("") == []


def test_an_unknown_word_is_made_of_the_fewest_known_ones_or_has_no_sounds():
    told = Pronunciations({"hand": ("h",), "ha": ("a",), "nd": ("n",), "cart": ("c",), "s": ("s",)})
    names = dict(enumerate(told.sounds, start=1))

    def sounds(text):
        found = told.encode(text)
        return None if found is None else [names[token] for token in found]

    assert sounds("handcart") == ["h", "c"]
    assert sounds("hacart nd") == ["a", "c", "n"]
    assert sounds("hands") is None, "a single letter may stand for too many sounds"
    assert sounds("hand xyz") is None


@pytest.mark.parametrize("content", [None, "", "word\n"])
def test_a_dictionary_of_no_use_is_named(tmp_path, content):
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"lexicon\.txt"):
        read_pronunciations(path)
