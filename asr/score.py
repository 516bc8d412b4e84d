"""How good is the text: aligned errors, word and character error rate, and how sure one may be of them.

Utterances are paired by id, never by position. Words are what white space separates; the character error rate is over
the same text with single spaces, spaces counted and characters being Unicode code points. Nothing is normalised here:
what differs is an error, so bring both sides to one form first (`asr.text.normalise`).

Policy for unequal sets: a reference without a hypothesis counts as deleted, so that leaving out hard utterances never
helps; a hypothesis without a reference is not counted. Both are listed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import jiwer
import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, DataError

EditKind: TypeAlias = Literal["equal", "substitution", "deletion", "insertion"]

_KINDS: Mapping[str, EditKind] = {
    "equal": "equal",
    "substitute": "substitution",
    "delete": "deletion",
    "insert": "insertion",
}
_WORDS = jiwer.ReduceToListOfListOfWords()  # splits, and does nothing else: jiwer's default strips and merges too
_CHARACTERS = jiwer.ReduceToListOfListOfChars()
_DRAWS_AT_ONCE = 100_000  # bounds the bootstrap's memory to some 3 MB


@dataclass(frozen=True, slots=True)
class Edit:
    """One column of an alignment; a deletion has the empty hypothesis, an insertion the empty reference."""

    kind: EditKind
    reference: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What an alignment adds up to, in words or in characters."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def reference_length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per unit of reference, a fraction that insertions can lift above 1.

        Against an empty reference it is 0 without errors and infinite with any, as in kaldialign.
        """
        if self.reference_length == 0:
            return math.inf if self.errors else 0.0
        return self.errors / self.reference_length

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One utterance: its counts, and its words aligned."""

    id: str
    words: Counts
    characters: Counts
    alignment: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """An error rate with its 95 % interval, as fractions: low <= value <= high."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Give `value`, `low` and `high`; JSON has no infinity, so an infinite one is null."""
        fields = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in fields.items()}


