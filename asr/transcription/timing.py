"""Where each word of a text begins and ends.

CTC says where a token is certain, not where it begins or ends. Its spike is a frame or two
somewhere inside the sound, and the rest is blank. So spikes only say which gap lies between two
words. The loudness of every 10 ms says where in the gap the border is.

- Quiet is what lies less than a fifth (`QUIET`) of the way, in dB, from the gap's quietest 10 ms up
  to the quieter one of its neighbours.
- The gap's longest quiet stretch, if it lasts 60 ms (`PAUSE`), is a pause that belongs to neither
  word.
- Without a pause the words meet at the quietest 10 ms.
- No word goes further than half a second (`REACH`) beyond its spikes: what nobody transcribed is no
  part of it.
- Inside a word, tokens meet halfway between their spikes.
- A word with more than a second of blank (`BREAK`) between its tokens is where most of them are.

Nothing here depends on which decoder found the text. `benchmarks/alignment.py` measures it where
the truth is known. `QUIET` and `PAUSE` were chosen on FSDD's dev recordings.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.level import BLOCK, SILENCE, levels
from asr.audio.waveform import Waveform
from asr.model.best_path import Spike
from asr.model.labels import LogProbs
from asr.recogniser.engine import Engine
from asr.text.spelling import Spelling
from asr.text.timed import Segment, TimedText, Token, Word
from asr.transcription.confidence import Calibration, stretch_log_probs
from asr.units import Frames, Seconds

QUIET = 0.2
PAUSE: Seconds = 0.060
REACH: Seconds = 0.5
BREAK: Seconds = 1.0
"""Blank of this length parts a word's tokens: only those on one side of it are where it is."""
SEGMENT_PAUSE: Seconds = 1.0
"""Pause that ends a segment."""
LONGEST_SEGMENT: Seconds = 30.0
"""A longer one is parted at its longest pause."""

Span: TypeAlias = tuple[Seconds, Seconds]
"""Start and end."""


def time_text(
    recogniser: Engine,
    waveform: Waveform,
    log_probs: LogProbs,
    spelling: Spelling,
    spikes: Sequence[Spike],
    calibration: Calibration,
    *,
    language: str | None = None,
) -> TimedText:
    """Find when the words of a text begin and end, and how sure the text is.

    Args:
        recogniser: whose log-probs these are.
        waveform: (N,), the recording at the recogniser's sample rate.
        log_probs: (T, V), of the whole recording.
        spelling: (U tokens), the text, given or decoded.
        spikes: (U,), where its tokens are.
        calibration: of the confidences.
        language: of the text, if known.
    """
    duration = len(waveform) / recogniser.config.features.sample_rate
    if not spelling.words:
        silence = stretch_log_probs(log_probs, spelling, spikes, [(0, 0)])[0] if len(log_probs) else 0.0
        return TimedText((), duration, calibration.utterances(silence), language)
    words = time_words(recogniser, waveform, log_probs, spelling, spikes, calibration)
    parts = segments([(word.start, word.end) for word in words])
    timed = tuple(
        Segment(tuple(words[first:after]), calibration.utterances(log_prob))
        for (first, after), log_prob in zip(parts, stretch_log_probs(log_probs, spelling, spikes, parts), strict=True)
    )
    return TimedText(timed, duration, math.prod(segment.confidence for segment in timed), language)


def time_words(
    recogniser: Engine,
    waveform: Waveform,
    log_probs: LogProbs,
    spelling: Spelling,
    spikes: Sequence[Spike],
    calibration: Calibration,
    *,
    first: int = 0,
) -> list[Word]:
    """Find when words begin and end and how sure they are, from the `first` on.

    All else is as in `time_text`.
    """
    frame, rate = recogniser.config.frame, recogniser.config.features.sample_rate
    duration = len(waveform) / rate
    spiked = [(own[0].start * frame, min(duration, own[-1].stop * frame)) for own in _own(recogniser, spelling, spikes)]
    spans = word_spans(spiked, *levels(waveform, rate))
    alone = [(number, number + 1) for number in range(first, len(spans))]
    sure = stretch_log_probs(log_probs, spelling, spikes, alone)
    return [
        Word(text, *span, calibration.words(log_prob), _tokens(recogniser, spelling.tokens, spikes, at, span))
        for (text, at), span, log_prob in zip(spelling.words[first:], spans[first:], sure, strict=True)
    ]


