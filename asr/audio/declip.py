"""Peaks that were cut off at full scale -> peaks as they may have been.

A microphone or a gain that is too high writes the same highest number again and again. What is cut
off is replaced by the cubic that goes on with the slopes on both sides (Hermite's). It restores how
much louder a vowel is than what is around it, and rounds the edges, which sound in all bands.
It does so before anything is resampled, which would hide where the edges were.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.mono import Channels
from asr.units import Samples, Seconds, seconds_to_samples

FULL_SCALE = 0.95, 1.0
"""Equal samples in a row of such a size are a peak that was cut off.

The largest numbers are 0.99997 and -1 in 16 bits, 0.992 and -1 in 8 bits, and 0.98 in A-law.
"""
LONGEST: Seconds = 0.010
"""Of a peak that is restored: what stays at full scale for longer is no voice."""
HIGHEST = 4.0
"""Times full scale, 12 dB, that a restored peak has at most."""
BESIDE: Samples = 2
"""Samples on either side, which tell the slopes."""

Places: TypeAlias = npt.NDArray[np.intp]
_NOWHERE: Places = np.zeros(0, np.intp)


def declipped(blocks: Iterable[tuple[Channels, int]]) -> Iterator[tuple[Channels, int]]:
    """Restore the peaks of a recording.

    Args:
        blocks: its samples in order, and their rate in Hz.

    Returns:
        As many samples, in blocks of other lengths.
    """
    declipper, kind = None, (0, 0)
    for samples, rate in blocks:
        if declipper is None or (rate, samples.shape[1]) != kind:
            if declipper is not None:
                yield declipper.finish(), kind[0]
            declipper, kind = Declipper(rate), (rate, samples.shape[1])
        yield declipper.accept(samples), rate
    if declipper is not None:
        yield declipper.finish(), kind[0]


class Declipper:
    """Restores peaks of samples as they come; what it gives does not depend on how they are cut.

    A peak waits for its end, and for two samples more. So a sample waits for `LONGEST` at most.
    Below full scale it waits for nothing.

    Args:
        sample_rate: in Hz.

    Example:
        >>> declipper = Declipper(16_000)
        >>> samples = np.float32([[-0.3], [0.5], [1.0], [1.0], [1.0], [0.5], [-0.3]])
        >>> np.concatenate([declipper.accept(samples), declipper.finish()])[:, 0].round(2)
        array([-0.3,  0.5,  1.1,  1.3,  1.1,  0.5, -0.3], dtype=float32)
    """

    def __init__(self, sample_rate: int) -> None:
        self._longest = longest(sample_rate)
        self._samples: Channels | None = None
        """As they came: those that wait, and before them as many as a peak may have."""
        self._given: Samples = 0

    def accept(self, samples: Channels) -> Channels:
        """Take the next samples, (N, channels); give those that are certain, (M, channels)."""
        if self._samples is not None:
            samples = np.concatenate([self._samples, samples])
        certain = min((_certain(channel, self._longest) for channel in samples.T), default=0)
        return self._give(samples, max(certain, self._given))

    def finish(self) -> Channels:
        """Give what is left, (M, channels); nothing comes after."""
        if self._samples is None:
            return np.zeros((0, 1), np.float32)
        return self._give(self._samples, len(self._samples))

    def _give(self, samples: Channels, certain: Samples) -> Channels:
        given = self._given
        self._given = min(certain, self._longest + BESIDE)
        self._samples = samples[certain - self._given :]
        return restored(samples, self._longest)[given:certain]


def longest(sample_rate: int) -> Samples:
    """How many samples a peak has at most that is restored."""
    return seconds_to_samples(LONGEST, sample_rate)


def restored(samples: Channels, longest: Samples) -> Channels:
    """Restore the peaks of at least two and at most `longest` samples.

    Those with fewer than two samples before or after them stay. What was restored is no peak of
    equal samples any more, so doing it again changes next to nothing.

    Args:
        samples: (N, channels); they stay as they are.
        longest: in samples.

    Returns:
        (N, channels): the same array where nothing is cut off.
    """
    peaks = [_peaks(channel, longest) for channel in samples.T]
    if not any(len(starts) for starts, _ in peaks):
        return samples
    whole = samples.copy()
    for channel, (starts, stops) in zip(whole.T, peaks, strict=True):
        inside = (starts >= BESIDE) & (stops <= len(samples) - BESIDE)
        _restore(channel, starts[inside], stops[inside])
    return whole


def _peaks(samples: npt.NDArray[np.float32], longest: Samples) -> tuple[Places, Places]:
    """Where equal samples at full scale begin, and where the next other one is."""
    full = _is_full(samples[1:])
    if not full.any():
        return _NOWHERE, _NOWHERE
    again = full & (samples[1:] == samples[:-1])
    edges = np.flatnonzero(np.diff(again, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2] + 1
    short = stops - starts <= longest
    return starts[short], stops[short]


def _certain(samples: npt.NDArray[np.float32], longest: Samples) -> Samples:
    """How many samples nothing that comes can change."""
    count = len(samples)
    starts, stops = _peaks(samples, longest)
    open_ones = starts[stops > count - BESIDE]
    if len(open_ones):
        return int(open_ones[0])
    return count - int(_is_full(samples[-1:]).sum())


def _is_full(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    least, most = FULL_SCALE
    size = np.abs(samples)
    return (size >= least) & (size <= most)


def _restore(samples: npt.NDArray[np.float32], starts: Places, stops: Places) -> None:
    """Put a cubic in the place of each peak; one that is no higher than what is beside it stays."""
    sign = np.sign(samples[starts])
    is_peak = np.maximum(sign * samples[starts - 1], sign * samples[stops]) < np.abs(samples[starts])
    starts, stops = starts[is_peak], stops[is_peak]
    sizes = stops - starts
    peak = np.repeat(np.arange(len(starts)), sizes)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(peak)) - first[peak]
    span = (sizes + 1)[peak]
    t = (place + 1) / span
    before, after = samples[starts - 1].astype(np.float64), samples[stops].astype(np.float64)
    rise, fall = before - samples[starts - 2], samples[stops + 1] - after
    cubic = (1 + 2 * t) * (1 - t) ** 2 * before[peak] + t**2 * (3 - 2 * t) * after[peak]
    cubic += span * (t * (1 - t) ** 2 * rise[peak] - t**2 * (1 - t) * fall[peak])
    limit = samples[starts].astype(np.float64)[peak]
    size = np.clip(np.sign(limit) * cubic, np.abs(limit), HIGHEST * np.abs(limit))
    samples[starts[peak] + place] = np.sign(limit) * size
