"""Alignments as NIST's sclite makes them: its costs, its networks of readings, its choice of ties.

A reference is a network of arcs, a word each. Alternatives lie side by side. What may be nothing is
an arc too, which costs next to nothing to leave out. The cheapest path wins. Of equal moves a match
or substitution comes first; then a deletion if it is cheaper than the insertion, else the
insertion. So counts agree with sclite's, count for count (`tests/scoring/sclite_counts.txt`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.scoring.alternatives import Choices

SUBSTITUTION, DELETION, INSERTION = 4000, 3000, 3000
OPTIONAL, NOTHING = 2000, 1
"""Thousandths of sclite's: leaving out an optional word, and what is nothing anyway."""
MOST_CELLS = 100_000_000
"""Words of a reference times those of a hypothesis: 800 MB, and an hour of speech in one piece."""

Pair = tuple[str, str]
"""A reference word and a hypothesis word; one of the two may be empty."""


@dataclass(frozen=True)
class _Arc:
    word: str | None
    """None is nothing."""
    optional: bool
    before: tuple[int, ...]
    """The arcs that lead here; 0 is the beginning."""

    @property
    def deletion(self) -> int:
        return NOTHING if self.word is None else OPTIONAL if self.optional else DELETION


def align(reference: Choices, hypothesis: Sequence[str]) -> list[tuple[Pair, bool]]:
    """Align a hypothesis with the cheapest reading of a reference.

    Raises:
        DataError: if they are so long that memory would not hold the costs.

    Returns:
        Pairs of words, and of each whether it is correct. A word that may be left out, and is, is
        correct though it has no partner.
    """
    arcs, ends = _network(reference)
    costs = _costs(arcs, hypothesis)
    place = len(hypothesis)
    at = min(ends, key=lambda end: int(costs[end, place]))
    found: list[tuple[Pair, bool]] = []
    while at or place:
        arc = arcs[at]
        best = min(arc.before, key=lambda before: int(costs[before, place])) if at else 0
        deleted = int(costs[best, place]) + arc.deletion if at else None
        inserted = int(costs[at, place - 1]) + INSERTION if place else None
        if deleted is not None and inserted is not None:
            before = min(arc.before, key=lambda before: int(costs[before, place - 1]))
            same = arc.word == hypothesis[place - 1]
            paired = int(costs[before, place - 1]) + SUBSTITUTION * (not same)
            if paired <= deleted and paired <= inserted:
                found.append(((arc.word or "@", hypothesis[place - 1]), same))
                at, place = before, place - 1
                continue
        if deleted is not None and (inserted is None or deleted < inserted):
            if arc.word is not None:
                found.append(((arc.word, ""), arc.optional))
            at = best
        else:
            found.append((("", hypothesis[place - 1]), False))
            place -= 1
    return found[::-1]


def cost(reference: Choices, hypothesis: Sequence[str]) -> int:
    """Thousandths of what the cheapest alignment costs."""
    arcs, ends = _network(reference)
    return int(_costs(arcs, hypothesis)[list(ends), -1].min())


def _network(reference: Choices) -> tuple[list[_Arc], tuple[int, ...]]:
    """Lay out a reference: its arcs, those before come first, and the arcs at its end."""
    arcs = [_Arc(None, False, ())]
    ends: tuple[int, ...] = (0,)
    for stretch in reference:
        reached: list[int] = []
        if stretch.optional or len(stretch.options) == 1:
            options = [(word, stretch.optional) for word in stretch.options[0]]
            for word, optional in options:
                arcs.append(_Arc(word, optional, ends))
                ends = (len(arcs) - 1,)
            continue
        for words in stretch.options:
            before = ends
            for option in words or (None,):
                arcs.append(_Arc(option, False, before))
                before = (len(arcs) - 1,)
            reached += before
        ends = tuple(reached)
    return arcs, ends


def _costs(arcs: Sequence[_Arc], hypothesis: Sequence[str]) -> npt.NDArray[np.int64]:
    """What it costs at least to come to each arc (A) and place in the hypothesis (H + 1).

    Insertions follow each other along a row, so their minimum is a running one.
    """
    if len(arcs) * len(hypothesis) > MOST_CELLS:
        raise DataError(
            f"an utterance of {len(arcs):,} words against {len(hypothesis):,} is too long for --costs sclite; "
            "cut the recording into segments"
        )
    inserted = INSERTION * np.arange(len(hypothesis) + 1, dtype=np.int64)
    costs = np.empty((len(arcs), len(hypothesis) + 1), dtype=np.int64)
    costs[0] = inserted
    numbers = {word: number for number, word in enumerate(dict.fromkeys(hypothesis))}
    heard = np.array([numbers[word] for word in hypothesis], dtype=np.int64)
    cheapest: dict[int, npt.NDArray[np.int64]] = {}  # before alternatives, of which there may be thousands
    for at, arc in enumerate(arcs[1:], start=1):
        if len(arc.before) > 1 and id(arc.before) not in cheapest:
            cheapest[id(arc.before)] = costs[list(arc.before)].min(axis=0)
        before = cheapest.get(id(arc.before), costs[arc.before[0]])
        row = before + arc.deletion
        number = -1 if arc.word is None else numbers.get(arc.word, -1)
        row[1:] = np.minimum(row[1:], before[:-1] + SUBSTITUTION * (heard != number))
        costs[at] = np.minimum.accumulate(row - inserted) + inserted
    return costs
