"""Words -> sounds, by a dictionary of pronunciations."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from asr.errors import DataError
from asr.files import opened

SHORTEST_PART = 2
"""Letters of a word that may be part of an unknown one."""

_STRESS = re.compile(r"\d+$")
_VARIANT = re.compile(r"\(\d+\)$")


class Pronunciations:
    """How words sound.

    A word that is not in the dictionary is pronounced as the fewest known words that make it up,
    such as "handcart" as "hand" and "cart". This is a guess, for targets in training alone.

    Args:
        words: word to its sounds.

    Example:
        >>> Pronunciations({"hand": ("HH", "AE", "N", "D"), "cart": ("K", "AA", "R", "T")}).size
        9
    """

    def __init__(self, words: Mapping[str, tuple[str, ...]]) -> None:
        self.words = dict(words)
        self.sounds = tuple(sorted({sound for sounds in words.values() for sound in sounds}))
        self._tokens = {sound: token for token, sound in enumerate(self.sounds, start=1)}
        self._longest = max(map(len, self.words), default=0)
        self._of_word = cache(self._pronounce)

    @property
    def size(self) -> int:
        """Number of sounds, CTC's blank included."""
        return len(self.sounds) + 1

    def encode(self, text: str) -> list[int] | None:
        """Tokens of a text's sounds, from 1 on; None if one of its words cannot be pronounced."""
        found: list[int] = []
        for word in text.split():
            sounds = self._of_word(word)
            if sounds is None:
                return None
            found += (self._tokens[sound] for sound in sounds)
        return found

    def _pronounce(self, word: str) -> tuple[str, ...] | None:
        """Look a word up, or put it together."""
        if word in self.words:
            return self.words[word]
        fewest: list[tuple[int, tuple[str, ...]] | None] = [(0, ())]  # of the first n letters
        for end in range(1, len(word) + 1):
            ways = [
                (before[0] + 1, before[1] + self.words[part])
                for start in range(max(0, end - self._longest), end - SHORTEST_PART + 1)
                if (before := fewest[start]) is not None and (part := word[start:end]) in self.words
            ]
            fewest.append(min(ways, key=lambda way: way[0], default=None))
        best = fewest[-1]
        return None if best is None else best[1]


def read_pronunciations(path: Path) -> Pronunciations:
    """Read a dictionary: a word a line, then its sounds, as in CMUdict and Kaldi's lexicon.txt.

    Marks of stress ("AH0") are left out. Of several pronunciations the first counts. Comments begin
    with `;;;` or `#`. The file may be gzipped.

    Raises:
        DataError: if it cannot be read or holds no pronunciation.
    """
    words: dict[str, tuple[str, ...]] = {}
    try:
        with opened(path) as lines:
            for line in lines:
                text = line.decode("utf-8", errors="replace")
                fields = [] if text.startswith(";;;") else text.partition(" #")[0].split()
                if len(fields) > 1:
                    word = _VARIANT.sub("", fields[0].lower())
                    words.setdefault(word, tuple(_STRESS.sub("", sound) for sound in fields[1:]))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not words:
        raise DataError(f"{path}: holds no pronunciation; a line is a word and its sounds, parted by spaces")
    return Pronunciations(words)
