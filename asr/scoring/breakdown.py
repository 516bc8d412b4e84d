"""Where errors are: groups of utterances, confused words, characters."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jiwer
import numpy as np

from asr.scoring.entries import Value
from asr.scoring.score import Rates, Score, Totals, rates, summarise

UNKNOWN = "unknown"
_MOST_VALUES = 8
"""Numbers with more different values than this are gathered in ranges."""
_RANGES = 4


@dataclass(frozen=True, slots=True)
class Group:
    """The utterances that have a field's value in common, or a value in the same range."""

    name: str
    score: Score


@dataclass(frozen=True, slots=True)
class Speakers:
    """Rates with intervals over speakers: what to expect of people who were not recorded."""

    number: int
    rates: Rates

    def to_json(self) -> dict[str, Any]:
        """Give `number` and the five rates."""
        return {"number": self.number} | self.rates.to_json()


@dataclass(frozen=True, slots=True)
class Confusion:
    """A word put in another's place.

    The reference is empty for an insertion, the hypothesis for a deletion.
    """

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A word, or a character, and what became of it."""

    text: str
    count: int
    """How often it is in the references."""
    missed: int
    """Of these, how often it was deleted or put wrong."""
    false: int
    """How often it is in a hypothesis where the reference has something else."""

    @property
    def errors(self) -> int:
        return self.missed + self.false


def group(score: Score, values: Mapping[str, Value], *, samples: int = 1000, seed: int = 0) -> list[Group]:
    """Score each value of a field by itself.

    Many different numbers are gathered in four ranges of about equal size.

    Args:
        score: of the whole test set.
        values: utterance id to value; utterances without one come last, as "unknown".
        samples: bootstrap samples for the intervals.
        seed: of the bootstrap.
    """
    keys = _grouping([values.get(utterance.id) for utterance in score.utterances])
    parts = defaultdict(list)
    for utterance, key in zip(score.utterances, keys, strict=True):
        parts[key].append(utterance)
    return [Group(key[1], summarise(parts[key], samples=samples, seed=seed)) for key in sorted(parts)]


def over_speakers(
    score: Score, speakers: Mapping[str, Value], *, samples: int = 1000, seed: int = 0
) -> Speakers | None:
    """Estimate the rates over speakers drawn independently, each with all utterances.

    Utterances of one speaker fail together, which intervals over utterances overlook
    (`benchmarks/score_coverage.py`). There are none if any speaker is unknown, or there is only
    one.
    """
    totals: dict[Value, Totals] = defaultdict(Totals)
    for utterance in score.utterances:
        if utterance.id not in speakers:
            return None
        totals[speakers[utterance.id]] += utterance.totals
    if len(totals) < 2:
        return None
    return Speakers(len(totals), rates(list(totals.values()), samples=samples, seed=seed))


def confusions(score: Score) -> list[Confusion]:
    """Count what was put for what, insertions and deletions included, the most frequent first."""
    counts = Counter(
        (edit.reference, edit.hypothesis)
        for utterance in score.utterances
        for edit in utterance.alignment
        if edit.kind != "equal"
    )
    return [Confusion(*pair, count) for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def words(score: Score) -> list[Unit]:
    """Rank the words of references and hypotheses by errors, missed and false ones together."""
    edits = (edit for utterance in score.utterances for edit in utterance.alignment)
    pairs = ((e.reference, e.reference if e.kind == "equal" else e.hypothesis) for e in edits)
    return _units(pairs)


def characters(score: Score) -> list[Unit]:
    """Rank characters by errors, in an alignment with the fewest."""
    references = [utterance.reference for utterance in score.utterances]
    hypotheses = [utterance.hypothesis for utterance in score.utterances]
    split = jiwer.ReduceToListOfListOfChars()
    aligned = jiwer.process_characters(references, hypotheses, split, split)
    return _units(
        (reference[r : r + 1] if r < chunk.ref_end_idx else "", hypothesis[h : h + 1] if h < chunk.hyp_end_idx else "")
        for reference, hypothesis, chunks in zip(references, hypotheses, aligned.alignments, strict=True)
        for chunk in chunks
        for r, h in zip(
            range(chunk.ref_start_idx, chunk.ref_start_idx + _size(chunk)),
            range(chunk.hyp_start_idx, chunk.hyp_start_idx + _size(chunk)),
            strict=True,
        )
    )


def _size(chunk: jiwer.AlignmentChunk) -> int:
    return max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)


def _units(pairs: Iterable[tuple[str, str]]) -> list[Unit]:
    present: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for (reference, hypothesis), times in Counter(pairs).items():
        present[reference] += times
        if reference != hypothesis:
            missed[reference] += times
            false[hypothesis] += times
    found = [Unit(text, present[text], missed[text], false[text]) for text in present.keys() | false.keys() if text]
    return sorted(found, key=lambda unit: (-unit.errors, -unit.count, unit.text))


def _grouping(values: Sequence[Value | None]) -> list[tuple[int, str]]:
    """Give each value its group's rank and name.

    Text comes in order of code points, what has no value at the end.
    """
    numbers = {value for value in values if isinstance(value, int | float)}
    texts = {str(value) for value in values if value is not None}
    if len(numbers) <= _MOST_VALUES or len(numbers) < len(texts):  # few numbers, or not only numbers
        ordered = sorted(numbers) if len(numbers) == len(texts) else sorted(texts)
        ranks = {str(value): rank for rank, value in enumerate(ordered)}
        return [(len(ranks), UNKNOWN) if value is None else (ranks[str(value)], str(value)) for value in values]
    spread = [value for value in values if isinstance(value, int | float)]
    shares = np.arange(1, _RANGES) / _RANGES
    edges = sorted({float(f"{edge:.3g}") for edge in np.quantile(spread, shares)})
    names = [f"up to {edges[0]:g}", *(f"{low:g} to {high:g}" for low, high in pairwise(edges)), f"over {edges[-1]:g}"]
    ranks_of = [None if value is None else int(np.searchsorted(edges, float(value))) for value in values]
    return [(len(names), UNKNOWN) if rank is None else (rank, names[rank]) for rank in ranks_of]