def token_spans(recogniser: Engine, spelling: Spelling, spikes: Sequence[Spike]) -> list[Span]:
    """When the first and the last token of each word begin to be certain.

    Unlike a word's borders, these do not depend on the sound that comes behind it.
    """
    frame = recogniser.config.frame
    return [(own[0].start * frame, own[-1].start * frame) for own in _own(recogniser, spelling, spikes)]


def word_spans(spiked: Sequence[Span], level: npt.NDArray[np.float64], block: Seconds = BLOCK) -> list[Span]:
    """Widen words from their spikes to their borders, by the rules at the head of this file.

    Args:
        spiked: from the start of a word's first spike to the end of its last one, in order, without
            overlap.
        level: (blocks,), in dB.
        block: time from one of these to the next.

    Returns:
        Start and end of each word, its spikes inside; none starts before the one before it ends.
    """

    def at(time: Seconds) -> int:
        return round(time / block)

    loud = [level[at(start) : at(end)].max(initial=SILENCE) for start, end in spiked]
    starts, ends = [], []
    for number in range(len(spiked) + 1):
        left = spiked[number - 1][1] if number else 0.0
        right = spiked[number][0] if number < len(spiked) else max(left, len(level) * block)
        pause = _pause(level[at(left) : at(right)], min(loud[max(0, number - 1) : number + 1]), at(PAUSE))
        start, end = (left + place * block for place in pause)
        ends.append(min(start, right, left + REACH))
        starts.append(max(min(end, right), left, right - REACH))
    return list(zip(starts[:-1], ends[1:], strict=True))


def together(spikes: Sequence[Spike], most: Frames) -> Sequence[Spike]:
    """Keep the most spikes of a word that lie together; of equally many, the first.

    Args:
        spikes: all those of the word, in order.
        most: blank frames between two that lie together.
    """
    breaks = [n for n in range(1, len(spikes)) if spikes[n].start - spikes[n - 1].stop > most]
    return max((spikes[start:stop] for start, stop in pairwise([0, *breaks, len(spikes)])), key=len)


def segments(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Part words at pauses of `SEGMENT_PAUSE`.

    What is longer than `LONGEST_SEGMENT` is also parted, at the longest pause in the second half of
    that.

    Returns:
        First word and the one after the last, for each; one after the other, all words.
    """
    pauses = [0.0, *(after[0] - before[1] for before, after in pairwise(spans))]
    found, first = [], 0
    for number in range(1, len(spans) + 1):
        if number == len(spans) or pauses[number] >= SEGMENT_PAUSE:
            while spans[number - 1][1] - spans[first][0] > LONGEST_SEGMENT and number - first > 1:
                lengths = {n: spans[n - 1][1] - spans[first][0] for n in range(first + 1, number)}
                fitting = [n for n, length in lengths.items() if LONGEST_SEGMENT / 2 <= length <= LONGEST_SEGMENT]
                cut = max(fitting or [first + 1], key=lambda n: pauses[n])
                found.append((first, cut))
                first = cut
            found.append((first, number))
            first = number
    return found


def _own(recogniser: Engine, spelling: Spelling, spikes: Sequence[Spike]) -> list[Sequence[Spike]]:
    """The spikes of each word that say where it is."""
    most = recogniser.config.frames(BREAK)
    return [together(spikes[at.start : at.stop], most) for _, at in spelling.words]


def _pause(level: npt.NDArray[np.float64], loud: float, least: int) -> tuple[int, int]:
    """Where the pause in a gap begins and ends, in blocks; both the same if none is so long."""
    if not len(level):
        return 0, 0
    quiet = level <= level.min() + QUIET * max(0.0, loud - level.min())
    changes = np.flatnonzero(np.diff(quiet, prepend=False, append=False))
    begins, ends = changes[::2], changes[1::2]
    longest = int((ends - begins).argmax())
    if (ends - begins)[longest] >= least:
        return int(begins[longest]), int(ends[longest])
    return int(level.argmin()), int(level.argmin())


def _tokens(
    recogniser: Engine, tokens: Sequence[int], spikes: Sequence[Spike], at: range, span: Span
) -> tuple[Token, ...]:
    own = spikes[at.start : at.stop]
    halfway = [
        min(max((before.stop + after.start) / 2 * recogniser.config.frame, span[0]), span[1])
        for before, after in pairwise(own)
    ]
    return tuple(
        Token(recogniser.tokenizer.decode([token]), start, end, math.exp(spike.log_prob))
        for token, spike, (start, end) in zip(
            tokens[at.start : at.stop], own, pairwise([span[0], *halfway, span[1]]), strict=True
        )
    )
