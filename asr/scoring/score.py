"""How good is the text: aligned errors, error rates of words and characters, and their intervals.

Utterances are paired by id, never by position. White space separates words. The character error
rate is over the same text with single spaces: characters are Unicode code points, and spaces count.
Nothing is normalised here: what differs is an error. So bring both sides to one form first
(`asr.text.normalise`).

Rates, with H hits, S substitutions, D deletions and I insertions:

    WER, CER   (S + D + I) / (H + S + D)                  of words, of characters
    MER        (S + D + I) / (H + S + D + I)              match error rate, of words
    WIL        1 - H / (H + S + D) * H / (H + S + I)      word information lost
    SER        utterances with a word error / utterances  sentence error rate

MER and WIL are those of Morris, Maier & Green 2004.

Policy for unequal sets: a reference without a hypothesis counts as deleted. So leaving out hard
utterances never helps. A hypothesis without a reference is not counted. Both are listed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import jiwer

from asr.errors import DataError
from asr.scoring.alternatives import Choices, plain_choices
from asr.scoring.interval import Rate, bootstrap
from asr.scoring.sclite import align as align_like_sclite
from asr.text.scripts import writes_no_spaces

EditKind: TypeAlias = Literal["equal", "substitution", "deletion", "insertion"]
Costs: TypeAlias = Literal["unit", "sclite"]
"""What word alignments minimise.

`unit` is the number of errors. `sclite` is NIST's 4 a substitution, 3 a deletion or insertion,
which may find more errors but pairs words as people would; counts are those of sclite itself.
Characters always have the fewest errors.
"""

_KINDS: Mapping[str, EditKind] = {
    "equal": "equal",
    "substitute": "substitution",
    "delete": "deletion",
    "insert": "insertion",
}
_SAMPLED = 200
"""Utterances whose script is looked at."""
_WORDS = jiwer.ReduceToListOfListOfWords()  # splits, and does nothing else: jiwer's default strips and merges too
_CHARACTERS = jiwer.ReduceToListOfListOfChars()


@dataclass(frozen=True, slots=True)
class Edit:
    """One column of an alignment.

    A deletion has the empty hypothesis, an insertion the empty reference. So has a word that may be
    left out, and is, by sclite's count: it is equal to the empty hypothesis.
    """

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
    def hypothesis_length(self) -> int:
        return self.hits + self.substitutions + self.insertions

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
class Totals:
    """What some utterances add up to: one of them, those of one speaker, or all."""

    words: Counts = field(default_factory=Counts)
    characters: Counts = field(default_factory=Counts)
    utterances: int = 0
    wrong: int = 0
    """Utterances with at least one word error."""

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.words + other.words,
            self.characters + other.characters,
            self.utterances + other.utterances,
            self.wrong + other.wrong,
        )


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One utterance: its counts, and its words aligned."""

    id: str
    words: Counts
    characters: Counts
    alignment: tuple[Edit, ...]

    @property
    def totals(self) -> Totals:
        return Totals(self.words, self.characters, utterances=1, wrong=int(self.words.errors > 0))

    @property
    def reference(self) -> str:
        return " ".join(edit.reference for edit in self.alignment if edit.reference)

    @property
    def hypothesis(self) -> str:
        return " ".join(edit.hypothesis for edit in self.alignment if edit.hypothesis)


@dataclass(frozen=True, slots=True)
class Rates:
    """The five rates of a test set."""

    wer: Rate
    cer: Rate
    mer: Rate
    wil: Rate
    ser: Rate

    def to_json(self) -> dict[str, dict[str, float | None]]:
        return {name: getattr(self, name).to_json() for name in ("wer", "cer", "mer", "wil", "ser")}


