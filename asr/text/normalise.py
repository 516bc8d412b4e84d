"""Transcripts as they are trained on and scored: one form for every corpus."""

import re
import unicodedata
from collections.abc import Callable
from typing import Literal, TypeAlias

from asr.errors import MissingExtra

TextForm: TypeAlias = Literal["basic", "verbatim"]
"""Forms of transcripts.

`basic`: NFKC, lower case, no punctuation but apostrophes inside words. `verbatim`: NFC and single
spaces only.
"""
Normalisation: TypeAlias = Literal["none", "basic", "english"]
"""What is made equal before scoring.

`none`: nothing but white space. `basic`: case, punctuation, Unicode's compatible forms. `english`:
also spelling, contractions and numbers, by Whisper's English normaliser.
"""

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})
_JOINERS = "\u200c\u200d"  # zero-width (non-)joiner: part of the spelling in Persian, Sinhala and others


def normalise(text: str, form: TextForm = "basic") -> str:
    """Bring a transcript to its form; words are then what single spaces separate.

    Hyphens and dashes part words. Apostrophes stay where a letter stands on both sides ("don't"),
    and go elsewhere. Marks that belong to letters (accents, vowel signs, tone marks) stay, and so
    do joiners inside words. Other format characters (soft hyphens, direction marks) vanish. A text
    of punctuation alone becomes the empty string.
    """
    if form == "verbatim":
        return " ".join(unicodedata.normalize("NFC", text).split())
    text = text.replace("\u00b4", "'")  # an acute accent typed for an apostrophe: NFKC would part the word there
    text = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    kept = "".join(_kept(c) for c in text)
    kept = re.sub(rf"(?<![^\s'])[{_JOINERS}]+|\u200c+(?![^\s'])", "", kept)
    kept = re.sub(r"(?<![^\s'])'|'(?![^\s'])", " ", kept)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def normaliser(normalisation: Normalisation) -> Callable[[str], str]:
    """Give the function that brings references and hypotheses to one form before they are scored.

    Raises:
        MissingExtra: for `english`, if whisper-normalizer is not installed.
    """
    if normalisation == "none":
        return _spaced
    if normalisation == "basic":
        return normalise
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise MissingExtra("English normalisation", "score") from None
    english: Callable[[str], str] = EnglishTextNormalizer()
    return english


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LMN" or character == "'" or character in _JOINERS:
        return character
    return "" if category == "Cf" else " "
