"""Is one system better than another on the same test set, or is it chance? Two paired tests."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from asr.scoring.interval import Rate, bootstrap, share_below_zero
from asr.scoring.score import Edit, Score, UtteranceScore

SIGNIFICANT = 0.05
_GOOD_WORDS = 2
"""So many words in a row that both have right part two segments, taken to be independent."""


@dataclass(frozen=True, slots=True)
class SegmentTest:
    """The matched-pairs sentence-segment word error test, MAPSSWE.

    Errors of both systems are counted in each stretch between words that both have right, at least
    two in a row (Gillick & Cox 1989, section 4; NIST's sctk). Utterances end a stretch too. Without
    a difference between the systems, `z` is about normally distributed.
    """

    segments: int
    """Stretches with an error of either system."""
    z: float
    """Mean difference of errors a segment (second - first), in its standard errors.

    Positive if the first is better.
    """
    p: float
    """Of so large a `z` or a larger one, of either sign, by chance."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the second of two systems differs from the first."""

    first: str
    second: str
    difference: Rate
    """WER of the second less that of the first, with a paired bootstrap interval.

    Negative if the second is better.
    """
    improvement: float
    """Share of bootstrap samples in which the second has the lower WER (Bisani & Ney 2004).

    A tie is a half.
    """
    mapsswe: SegmentTest

    @property
    def verdict(self) -> str:
        """What both tests mean at the 5 % level, in a sentence."""
        if not self.mapsswe.segments:
            return f"{self.first} and {self.second} make no word error at all, so this test set cannot tell them apart."
        better, worse = (self.second, self.first) if self.difference.value < 0 else (self.first, self.second)
        points = f"{abs(100 * self.difference.value):.2f} points"
        apart = not self.difference.low <= 0 <= self.difference.high
        significant = self.mapsswe.p < SIGNIFICANT
        if self.difference.value == 0:
            return f"{self.first} and {self.second} have the same WER; neither is shown to be better."
        if apart and significant:
            return f"{better} is better than {worse} by {points} of WER; chance alone would rarely do that."
        if apart or significant:
            return (
                f"{better} is {points} of WER below {worse}, but the two tests disagree on whether that is chance: "
                "score more speech before choosing."
            )
        return f"{better} is {points} of WER below {worse}, which may well be chance: this test set does not show which is better."

    def to_json(self) -> dict[str, Any]:
        """Give `first`, `second` (names), `difference` (as a rate), `improvement` and `mapsswe`.

        `mapsswe` has `segments`, `z` and `p`.
        """
        mapsswe = {"segments": self.mapsswe.segments, "z": self.mapsswe.z, "p": self.mapsswe.p}
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_json(),
            "improvement": self.improvement,
            "mapsswe": mapsswe | {"z": self.mapsswe.z if math.isfinite(self.mapsswe.z) else None},
        }


def compare(systems: Mapping[str, Score], *, samples: int = 1000, seed: int = 0) -> list[Comparison]:
    """Compare each two systems, named by their keys; all share the same references."""
    pairs = combinations(systems.items(), 2)
    return [_compare(*first, *second, samples=samples, seed=seed) for first, second in pairs]


def _compare(first: str, ours: Score, second: str, theirs: Score, *, samples: int, seed: int) -> Comparison:
    both = [(one.words, other.words) for one, other in zip(ours.utterances, theirs.utterances, strict=True)]
    lengths = [one.reference_length for one, _ in both]
    # Where alternatives were read, the two may be held to different readings. Their numbers of
    # words may then differ.
    scale = sum(lengths) / max(1, theirs.words.reference_length)
    more = [scale * other.errors - one.errors for one, other in both]
    return Comparison(
        first=first,
        second=second,
        difference=bootstrap(more, lengths, samples=samples, seed=seed, least=-math.inf),
        improvement=share_below_zero(more, samples=samples, seed=seed),
        mapsswe=_mapsswe(
            [
                more
                for one, other in zip(ours.utterances, theirs.utterances, strict=True)
                for more in _segments(one, other)
            ]
        ),
    )


def _mapsswe(more: Sequence[int]) -> SegmentTest:
    """Test whether the second system's errors beyond the first's are zero on average.

    Fewer than two segments say nothing: p is 1. If all differ by the same, which leaves no spread,
    p is the sign test's.
    """
    if len(more) < 2 or not any(more):
        return SegmentTest(len(more), 0.0, 1.0)
    error = stdev(more) / math.sqrt(len(more))
    if not error:
        return SegmentTest(len(more), math.copysign(math.inf, more[0]), 2.0 ** (1 - len(more)))
    z = fmean(more) / error
    return SegmentTest(len(more), z, math.erfc(abs(z) / math.sqrt(2)))


def _segments(ours: UtteranceScore, theirs: UtteranceScore) -> Iterator[int]:
    """Of each stretch with errors in one utterance: the second system's errors less the first's.

    An utterance of which the two are held to different readings is one stretch.
    """
    if ours.reference != theirs.reference:
        if ours.words.errors or theirs.words.errors:
            yield theirs.words.errors - ours.words.errors
        return
    more, good, wrong = 0, 0, False
    for place, (one, other) in enumerate(zip(_errors(ours.alignment), _errors(theirs.alignment), strict=True)):
        if not one and not other:
            good += place % 2  # words have the odd places
            continue
        if wrong and good >= _GOOD_WORDS:
            yield more
            more = 0
        more += other - one
        good, wrong = 0, True
    if wrong:
        yield more


def _errors(alignment: Iterable[Edit]) -> Iterator[int]:
    """By turns: words inserted before a word of the reference, and whether it is wrong itself.

    Both systems have as many.
    """
    inserted = 0
    for edit in alignment:
        if edit.kind == "insertion":
            inserted += 1
        else:
            yield inserted
            yield int(edit.kind != "equal")
            inserted = 0
    yield inserted
