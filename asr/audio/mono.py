"""Several channels -> one, and what samples may be.

Channels are averaged. Where they cancel each other (one is the other's inverse, a wrong cable), the
average would be silence; then a single one is taken.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.units import Seconds

CANCELLED = 0.25
"""Of the power that an average of independent channels has: one with less has lost its sound."""

LOUDEST = 1e12
"""Where full scale is 1, no sound is as loud; 32 bits that nobody scaled reach 2e9. In float32 the
squares of samples a million times larger are infinite, and one of them would silence all others."""

Channels = npt.NDArray[np.float32]
"""Shape (samples, channels), full scale is +-1."""


class Mixer:
    """Makes one channel of several, second by second.

    What counts is all sound up to a second's end, so that a quiet second decides nothing.

    Args:
        channel: the one to take, from 0; None averages them.
    """

    def __init__(self, channel: int | None = None) -> None:
        self.channel = channel
        self.cancelled: Seconds | None = None
        """Where channels were first found to cancel each other; there one is taken."""
        self.taken: int | None = None
        """Which one."""
        self._position: Seconds = 0.0
        self._average = 0.0
        self._powers: npt.NDArray[np.float64] = np.zeros(1)

    def __call__(self, samples: Channels, sample_rate: int) -> npt.NDArray[np.float32]:
        """Give (N,) of (N, channels), which should be about a second.

        Samples so large that their sum is no number give none; who reads them refuses that.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # numpy would warn on the screen
            return self._mixed(samples, sample_rate)

    def _mixed(self, samples: Channels, sample_rate: int) -> npt.NDArray[np.float32]:
        mixed = samples.mean(axis=1, dtype=np.float32) if self.channel is None else samples[:, self.channel]
        if self.channel is None and samples.shape[1] > 1:
            if len(self._powers) != samples.shape[1]:  # a stream has changed
                self._average, self._powers = 0.0, np.zeros(samples.shape[1])
                self.taken = None
            self._powers += np.einsum("nc,nc->c", samples, samples)
            self._average += float(mixed @ mixed)
            if self._average < CANCELLED / samples.shape[1] * float(self._powers.mean()):
                if self.taken is None:
                    self.taken = int((self._powers >= self._powers.max() / 2).argmax())  # the first that is loud
                self.cancelled = self._position if self.cancelled is None else self.cancelled
                mixed = samples[:, self.taken]
        self._position += len(samples) / sample_rate
        return np.ascontiguousarray(mixed)


def mixed(samples: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float32]:
    """Average the channels of a whole recording, or take one where they cancel each other.

    Args:
        samples: (channels, N), float32.
        sample_rate: in Hz.
    """
    average: npt.NDArray[np.float32] = samples.mean(axis=0, dtype=np.float32)
    if len(samples) == 1:
        return average
    mixer = Mixer()
    for start in range(0, samples.shape[1], sample_rate):
        stretch = slice(start, start + sample_rate)
        average[stretch] = mixer(samples[:, stretch].T, sample_rate)
    return average


def are_sound(samples: npt.NDArray[np.float32]) -> bool:
    """Whether samples are numbers, and none is beyond what sound can be: damaged floats are."""
    return bool((np.abs(samples) <= LOUDEST).all())


def to_float(samples: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Floats of full scale +-1 from these, or from PCM; bytes have no sign."""
    if np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):  # numbers of 64 bits that are no sound either
            return samples.astype(np.float32, copy=False)
    size = 2.0 ** (8 * samples.dtype.itemsize - 1)
    offset = size if samples.dtype == np.uint8 else 0.0
    return ((samples.astype(np.float64) - offset) / size).astype(np.float32)
