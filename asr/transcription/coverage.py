"""Which part of a recording's sound has text: sums over pieces, so memory does not grow.

Levels of 10 ms are counted in steps of 1 dB, apart for those in words, in unsure words and in none.
What counts as loud is known when all are counted: what lies within 20 dB (`BELOW`) of the level
that 5 % exceed, at least 6 dB (`ABOVE`) above the level that 10 % do not reach (the noise floor),
and above -80 dB of full scale. So steady noise is floor, and not loud.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice, repeat
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.level import SILENCE, levels
from asr.audio.texture import textures
from asr.audio.waveform import Waveform
from asr.text.timed import Coverage, TimedText, Word
from asr.transcription.timing import Span
from asr.units import Seconds

Low: TypeAlias = Literal["drop", "mark"]
"""What becomes of words that are too unsure."""

MIN_CONFIDENCE = 0.05
"""Chosen on AN4: of 762 words decoded there none is below it, uncalibrated."""
STEADIEST = 0.93
"""A word amid a sound as steady as this is none: AN4's words reach 0.91, chords have 0.98."""
EVENEST = 6.0
"""A word amid a sound that swings less is none, in dB: noise reaches 5. Of 3,856 words of five
corpora 45 had less, of which nobody had said 25.
"""
BEFORE: Seconds = 0.3
AFTER: Seconds = 0.5
"""What is looked at around a word's first and last token, though not before the sound's beginning.
A model hears words where a chord begins, and some as they begin. Borders of words are not asked:
live they move until the next word has come.
"""

BELOW = 20
ABOVE = 6
QUIETEST = -80
MISSED: Seconds = 3.0
"""A warning needs so much loud sound without text, and a share of `MISSED_SHARE`."""
MISSED_SHARE = 0.25

_EDGES = np.arange(SILENCE, 2)
_SURE, _UNSURE, _NONE = range(3)

Counts: TypeAlias = npt.NDArray[np.int64]
"""(3, levels): blocks in sure words, in unsure ones, in none."""


def mark(
    text: TimedText,
    tokens: Sequence[Span],
    waveform: Waveform,
    sample_rate: int,
    least: float,
    told: Sequence[bool] = (),
) -> TimedText:
    """Mark words whose confidence is too low; on a held tone, in even noise and in silence it is 0.

    Args:
        text: of the waveform.
        tokens: when the first and the last token of each word begin.
        waveform: (N,), with what comes behind the text.
        sample_rate: in Hz.
        least: words below it are marked.
        told: of the first words, whether they are not to be marked, whatever their confidence.
    """
    words = marked(text.words, tokens, waveform, sample_rate, least)
    known = chain(told, repeat(None))
    judged = (
        word if sure is None else replace(word, unsure=not sure) for word, sure in zip(words, known, strict=False)
    )
    segments = tuple(replace(segment, words=tuple(islice(judged, len(segment.words)))) for segment in text.segments)
    return replace(text, segments=segments)


def marked(
    words: Sequence[Word], tokens: Sequence[Span], waveform: Waveform, sample_rate: int, least: float
) -> list[Word]:
    """Judge words of a waveform, as `mark` does."""
    around = [(round((first - BEFORE) * sample_rate), round((last + AFTER) * sample_rate)) for first, last in tokens]
    sure = [
        word.confidence if steadiness < STEADIEST and swing >= EVENEST else 0.0
        for word, (steadiness, swing) in zip(words, textures(waveform, sample_rate, around), strict=True)
    ]
    return [
        replace(word, confidence=confidence, unsure=confidence < least)
        for word, confidence in zip(words, sure, strict=True)
    ]


def without_unsure(text: TimedText) -> TimedText:
    """Drop the words that are marked, and segments that have no other."""
    kept = (
        replace(segment, words=tuple(word for word in segment.words if not word.unsure)) for segment in text.segments
    )
    return replace(text, segments=tuple(segment for segment in kept if segment.words))


def count(words: Sequence[Word], waveform: Waveform, sample_rate: int) -> Counts:
    """Count the levels of a waveform, by the words that its blocks of 10 ms lie in."""
    level, block = levels(waveform, sample_rate)
    level = level.clip(_EDGES[0], _EDGES[-2])
    kind = np.full(len(level), _NONE)
    for word in words:
        kind[round(word.start / block) : round(word.end / block)] = _UNSURE if word.unsure else _SURE
    return np.stack([np.histogram(level[kind == each], _EDGES)[0] for each in range(3)])


def sum_counts(parts: Iterable[Counts]) -> Counts:
    """Add up what pieces have; zeros without any."""
    return sum(parts, start=np.zeros((3, len(_EDGES) - 1), dtype=np.int64))


def coverage(counts: Counts, duration: Seconds) -> Coverage:
    """Say how much of a recording is loud and how much of it has text.

    Args:
        counts: summed over the recording.
        duration: of it.
    """
    below = counts.sum(axis=0).cumsum()
    if not below[-1]:
        return Coverage(duration, 0.0, 0.0, 0.0, 0.0)
    high, floor = (int(_EDGES[below.searchsorted(share * below[-1])]) for share in (0.95, 0.1))
    loud = counts[:, _EDGES[:-1] >= max(high - BELOW, floor + ABOVE, QUIETEST)].sum(axis=1)
    block = duration / below[-1]
    in_words = counts.sum(axis=1) * block
    return Coverage(
        duration,
        float(loud.sum() * block),
        float(in_words[_SURE]),
        float(in_words[_UNSURE]),
        float((loud.sum() - loud[_SURE]) * block),
    )


def warning(found: Coverage) -> str | None:
    """Say that much loud sound has no text, if so."""
    if found.missed < MISSED or found.missed < MISSED_SHARE * found.loud:
        return None
    return (
        f"{found.missed:.1f} s of {found.loud:.1f} s with sound have no text; "
        "is it speech, in the language of the model?"
    )