@dataclass(frozen=True, slots=True)
class Score:
    """A test set, or part of one: every utterance by ascending id, the totals and the rates.

    `missing` are reference ids without a hypothesis (counted as deleted), `extra` hypothesis ids
    without a reference (not counted).

    Example:
        >>> found = asr.score({"u1": "the cat sat"}, {"u1": "the cat sat down"})
        >>> found.words.insertions, found.utterances[0].alignment[-1].hypothesis
        (1, 'down')
    """

    utterances: tuple[UtteranceScore, ...]
    totals: Totals
    rates: Rates
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def by_characters(self) -> bool:
        """Whether the character error rate says more: the language writes no spaces."""
        return writes_no_spaces(utterance.reference for utterance in self.utterances[:_SAMPLED])

    @property
    def words(self) -> Counts:
        return self.totals.words

    @property
    def characters(self) -> Counts:
        return self.totals.characters

    @property
    def wer(self) -> Rate:
        return self.rates.wer

    @property
    def cer(self) -> Rate:
        return self.rates.cer

    def to_json(self) -> dict[str, Any]:
        """Give the figures under stable names.

        - `wer`, `cer`, `mer`, `wil`, `ser`: objects of `value`, `low`, `high` (see `Rate.to_json`).
        - `substitutions`, `deletions`, `insertions`, `reference_words`: numbers of words.
        - `utterances`: how many references there are.
        - `missing`, `extra`: lists of ids.
        """
        return self.rates.to_json() | {
            "substitutions": self.words.substitutions,
            "deletions": self.words.deletions,
            "insertions": self.words.insertions,
            "reference_words": self.words.reference_length,
            "utterances": self.totals.utterances,
            "missing": list(self.missing),
            "extra": list(self.extra),
        }


