"""References that allow several readings, as NIST's transcripts do.

    {colour / color}        either; {going to / gonna} may differ in length, {uh / @} may be nothing
    (uh)                    a word that may be left out: the same as {uh / @}

A hypothesis is plain text. It is scored against the reading with the fewest word errors; of equal
ones, against that with the earlier choices. So the number of reference words depends on the
hypothesis, as in sclite.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from asr.errors import DataError

_MARKUP = re.compile(r"\{([^{}]*)\}|(?<!\S)\(([^(){}\s]+)\)(?!\S)")
_NOTHING = "@"

Words: TypeAlias = tuple[str, ...]
Choices: TypeAlias = list[list[Words]]
"""Stretches of a reference, each with the word sequences that may stand there."""
_Reading: TypeAlias = tuple[()] | tuple[Words, Any]
"""The last stretch and the reading before it, which many cells share."""
_Cell: TypeAlias = tuple[int, _Reading]


def parse_alternatives(references: Mapping[str, str], normalise: Callable[[str], str]) -> dict[str, Choices]:
    """Parse the markup of references by utterance id.

    What is not markup, and each alternative, is normalised by itself.

    Raises:
        DataError: for a brace without its partner, or alternatives inside others; names the
            utterance.
    """
    return {id: _choices(id, text, normalise) for id, text in references.items()}


def nearest_reading(choices: Choices, hypothesis: str) -> str:
    """Pick the reading nearest to a hypothesis."""
    hypothesis_words = hypothesis.split()
    # For each number of hypothesis words: the fewest errors against the reference so far, and the
    # reading that has them.
    row: list[_Cell] = [(errors, ()) for errors in range(len(hypothesis_words) + 1)]
    for alternatives in choices:
        rows = [_matched(row, words, hypothesis_words) for words in alternatives]
        row = [min(cells, key=lambda cell: cell[0]) for cells in zip(*rows, strict=True)]
    return " ".join(_unlinked(row[-1][1]))


def _matched(entry: list[_Cell], words: Words, hypothesis_words: list[str]) -> list[_Cell]:
    """Levenshtein's recurrence over one alternative."""
    row = entry
    for word in words:
        below = [(row[0][0] + 1, row[0][1])]
        for place, other in enumerate(hypothesis_words):
            moves = (
                (row[place][0] + (word != other), row[place][1]),
                (row[place + 1][0] + 1, row[place + 1][1]),
                (below[place][0] + 1, below[place][1]),
            )
            below.append(min(moves, key=lambda move: move[0]))
        row = below
    return [(errors, (words, reading)) for errors, reading in row]


def _unlinked(reading: _Reading) -> list[str]:
    stretches: list[Words] = []
    while reading:
        words, reading = reading
        stretches.append(words)
    return [word for words in reversed(stretches) for word in words]


def _choices(id: str, text: str, normalise: Callable[[str], str]) -> Choices:
    found: Choices = []
    end = 0
    for match in _MARKUP.finditer(text):
        found.append([tuple(normalise(_plain(id, text[end : match.start()])).split())])
        inside = f"{match[2]} / {_NOTHING}" if match[1] is None else match[1]
        options = [option.strip() for option in inside.split("/")]
        found.append([() if option == _NOTHING else tuple(normalise(option).split()) for option in options])
        end = match.end()
    found.append([tuple(normalise(_plain(id, text[end:])).split())])
    return found


def _plain(id: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise DataError(f"{id}: a brace without its partner, or inside other braces, in {text.strip()!r}")
    return text