@dataclass(frozen=True, slots=True)
class Score:
    """A test set: every utterance by ascending id, the totals and the rates.

    `missing` are reference ids without a hypothesis (counted as deleted), `extra` hypothesis ids without a reference
    (not counted). `sentence_errors` is the number of utterances with at least one word error.
    """

    utterances: tuple[UtteranceScore, ...]
    words: Counts
    characters: Counts
    wer: Rate
    cer: Rate
    sentence_errors: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the figures under stable names.

        `wer`, `cer`: objects of `value`, `low` and `high`, fractions (see `Rate.to_json`).
        `substitutions`, `deletions`, `insertions`, `reference_words`: numbers of words.
        `utterances`: how many references there are. `missing`, `extra`: lists of ids.
        """
        return {
            "wer": self.wer.to_json(),
            "cer": self.cer.to_json(),
            "substitutions": self.words.substitutions,
            "deletions": self.words.deletions,
            "insertions": self.words.insertions,
            "reference_words": self.words.reference_length,
            "utterances": len(self.utterances),
            "missing": list(self.missing),
            "extra": list(self.extra),
        }


def score(references: Mapping[str, str], hypotheses: Mapping[str, str], *, samples: int = 1000, seed: int = 0) -> Score:
    """Align hypotheses with references and count errors, with the fewest errors that an alignment can have.

    Args:
        references: utterance id to text; an empty text is silence, where every hypothesised word is an insertion.
        hypotheses: utterance id to text, in any order.
        samples: bootstrap samples for the intervals; see `bootstrap`.
        seed: of the bootstrap; the same seed and texts give the same score.

    Raises:
        DataError: if references and hypotheses have no id in common.
        ConfigError: if `samples` is not positive.
    """
    ids = sorted(references)
    missing = tuple(id for id in ids if id not in hypotheses)
    extra = tuple(sorted(id for id in hypotheses if id not in references))
    if len(missing) == len(ids):
        raise DataError(
            f"no utterance id is in both references ({_examples(ids)}) and hypotheses ({_examples(extra)}): "
            "are they of the same test set, with the same ids?"
        )
    reference_texts = [" ".join(references[id].split()) for id in ids]
    hypothesis_texts = [" ".join(hypotheses.get(id, "").split()) for id in ids]
    words = jiwer.process_words(reference_texts, hypothesis_texts, _WORDS, _WORDS)
    characters = jiwer.process_characters(reference_texts, hypothesis_texts, _CHARACTERS, _CHARACTERS)
    utterances = tuple(
        UtteranceScore(id, _counts(word_chunks), _counts(character_chunks), _edits(reference, hypothesis, word_chunks))
        for id, reference, hypothesis, word_chunks, character_chunks in zip(
            ids, words.references, words.hypotheses, words.alignments, characters.alignments, strict=True
        )
    )
    word_counts = [utterance.words for utterance in utterances]
    character_counts = [utterance.characters for utterance in utterances]
    return Score(
        utterances=utterances,
        words=sum(word_counts, start=Counts()),
        characters=sum(character_counts, start=Counts()),
        wer=_interval(word_counts, samples, seed),
        cer=_interval(character_counts, samples, seed),
        sentence_errors=sum(counts.errors > 0 for counts in word_counts),
        missing=missing,
        extra=extra,
    )


def bootstrap(errors: npt.ArrayLike, lengths: npt.ArrayLike, *, samples: int = 1000, seed: int = 0) -> Rate:
    """Estimate a rate over units drawn independently, with its 95 % percentile interval.

    Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation": as many units as
    there are get drawn with replacement, `samples` times; the interval leaves out the lowest and the highest 2.5 % of
    the rates found. Errors inside one unit may depend on each other; units may not, so utterances of very few speakers
    make it too narrow. So do few units: `benchmarks/score_coverage.py` finds 92 intervals in 100 that hold the true
    rate at 50 utterances, 93 at 130, 94 at 500. One unit alone has no spread to see: its interval is the value itself.

    Args:
        errors: (units,) non-negative whole numbers.
        lengths: (units,) reference lengths, likewise. A sample without any reference has the rate of `Counts.rate`.
        samples: how often to draw.
        seed: of the random generator.

    Raises:
        ConfigError: if `samples` is not positive.
        ValueError: if there are no units, or the two arrays differ in length.
    """
    error_counts, unit_lengths = np.asarray(errors, dtype=np.int64), np.asarray(lengths, dtype=np.int64)
    units = len(error_counts)
    if units == 0 or error_counts.shape != unit_lengths.shape:
        raise ValueError(f"one error count and one length a unit, got {error_counts.shape} and {unit_lengths.shape}")
    if samples < 1:
        raise ConfigError(f"samples: {samples} is not allowed; bootstrap intervals need 1 or more, 1000 is usual")
    generator = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // units)
    rates = np.empty(samples)
    for start in range(0, samples, rows):
        part = rates[start : start + rows]  # a view: filled in place
        drawn = generator.integers(units, size=(len(part), units))
        part[:] = _rates(error_counts[drawn].sum(axis=1), unit_lengths[drawn].sum(axis=1))
    rates.sort()
    value = float(_rates(error_counts.sum(), unit_lengths.sum()))
    outside = samples // 40  # 2.5 % at either end
    # Order statistics, not interpolated ones, since rates can be infinite. A handful of samples can all fall to one
    # side of the value, which belongs to its interval all the same.
    return Rate(value, min(value, float(rates[outside])), max(value, float(rates[-1 - outside])))


def worst(score: Score, count: int) -> tuple[UtteranceScore, ...]:
    """Pick up to `count` utterances with word errors: by most errors, then highest rate, then id."""
    wrong = [utterance for utterance in score.utterances if utterance.words.errors]
    return tuple(sorted(wrong, key=lambda u: (-u.words.errors, -u.words.rate, u.id))[: max(0, count)])


def summary_line(name: str, score: Score) -> str:
    """Say a word error rate in one line, in per cent: `test WER 12.34 % [10.1, 14.6] (130 utterances, 773 words)`."""
    wer = score.wer
    return (
        f"{name} WER {100 * wer.value:.2f} % [{100 * wer.low:.1f}, {100 * wer.high:.1f}] "
        f"({len(score.utterances)} utterances, {score.words.reference_length} words)"
    )


def _examples(ids: Sequence[str]) -> str:
    return f"{len(ids)}, such as {ids[0]!r}" if ids else "none given"


def _counts(chunks: Iterable[jiwer.AlignmentChunk]) -> Counts:
    sizes = dict.fromkeys(_KINDS, 0)
    for chunk in chunks:
        sizes[chunk.type] += max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return Counts(sizes["equal"], sizes["substitute"], sizes["delete"], sizes["insert"])


def _edits(
    reference: Sequence[str], hypothesis: Sequence[str], chunks: Iterable[jiwer.AlignmentChunk]
) -> tuple[Edit, ...]:
    return tuple(
        Edit(_KINDS[chunk.type], *pair)
        for chunk in chunks
        for pair in zip_longest(
            reference[chunk.ref_start_idx : chunk.ref_end_idx],
            hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx],
            fillvalue="",
        )
    )


def _interval(counts: Sequence[Counts], samples: int, seed: int) -> Rate:
    return bootstrap([c.errors for c in counts], [c.reference_length for c in counts], samples=samples, seed=seed)


def _rates(errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Divide as `Counts.rate` does."""
    return np.divide(errors, lengths, out=np.where(errors > 0, np.inf, 0.0), where=lengths > 0)
