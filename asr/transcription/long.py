"""A recording of any length -> pieces between pauses, each complete as soon as it can be.

Log-probs come from a stream, so memory does not grow. A piece ends in a pause that the model itself
shows: a run of blank of 0.8 s. Where nobody pauses for 30 s, it ends at the longest run of blank in
the second half of these. Where a piece ends depends on what came before alone, not on how the
samples come.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.waveform import Waveform
from asr.model.labels import BLANK, IMPOSSIBLE, LogProbs
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.engine import Arrays, Engine
from asr.transcription.coverage import AFTER
from asr.units import Frames, Samples, Seconds, seconds_to_samples

PAUSE: Seconds = 0.8
"""Blank of this length ends a piece in its middle, if a token came before."""
WORD_PAUSE: Seconds = 0.6
"""Blank of this length parts words, though no token says so."""
LONGEST: Seconds = 30.0
"""No piece is longer."""

FindCut: TypeAlias = Callable[[npt.NDArray[np.floating]], Frames | None]
"""Where the first piece ends, in frames, of the log-probs (T, V) that there are by now."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording."""

    start: Seconds
    waveform: Waveform
    """(N,)."""
    log_probs: LogProbs
    beyond: Waveform
    """(M,), what comes behind it, as far as its last word is judged by it."""
    is_all: bool = False
    """Whether it is the whole recording."""


class Parting:
    """Parts a recording at pauses while its samples come.

    Args:
        recogniser: the model.
        find: where the first piece of log-probs, (T, V), ends, if that is certain already; None is
            `find_cut` for recordings.
        state: what another one's `state` gave, to go on exactly where that was.

    Attributes:
        samples: how many have come.
    """

    def __init__(self, recogniser: Engine, find: FindCut | None = None, *, state: Arrays | None = None) -> None:
        config = recogniser.config
        self.samples: Samples = 0
        self._find = find or partial(find_cut, pause=config.frames(PAUSE), longest=config.frames(LONGEST))
        self._stream = EmissionStream(recogniser, recogniser.long_reading)
        self._rate = config.features.sample_rate
        self._hop = config.features.hop_samples * config.acoustic.subsampling
        self._position: Frames = 0
        self._waveform = np.zeros(0, dtype=np.float32)
        self._log_probs: LogProbs = np.zeros((0, recogniser.tokenizer.size), np.float32)
        if state is not None:
            self._stream.resume({name[7:]: array for name, array in state.items() if name.startswith("stream.")})
            self._waveform, self._log_probs = state["waveform"], state["log_probs"]
            self.samples, self._position = map(int, state["reached"])

    @property
    def unfinished(self) -> Piece:
        """The piece that is under way: all its sound, and the log-probs that there are by now."""
        return self._piece(len(self._waveform), len(self._log_probs))

    def accept(self, block: Waveform) -> list[Piece]:
        """Take the next samples, (N,), and give the pieces that are complete by now."""
        self.samples += len(block)
        self._waveform = np.concatenate([self._waveform, block])
        return self._complete(self._stream.accept(block))

    def finish(self) -> list[Piece]:
        """The pieces that are left; nothing comes after."""
        found = self._complete(self._stream.finish())
        if len(self._waveform):
            found.append(replace(self.unfinished, is_all=self._position == 0))
        return found

    def state(self) -> Arrays:
        """All that the next samples need; it does not grow with what came before."""
        kept: Arrays = {"waveform": self._waveform, "log_probs": self._log_probs}
        kept["reached"] = np.array([self.samples, self._position])
        return kept | {f"stream.{name}": array for name, array in self._stream.state().items()}

    def _complete(self, log_probs: LogProbs) -> list[Piece]:
        self._log_probs = np.concatenate([self._log_probs, log_probs])
        found = []
        while (cut := self._find(self._log_probs)) is not None:
            found.append(self._piece(cut * self._hop, cut))
            self._waveform, self._log_probs = self._waveform[cut * self._hop :], self._log_probs[cut:]
            self._position += cut
        return found

    def _piece(self, samples: Samples, frames: Frames) -> Piece:
        start = self._position * self._hop / self._rate
        beyond = self._waveform[samples : samples + seconds_to_samples(AFTER, self._rate)]
        return Piece(start, self._waveform[:samples], self._log_probs[:frames], beyond)


def pieces(recogniser: Engine, blocks: Iterable[Waveform]) -> Iterator[Piece]:
    """Part a recording at pauses.

    Args:
        recogniser: the model.
        blocks: the samples, (N,) each, at the recogniser's rate.

    Yields:
        Pieces that together are the whole recording; none where it has no sample.
    """
    parting = Parting(recogniser)
    for block in blocks:
        yield from parting.accept(block)
    yield from parting.finish()


def find_cut(log_probs: npt.NDArray[np.floating], *, pause: Frames, longest: Frames) -> Frames | None:
    """Where the first piece ends, in frames, if that is certain already.

    Args:
        log_probs: (T, V), what there is by now.
        pause: blank frames in a row that end a piece, after its first token.
        longest: frames of the longest piece.
    """
    best = log_probs[:longest].argmax(axis=1)
    tokens = np.flatnonzero(best != BLANK)
    gaps = np.diff(np.append(tokens, len(best))) - 1  # blank frames after each token
    wide = np.flatnonzero(gaps >= pause)
    if len(wide):
        return int(tokens[wide[0]]) + 1 + pause // 2
    if len(log_probs) < longest:
        return None
    half = longest // 2
    starts = np.maximum(np.append(-1, tokens) + 1, half)
    widths = np.append(tokens, longest) - starts
    widest = int(widths.argmax())
    if widths[widest] <= 0:  # no blank at all: where it is least improbable
        return half + 1 + int(log_probs[half : longest - 1, BLANK].argmax())
    return int(starts[widest] + (widths[widest] + 1) // 2)


def part_words(log_probs: LogProbs, separator: int, *, pause: Frames) -> LogProbs:
    """Put the token that parts words into long pauses in which the model does not.

    A model of characters that was trained on single sentences gives no space between two of them.

    Args:
        log_probs: (T, V), of a piece.
        separator: the token that parts words.
        pause: blank frames between two other tokens that part words.

    Returns:
        (T, V): in the middle frame of each such pause the separator is certain.
    """
    best = log_probs.argmax(axis=1)
    tokens = np.flatnonzero(best != BLANK).tolist()
    middles = [
        (one + other) // 2
        for one, other in pairwise(tokens)
        if other - one > pause and separator not in (int(best[one]), int(best[other]))
    ]
    if not middles:
        return log_probs
    parted = log_probs.copy()
    parted[middles] = IMPOSSIBLE
    parted[middles, separator] = 0.0
    return parted
