"""When somebody who speaks has come to an end: what live reading cuts sound at.

The rules are those of Kaldi's and sherpa's online decoders. Silence is blank here, frames in which
the model hears no token.

    silence    ends a segment, if a token came before
    longest    from half of this length on shorter and shorter silence suffices, at last any pause
    idle       of silence without a token before it, when it is this long, the first half is dropped

A cut is never behind the last token that was there before, so what was read stays as it was. It
depends on what came before alone, not on how the samples come.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.config import NOT_NEGATIVE, POSITIVE, check
from asr.model.labels import BLANK
from asr.units import Frames, Seconds


@dataclass(frozen=True)
class LiveConfig:
    """Settings of live reading.

    Raises:
        ConfigError: if a value is not allowed.
    """

    silence: Seconds = 0.8
    """Silence that ends a segment."""
    longest: Seconds = 20.0
    """Length at which any pause ends a segment; from half of it on, ever shorter silence does."""
    idle: Seconds = 2.4
    """Silence before the first word: when it is this long, its first half is dropped."""
    settle: Seconds = 0.8
    """With a beam search: how long a word stands unchanged until it is stable."""
    chunk: Seconds | None = None
    """Length of the chunks that are read at a time; none is the model's own, or 0.32 s."""
    lookahead: Seconds | None = None
    """What is heard beyond a chunk before it is read; none is the model's own, or 0.64 s."""

    def __post_init__(self) -> None:
        check(
            self,
            silence=POSITIVE,
            longest=POSITIVE,
            idle=POSITIVE,
            settle=POSITIVE,
            chunk=POSITIVE,
            lookahead=NOT_NEGATIVE,
        )


def find_endpoint(
    log_probs: npt.NDArray[np.floating], *, silence: Frames, longest: Frames, idle: Frames
) -> Frames | None:
    """Where the first segment ends, in frames, if that is certain already.

    Args:
        log_probs: (T, V), what there is by now.
        silence: as above.
        longest: as above.
        idle: as above.
    """
    best = log_probs.argmax(axis=1)
    time = np.arange(len(best))
    last = np.maximum.accumulate(np.where(best != BLANK, time, -1))  # the last token up to each frame
    blanks = time - last
    left = (longest - 1 - time).clip(0) / max(1, longest - longest // 2)
    enough = np.minimum(silence, np.maximum(1, np.ceil(silence * left)))
    ends = np.where(last < 0, blanks >= idle, blanks >= enough)
    ends[1:] |= (time[1:] >= longest) & (best[1:] != best[:-1])  # nobody pauses: between two tokens
    if not ends.any():
        return None
    end = int(ends.argmax())
    if last[end] < 0:
        return end + 1 - idle // 2
    return end if best[end] != BLANK else int(last[end]) + 1 + math.floor(blanks[end] / 2)
