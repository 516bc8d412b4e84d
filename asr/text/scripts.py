"""Scripts that write no spaces between words."""

import unicodedata
from collections.abc import Iterable
from functools import cache

_SPACELESS = (
    "CJK UNIFIED",
    "HIRAGANA",
    "KATAKANA",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
    "JAVANESE",
    "BALINESE",
)


def writes_no_spaces(texts: Iterable[str]) -> bool:
    """Tell whether most letters of texts are of a script whose words nothing parts.

    Such as Thai, Chinese and Japanese. What stands between spaces there is no word, or was parted
    by somebody's choice. So a rate of characters says more than one of words.
    """
    letters = [character for text in texts for character in text if not character.isspace()]
    return sum(map(_is_spaceless, letters)) * 2 > len(letters)


@cache
def _is_spaceless(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_SPACELESS)
