"""How loud a sound is, every 10 ms."""

import numpy as np
import numpy.typing as npt

from asr.audio.reader import Waveform
from asr.units import Seconds, seconds_to_samples

BLOCK: Seconds = 0.010
"""Stretch of which a level is taken, and so the resolution of borders."""
SILENCE = -100.0
"""Level of digital silence."""


def levels(waveform: Waveform, sample_rate: int) -> tuple[npt.NDArray[np.float64], Seconds]:
    """Measure the power of each block of 10 ms; less than a block at the end is left out.

    Returns:
        (blocks,), in dB of full scale; and how long a block of whole samples is, 10.02 ms at 22,050
        Hz.
    """
    size = seconds_to_samples(BLOCK, sample_rate)
    blocks = waveform[: len(waveform) // size * size].reshape(-1, size)
    power = np.einsum("bn,bn->b", blocks, blocks) / size
    level = 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))
    return np.asarray(level, dtype=np.float64), size / sample_rate
