"""One reading of a sentence: when it is over, and what is wrong with it.

Levels decide, of every 10 ms. What is loud stands out from the quietest twentieth by 12 dB.
"""

from collections.abc import Iterable

import numpy as np

from asr.audio.level import levels
from asr.audio.reader import Waveform
from asr.units import Seconds

ENDS_AFTER: Seconds = 1.2
"""Quiet after speech that ends a reading."""
GIVES_UP_AFTER: Seconds = 8.0
"""Quiet without any speech."""
LONGEST: Seconds = 30.0
MARGIN: Seconds = 0.3
"""Quiet that is kept on both sides."""
LOUD = 12.0
"""dB above the quiet at which speech begins."""
LEAST_SPOKEN: Seconds = 0.1
"""Shorter loud stretches are clicks."""
CLIPPED = 0.99
"""Of full scale."""
CLIPPED_SAMPLES = 10
"""More at full scale are heard."""
QUIETEST = -40.0
"""dB of full scale that the loud parts of speech should reach."""
LEAST_SIGNAL = 20.0
"""dB between the loud parts of speech and the quiet."""
QUIET_SHARE = 5
"""% of a reading that are quieter than any of its speech."""
FASTEST = 28.0
"""Letters a second that people read at most."""


def read_aloud(blocks: Iterable[Waveform], sample_rate: int) -> Waveform:
    """Take what is said until it has been quiet for a while.

    Args:
        blocks: from a microphone, (N,) each.
        sample_rate: in Hz.

    Returns:
        (N,) from shortly before the first sound to shortly after the last one; all of it if there
        is no speech.
    """
    taken: list[Waveform] = []
    length = 0.0
    for block in blocks:
        taken.append(block)
        length += len(block) / sample_rate
        spoken = _spoken(np.concatenate(taken), sample_rate)
        if length >= LONGEST or length >= (GIVES_UP_AFTER if spoken is None else spoken[1] + ENDS_AFTER):
            break
    if not taken:
        return np.zeros(0, dtype=np.float32)
    waveform = np.concatenate(taken)
    spoken = _spoken(waveform, sample_rate)
    if spoken is None:
        return waveform
    start, end = max(0.0, spoken[0] - MARGIN), spoken[1] + MARGIN
    return waveform[round(start * sample_rate) : round(end * sample_rate)]


def faults(waveform: Waveform, sample_rate: int, text: str) -> list[str]:
    """Say what is wrong with a reading of a text, a line each, with what to do; none if good."""
    spoken = _spoken(waveform, sample_rate)
    if spoken is None:
        return ["nothing was heard; is the microphone on, and the right one?"]
    level, _ = levels(waveform, sample_rate)
    loud, quiet = np.percentile(level, (95, QUIET_SHARE))
    found = []
    if int((np.abs(waveform) >= CLIPPED).sum()) > CLIPPED_SAMPLES:
        found.append("it is clipped; turn the microphone down or go further away")
    if loud < QUIETEST:
        found.append(f"it is too quiet ({loud:.0f} dB); turn the microphone up or come nearer")
    elif loud - quiet < LEAST_SIGNAL:
        found.append(f"it is noisy (speech is {loud - quiet:.0f} dB above the noise); find a quieter place")
    if spoken[0] <= 0.0:
        found.append("its beginning is cut off; wait a moment before you speak")
    if (seconds := spoken[1] - spoken[0]) * FASTEST < len(text):
        found.append(f"it is {seconds:.1f} s long, too short for its text; read all of it")
    return found


def _spoken(waveform: Waveform, sample_rate: int) -> tuple[Seconds, Seconds] | None:
    """From the first to the last loud sound that is no click; None if there is none."""
    level, block = levels(waveform, sample_rate)
    if not len(level):
        return None
    is_loud = level >= max(np.percentile(level, QUIET_SHARE) + LOUD, QUIETEST - 2 * LOUD)
    changes = np.flatnonzero(np.diff(is_loud, prepend=False, append=False))
    long = [(a, b) for a, b in zip(changes[::2], changes[1::2], strict=True) if (b - a) * block >= LEAST_SPOKEN]
    return (float(long[0][0] * block), float(long[-1][1] * block)) if long else None
