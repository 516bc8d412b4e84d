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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.errors import DataError

_OPTIONAL = re.compile(r"\(([^(){}\s]+)\)")
_TOKEN = re.compile(r"[{}]|(?<!\S)\([^(){}\s]+\)(?!\S)|(?:(?![{}]|(?<!\S)\([^(){}\s]+\)(?!\S)).)+", re.DOTALL)
_NOTHING = "@"

MOST_WORDS = 100_000
"""In all readings of a stretch together."""
MOST_CELLS = 1 << 22
"""Alternatives times words of a hypothesis."""
DEEPEST = 50
"""Braces within braces."""

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
        DataError: for a brace without its partner, or for too many readings; names the utterance.
    """
    return {id: _choices(id, text, normalise) for id, text in references.items()}


def plain_choices(text: str) -> Choices:
    """Take a text as it is: one reading."""
    return [Stretch((tuple(text.split()),))]


def nearest_reading(choices: Choices, hypothesis: str) -> str:
    """Pick the reading nearest to a hypothesis.

    Raises:
        DataError: if they are so long that memory would not hold what is compared.
    """
    hypothesis_words = hypothesis.split()
    if len(choices) * len(hypothesis_words) > MOST_CELLS:
        raise DataError(
            f"{len(hypothesis_words):,} words of an utterance with {len(choices):,} alternatives are too many to choose by; "
            "cut the recording into segments"
        )
    numbers = {word: number for number, word in enumerate(dict.fromkeys(hypothesis_words))}
    places = np.array([numbers[word] for word in hypothesis_words], np.int64)
    # For each number of hypothesis words: the fewest errors against the reference so far, and the
    # reading that has them.
    row: list[_Cell] = [(errors, ()) for errors in range(len(hypothesis_words) + 1)]
    for stretch in choices:
        rows = [_matched(row, words, [numbers.get(word, -1) for word in words], places) for words in stretch.options]
        row = [min(cells, key=lambda cell: cell[0]) for cells in zip(*rows, strict=True)]
    return " ".join(_unlinked(row[-1][1]))


def _matched(
    entry: list[_Cell], words: Words, numbers: Sequence[int], hypothesis: npt.NDArray[np.int64]
) -> list[_Cell]:
    """Levenshtein's recurrence over one alternative, a row at a time.

    Of equal moves a match or substitution comes first, then a deletion, then an insertion.

    Args:
        entry: the row before it.
        words: the alternative's.
        numbers: theirs, in the hypothesis; -1 for others.
        hypothesis: the numbers of its words.
    """
    errors, origins = np.array([cell[0] for cell in entry]), np.arange(len(entry))
    columns = np.arange(len(entry))
    for number in numbers:
        diagonal = errors[:-1] + (hypothesis != number)
        found, source = errors + 1, origins.copy()
        better = np.append(False, diagonal <= found[1:])
        found[better], source[better] = diagonal[better[1:]], origins[:-1][better[1:]]
        level = found - columns  # insertions: the least of all before it, and one error a column from there
        least = np.minimum.accumulate(level)
        begins = np.append(True, level[1:] <= least[:-1])
        errors = least + columns
        origins = source[np.maximum.accumulate(np.where(begins, columns, 0))]
    return [(error, (words, entry[origin][1])) for error, origin in zip(errors.tolist(), origins.tolist(), strict=True)]


def _unlinked(reading: _Reading) -> list[str]:
    stretches: list[Words] = []
    while reading:
        words, reading = reading
        stretches.append(words)
    return [word for words in reversed(stretches) for word in words]


def _choices(id: str, text: str, normalise: _Normalise) -> Choices:
    tokens = deque(_TOKEN.findall(text))
    found: Choices = []
    while tokens:
        token = tokens.popleft()
        if token == "{":
            found.append(Stretch(tuple(_options(id, text, tokens, normalise, 1))))
        elif token == "}":
            raise _unpaired(id, text)
        elif optional := _OPTIONAL.fullmatch(token):
            words = _words(optional[1], normalise)
            found.append(Stretch((words, ()), optional=True))
        else:
            found.append(Stretch((_words(token, normalise),)))
    return found


def _options(id: str, text: str, tokens: deque[str], normalise: _Normalise, depth: int) -> list[Words]:
    """Read alternatives up to their closing brace: all that each may be, in order, each once."""
    if depth > DEEPEST:
        raise DataError(f"{id}: has more than {DEEPEST} braces within each other")
    options: list[Words] = []
    parts: list[Sequence[Words]] = []
    while tokens:
        token = tokens.popleft()
        if token == "}":
            return list(dict.fromkeys([*options, *_joined(id, parts)]))
        if token == "{":
            parts.append(_options(id, text, tokens, normalise, depth + 1))
        elif optional := _OPTIONAL.fullmatch(token):
            parts.append([_words(optional[1], normalise), ()])
        else:
            first, *others = token.split("/")
            parts.append([_words(first, normalise)])
            for other in others:
                options += _joined(id, parts)
                parts = [[_words(other, normalise)]]
    raise _unpaired(id, text)


def _joined(id: str, parts: Sequence[Sequence[Words]]) -> list[Words]:
    ways, longest = prod(map(len, parts)), sum(max(map(len, options)) for options in parts)
    if ways * max(1, longest) > MOST_WORDS:
        raise DataError(f"{id}: its alternatives within alternatives allow too many readings; write fewer")
    return [tuple(word for words in choice for word in words) for choice in product(*parts)]


def _words(text: str, normalise: _Normalise) -> Words:
    """Normalise a stretch of plain words; a lone @ is nothing."""
    parts = re.split(rf"(?<!\S){_NOTHING}(?!\S)", text)
    return tuple(word for part in parts for word in normalise(part).split())


def _unpaired(id: str, text: str) -> DataError:
    return DataError(f"{id}: a brace without its partner in {text.strip()!r}")
