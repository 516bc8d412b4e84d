"""References that allow several readings, as NIST's transcripts do.

    {colour / color}        either; {going to / gonna} may differ in length, {uh / @} may be nothing
    {a / {b / c} d}         alternatives may hold others
    (uh)                    a word that may be left out
    @                       nothing

A hypothesis is plain text. It is scored against the reading with the fewest word errors; of equal
ones, against that with the earlier choices. So the number of reference words depends on the
hypothesis, as in sclite. By sclite's own costs, the reading is chosen in `asr.scoring.sclite`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from asr.errors import DataError

_OPTIONAL = re.compile(r"\(([^(){}\s]+)\)")
_TOKEN = re.compile(r"[{}]|(?<!\S)\([^(){}\s]+\)(?!\S)|(?:(?![{}]|(?<!\S)\([^(){}\s]+\)(?!\S)).)+", re.DOTALL)
_NOTHING = "@"

Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a reference, with the word sequences that may stand there."""

    options: tuple[Words, ...]
    optional: bool = False
    """A word that may be left out, and is then correct by sclite's count."""


Choices: TypeAlias = list[Stretch]
_Reading: TypeAlias = tuple[()] | tuple[Words, Any]
"""The last stretch and the reading before it, which many cells share."""
_Cell: TypeAlias = tuple[int, _Reading]
_Normalise: TypeAlias = Callable[[str], str]


def parse_alternatives(references: Mapping[str, str], normalise: _Normalise) -> dict[str, Choices]:
    """Parse the markup of references by utterance id.

    What is not markup, and each alternative, is normalised by itself.

    Raises:
        DataError: for a brace without its partner; names the utterance.
    """
    return {id: _choices(id, text, normalise) for id, text in references.items()}


def plain_choices(text: str) -> Choices:
    """Take a text as it is: one reading."""
    return [Stretch((tuple(text.split()),))]


def nearest_reading(choices: Choices, hypothesis: str) -> str:
    """Pick the reading nearest to a hypothesis."""
    hypothesis_words = hypothesis.split()
    # For each number of hypothesis words: the fewest errors against the reference so far, and the
    # reading that has them.
    row: list[_Cell] = [(errors, ()) for errors in range(len(hypothesis_words) + 1)]
    for stretch in choices:
        rows = [_matched(row, words, hypothesis_words) for words in stretch.options]
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


def _choices(id: str, text: str, normalise: _Normalise) -> Choices:
    tokens = _TOKEN.findall(text)
    found: Choices = []
    while tokens:
        token = tokens.pop(0)
        if token == "{":
            found.append(Stretch(tuple(_options(id, text, tokens, normalise))))
        elif token == "}":
            raise _unpaired(id, text)
        elif optional := _OPTIONAL.fullmatch(token):
            words = _words(optional[1], normalise)
            found.append(Stretch((words, ()), optional=True))
        else:
            found.append(Stretch((_words(token, normalise),)))
    return found


def _options(id: str, text: str, tokens: list[str], normalise: _Normalise) -> list[Words]:
    """Read alternatives up to their closing brace: all that each may be, in order."""
    options: list[Words] = []
    parts: list[Sequence[Words]] = []
    while tokens:
        token = tokens.pop(0)
        if token == "}":
            return [*options, *_joined(parts)]
        if token == "{":
            parts.append(_options(id, text, tokens, normalise))
        elif optional := _OPTIONAL.fullmatch(token):
            parts.append([_words(optional[1], normalise), ()])
        else:
            first, *others = token.split("/")
            parts.append([_words(first, normalise)])
            for other in others:
                options += _joined(parts)
                parts = [[_words(other, normalise)]]
    raise _unpaired(id, text)


def _joined(parts: Sequence[Sequence[Words]]) -> list[Words]:
    return [tuple(word for words in choice for word in words) for choice in product(*parts)]


def _words(text: str, normalise: _Normalise) -> Words:
    """Normalise a stretch of plain words; a lone @ is nothing."""
    parts = re.split(rf"(?<!\S){_NOTHING}(?!\S)", text)
    return tuple(word for part in parts for word in normalise(part).split())


def _unpaired(id: str, text: str) -> DataError:
    return DataError(f"{id}: a brace without its partner in {text.strip()!r}")