def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    costs: Costs = "unit",
    readings: Mapping[str, Choices] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> Score:
    """Align hypotheses with references and count errors.

    Args:
        references: utterance id to text; an empty text is silence, where every hypothesised word is
            an insertion.
        hypotheses: utterance id to text, in any order.
        costs: what word alignments minimise.
        readings: with sclite's costs, utterance id to all that its reference may be; a text of
            `references` is the only reading otherwise.
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
            f"are they of the same test set, with the same ids?{_without_ids(ids)}"
        )
    hypothesis_texts = [" ".join(hypotheses.get(id, "").split()) for id in ids]
    if costs == "unit":
        alignments = list(_align([" ".join(references[id].split()) for id in ids], hypothesis_texts))
    else:
        choices = ((readings or {}).get(id) or plain_choices(references[id]) for id in ids)
        alignments = list(map(_align_like_sclite, choices, hypothesis_texts))
    reference_texts = [" ".join(filter(None, (edit.reference for edit in alignment))) for alignment in alignments]
    characters = jiwer.process_characters(reference_texts, hypothesis_texts, _CHARACTERS, _CHARACTERS)
    utterances = tuple(
        UtteranceScore(id, _count(alignment), _count_chunks(chunks), alignment)
        for id, alignment, chunks in zip(ids, alignments, characters.alignments, strict=True)
    )
    return summarise(utterances, missing=missing, extra=extra, samples=samples, seed=seed)


def summarise(
    utterances: Sequence[UtteranceScore],
    *,
    missing: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    samples: int = 1000,
    seed: int = 0,
) -> Score:
    """Add up utterances that are aligned already; at least one."""
    units = [utterance.totals for utterance in utterances]
    return Score(
        utterances=tuple(utterances),
        totals=sum(units, start=Totals()),
        rates=rates(units, samples=samples, seed=seed),
        missing=missing,
        extra=extra,
    )


def rates(units: Sequence[Totals], *, samples: int = 1000, seed: int = 0) -> Rates:
    """Estimate the rates with intervals over units drawn independently: utterances, or speakers."""

    def interval(errors: Iterable[float], lengths: Iterable[float], most: float = math.inf) -> Rate:
        return bootstrap(list(errors), list(lengths), samples=samples, seed=seed, most=most)

    words, characters = [unit.words for unit in units], [unit.characters for unit in units]
    total = sum(words, start=Counts())
    either = [c.reference_length + c.insertions for c in words]
    lost: Sequence[float] = either
    present = either  # all of it, without a single hit
    if total.hits:
        # WIL is no ratio of two sums. This ratio has its value. Near it, both change alike with
        # each unit.
        precision = total.hits / total.hypothesis_length
        present = [c.reference_length for c in words]
        lost = [c.reference_length - precision * (2 * c.hits - precision * c.hypothesis_length) for c in words]
    return Rates(
        wer=interval((c.errors for c in words), (c.reference_length for c in words)),
        cer=interval((c.errors for c in characters), (c.reference_length for c in characters)),
        mer=interval((c.errors for c in words), either, 1.0),
        wil=interval(lost, present, 1.0),
        ser=interval((unit.wrong for unit in units), (unit.utterances for unit in units), 1.0),
    )


def worst(score: Score, count: int) -> tuple[UtteranceScore, ...]:
    """Pick up to `count` utterances with word errors: most errors, then highest rate, then id."""
    wrong = [utterance for utterance in score.utterances if utterance.words.errors]
    return tuple(sorted(wrong, key=lambda u: (-u.words.errors, -u.words.rate, u.id))[: max(0, count)])


def summary_line(name: str, score: Score) -> str:
    """Give a word error rate in one line, in per cent.

    Such as `test WER 12.34 % [10.1, 14.6] (130 utterances, 773 words)`. Where a language writes no
    spaces, the character error rate stands first.
    """
    wer, cer = score.wer, score.cer
    if score.by_characters:
        return (
            f"{name} CER {100 * cer.value:.2f} % [{100 * cer.low:.1f}, {100 * cer.high:.1f}], "
            f"WER {100 * wer.value:.2f} % ({len(score.utterances)} utterances, "
            f"{score.characters.reference_length} characters)"
        )
    return (
        f"{name} WER {100 * wer.value:.2f} % [{100 * wer.low:.1f}, {100 * wer.high:.1f}] "
        f"({len(score.utterances)} utterances, {score.words.reference_length} words)"
    )


def _without_ids(ids: Sequence[str]) -> str:
    """A hint, if ids look like the first words of lines."""
    return " Lines without ids need --plain." if ids and all(id.isalpha() for id in ids) else ""


def _examples(ids: Sequence[str]) -> str:
    return f"{len(ids)}, such as {ids[0]!r}" if ids else "none given"


def _align(references: Sequence[str], hypotheses: Sequence[str]) -> Iterator[tuple[Edit, ...]]:
    words = jiwer.process_words(list(references), list(hypotheses), _WORDS, _WORDS)
    for reference, hypothesis, chunks in zip(words.references, words.hypotheses, words.alignments, strict=True):
        yield tuple(
            Edit(_KINDS[chunk.type], *pair)
            for chunk in chunks
            for pair in zip_longest(
                reference[chunk.ref_start_idx : chunk.ref_end_idx],
                hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx],
                fillvalue="",
            )
        )


def _align_like_sclite(reference: Choices, hypothesis: str) -> tuple[Edit, ...]:
    pairs = align_like_sclite(reference, hypothesis.split())
    return tuple(Edit("equal" if correct else _kind(*pair), *pair) for pair, correct in pairs)


def _kind(reference: str, hypothesis: str) -> EditKind:
    if not reference:
        return "insertion"
    return "substitution" if hypothesis else "deletion"


def _count(alignment: Iterable[Edit]) -> Counts:
    kinds = Counter(edit.kind for edit in alignment)
    return Counts(kinds["equal"], kinds["substitution"], kinds["deletion"], kinds["insertion"])


def _count_chunks(chunks: Iterable[jiwer.AlignmentChunk]) -> Counts:
    sizes = dict.fromkeys(_KINDS, 0)
    for chunk in chunks:
        sizes[chunk.type] += max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return Counts(sizes["equal"], sizes["substitute"], sizes["delete"], sizes["insert"])
