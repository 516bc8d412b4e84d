"""Transcripts as they are trained on and scored: one form for every corpus.

Unicode calls some letters compatible with others that their language keeps apart: Lao and Thai am,
Armenian ech-yiwn, the jamo of Korean chats. So only forms that differ in nothing but their looks
are made equal here, never all that NFKC does.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Literal, TypeAlias

from asr.errors import MissingExtra
from asr.text.remarks import without_remarks

TextForm: TypeAlias = Literal["basic", "verbatim"]
"""Forms of transcripts.

`basic`: NFC, one width and font, lower case, no punctuation but apostrophes and joiners inside
words. `verbatim`: NFC and single spaces only.
"""
Normalisation: TypeAlias = Literal["none", "basic", "english"]
"""What is made equal before scoring.

`none`: nothing but white space. `basic`: case, punctuation, looks of characters, remarks.
`english`: also spelling, contractions and numbers, by Whisper's English normaliser.
"""

_LOOKS = frozenset({"wide", "narrow", "font", "circle", "square", "initial", "medial", "final", "isolated"})
"""Kinds of Unicode's compatible forms that are the same character to every reader."""
_DRAWN = ((0x2460, 0x24FF), (0x2E80, 0x2FDF), (0x3200, 0x33FF), (0xFB00, 0xFB4F))
"""The same of no such kind: numbers in brackets, radicals for ideographs, ligatures of fonts."""
_DIGRAPHS = frozenset("ĳĲŀĿŉſǄǅǆǇǈǉǊǋǌǱǲǳµϐϑϕϖϰϱϵ")
"""Letters of old encodings that people type as others."""
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u201b\u02bc\u2032\u055a\u05f3`\u00b4", "'"))
_VANISHING = frozenset("\u0640\u07fa\u055b\u055c\u055e\u034f\u115f\u1160\u17b4\u17b5\u180f")
"""Stretched lines, Armenian's stress marks on vowels, and letters and marks that nobody sees."""
_WORDS_THEMSELVES = frozenset("\u06fd\u06fe\u104c\u104d\u104e\u104f")
"""Symbols that are words of Sindhi and Burmese."""
_ZERO_WIDTH = "\u200c\u200d"  # (non-)joiner: part of the spelling in Persian, Sinhala and others
_GERSHAYIM, _MIDDLE_DOT = "\u05f4", "\u00b7"
_INSIDE = f"'{_GERSHAYIM}{_MIDDLE_DOT}"

_NORMAL = re.compile("[a-z0-9]+(?:[ '][a-z0-9]+)*")
"""Text that is in its form already, but for Uzbek; large texts are mostly so."""
_HEBREW = "[\u05d0-\u05ea\u0591-\u05c7]"
_QUOTED = re.compile(f"(?<={_HEBREW})(?:[\"\u201c\u201d\u201e{_GERSHAYIM}]|[\u2019']{{2}})(?={_HEBREW})")
_BETWEEN_LS = re.compile("(?<=[lL])[\u2022\u2027\u2219\u22c5\u00b7](?=[lL])")
_CHEROKEE = re.compile("[\u13f8-\u13fd\uab70-\uabbf]")
_UZBEK = re.compile("(?<=[oOgG])['\u02bb]")
_UZBEKS = ("uz", "uzb")
_DOTLESS = frozenset({"tr", "tur", "az", "aze", "crh", "gag"})
_AM = (
    (re.compile("\u0e4d([\u0e48-\u0e4b]*)\u0e32|\u0e33([\u0e48-\u0e4b]+)"), "\\1\\2\u0e33"),
    (re.compile("\u0ecd([\u0ec8-\u0ecb]*)\u0eb2|\u0eb3([\u0ec8-\u0ecb]+)"), "\\1\\2\u0eb3"),
)
"""Thai and Lao am in other orders, with the tone mark where it belongs: before it."""


def normalise(text: str, form: TextForm = "basic", language: str | None = None) -> str:
    """Bring a transcript to its form; words are then what single spaces separate.

    Hyphens and dashes part words. Apostrophes stay where a letter stands on both sides ("don't"),
    and go elsewhere. So do gershayim in Hebrew, a middle dot between Latin letters, and zero-width
    joiners. Marks that belong to letters (accents, vowel signs, tone marks) stay; those without a
    letter go. Other format characters, variation selectors and tatweel vanish. A text of
    punctuation alone becomes the empty string. Normalising twice changes nothing.

    Args:
        text: the transcript.
        form: which form.
        language: its code ("tr"). Turkish, Azeri, Crimean Tatar and Gagauz have a dotless i;
            Uzbek's apostrophe is part of a letter.

    Example:
        >>> normalise("IŞIK, don’t!"), normalise("IŞIK", language="tr")
        ("işik don't", 'ışık')
    """
    text = unicodedata.normalize("NFC", text)
    if form == "verbatim":
        return " ".join(text.split())
    code = re.split("[-_]", (language or "").lower())[0]
    if code not in _UZBEKS and _NORMAL.fullmatch(text):
        return text
    text = unicodedata.normalize("NFC", "".join(map(_plain, text)))
    text = _BETWEEN_LS.sub(_MIDDLE_DOT, _QUOTED.sub(_GERSHAYIM, text))
    text = text.translate(_APOSTROPHES)
    text = _with_bases(_UZBEK.sub("\u02bb", text) if code in _UZBEKS else text)
    text = re.sub(rf"(?<![^\s{_INSIDE}])[{_ZERO_WIDTH}]+|\u200c+(?![^\s{_INSIDE}])", "", text)
    text = re.sub(rf"(?<![^\s{_INSIDE}])[{_INSIDE}]|[{_INSIDE}](?![^\s{_INSIDE}])", " ", text)
    text = _lower(text, dotless=code in _DOTLESS)
    for am, composed in _AM:
        text = am.sub(composed, text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def normaliser(normalisation: Normalisation, language: str | None = None) -> Callable[[str], str]:
    """Give the function that brings references and hypotheses to one form before they are scored.

    Args:
        normalisation: what does not count.
        language: of the texts, as in `normalise`; only `basic` asks for it.

    Raises:
        MissingExtra: for `english`, if whisper-normalizer is not installed.
    """
    if normalisation == "none":
        return _spaced
    if normalisation == "basic":
        return lambda text: normalise(without_remarks(text)[0], language=language)
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise MissingExtra("English normalisation", "score") from None
    english: Callable[[str], str] = EnglishTextNormalizer()
    return lambda text: " ".join(word for word in english(text).split() if word.strip("."))  # it leaves . of ...


def _spaced(text: str) -> str:
    return " ".join(text.split())


@cache
def _plain(character: str) -> str:
    """Undo what is only looks: width, font, circles, presentation forms."""
    if character in "\u309b\u309c":  # voicing marks of kana typed by themselves
        return chr(ord(character) - 2)
    if character in "\u3164\uffa0":  # fillers of Hangul, which show nothing
        return " "
    kind, _, codes = unicodedata.decomposition(character).partition("> ")
    drawn = any(first <= ord(character) <= last for first, last in _DRAWN)
    if not codes or not (kind[1:] in _LOOKS or drawn or character in _DIGRAPHS):
        return character
    return "".join(_plain(chr(int(code, 16))) for code in codes.split())


def _with_bases(text: str) -> str:
    """Keep what makes words; a space for what parts them; marks only after a letter or number.

    Middle dots stay between Latin letters alone: Chinese parts names by them.
    """
    kept: list[str] = []
    based = False
    for place, character in enumerate(text):
        kind = _kind(character)
        if (kind == "mark" and not based) or kind == "nothing":
            continue
        if kind == "dot":
            kind = "joint" if _latin(text[place - 1 : place]) and _latin(text[place + 1 : place + 2]) else "space"
        kept.append(" " if kind == "space" else character)
        if kind not in ("mark", "width"):
            based = kind == "letter"
    return "".join(kept)


@cache
def _kind(character: str) -> str:
    """What becomes of a character: letter, mark, joint, width (zero), dot, nothing or space."""
    category = unicodedata.category(character)
    if character in _ZERO_WIDTH:
        return "width"
    if character == _MIDDLE_DOT:
        return "dot"
    if character in _INSIDE:
        return "joint"
    if character in _VANISHING or category in ("Cf", "Me") or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return "nothing"
    if category[0] == "M":
        return "mark"
    return "letter" if category[0] in "LN" or character in _WORDS_THEMSELVES else "space"


@cache
def _latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN ") if character else False


def _lower(text: str, *, dotless: bool) -> str:
    """Lower case; an i has one dot, and Cherokee its usual letters, the capitals."""
    if dotless:
        text = text.replace("I", "ı")
    text = text.replace("İ", "i").lower()
    text = re.sub("i\u0307+", "i", text)
    return _CHEROKEE.sub(lambda found: found[0].upper(), text)
