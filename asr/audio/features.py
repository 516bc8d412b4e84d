"""What log-mel frames are: their settings, windows and filters, without PyTorch.

`log_mel` makes them with PyTorch, `log_mel_numpy` without it.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.config import between, check
from asr.errors import ConfigError
from asr.units import Frames, Samples, Seconds, seconds_to_samples

Floats = npt.NDArray[np.float32]

DYNAMIC_RANGE = 1e-8
"""Mel energy below this share (80 dB) of the loudest around it is treated as silence.

This makes features blind to recording level. It also keeps the empty upper half of a band-limited
(8 kHz) recording constant, where else its rounding noise would be amplified.
"""
FRONT_END = 2
"""Number of this way to make features. A model knows those that it was trained with."""
LOWEST = 80.0
"""Where the mel filters begin, in Hz."""
HUM = (50.0, 60.0)
"""Mains frequencies, in Hz."""
AROUND: Seconds = 15.0
"""How far from a frame, to either side, its level is looked for."""
HELD: Seconds = 0.05
"""How long a level is held that counts: longer than a click, shorter than a vowel."""
ABOVE_NOISE = 1e3
"""Speech is taken to be 30 dB above the quietest around it, where what comes is not known."""
LOUDEST = 10.0
"""Mel energy above this multiple of the level (10 dB) is cut off."""
SILENCE = 1e-16
"""Mel energy of digital silence."""
LEAST_DEVIATION = 0.5
"""Floor of the standard deviation, in nats. Speech exceeds it several times; a bin that is empty in
training stays small.
"""


@dataclass(frozen=True)
class FeatureConfig:
    """Log-mel analysis.

    Raises:
        ConfigError: if a field is outside its range.
    """

    sample_rate: int = 16_000
    """Rate to which all audio is resampled, in Hz."""
    window: Seconds = 0.025
    """Length of an analysis window, in seconds."""
    hop: Seconds = 0.010
    """Shift between windows, in seconds."""
    num_mels: int = 80
    """Mel filters, from 80 Hz to half the sample rate."""

    def __post_init__(self) -> None:
        check(
            self,
            "features",
            sample_rate=between(4_000, 96_000, unit="Hz"),
            window=between(0.001, 0.2, unit="s"),
            hop=between(0.001, 0.2, unit="s"),
            num_mels=between(8, 128),
        )
        if self.hop > self.window:
            raise ConfigError(f"features.hop must not exceed features.window, got {self.hop} and {self.window}")
        if empty := _empty_filters(self.num_mels, self.window_samples, self.sample_rate):
            raise ConfigError(
                f"features.num_mels {self.num_mels} with features.window {self.window} and features.sample_rate "
                f"{self.sample_rate} leaves {empty} filters without a frequency; {_what_fits(self)}"
            )

    @property
    def window_samples(self) -> Samples:
        return seconds_to_samples(self.window, self.sample_rate)

    @property
    def hop_samples(self) -> Samples:
        return seconds_to_samples(self.hop, self.sample_rate)

    @property
    def exact_hop(self) -> Seconds:
        """Time from one frame to the next: `hop` as whole samples.

        At 22,050 Hz it is 10.02 ms instead of 10.
        """
        return self.hop_samples / self.sample_rate


def _empty_filters(num_mels: int, window: Samples, sample_rate: int) -> int:
    """Count the mel filters, as `MelScale` lays them out, without a frequency of the spectrum."""
    highest = sample_rate // 2
    frequencies = np.linspace(0, highest, window // 2 + 1)
    edges = _slaney_hz(np.linspace(_slaney_mel(LOWEST), _slaney_mel(highest), num_mels + 2))
    edges[-1] = highest  # not by rounding a little above
    inside = np.searchsorted(frequencies, edges[2:], "left") - np.searchsorted(frequencies, edges[:-2], "right")
    return int((inside <= 0).sum())


def _what_fits(config: FeatureConfig) -> str:
    """Name the most filters for the window and the shortest window for the filters."""
    rate = config.sample_rate
    filters = [n for n in range(8, config.num_mels) if not _empty_filters(n, config.window_samples, rate)]
    windows = range(config.window_samples, seconds_to_samples(0.2, rate) + 1)
    longer = next((size for size in windows if not _empty_filters(config.num_mels, size, rate)), None)
    ways = [f"{max(filters)} filters"] if filters else []
    if longer is not None:
        ways.append(f"a window of {math.ceil(longer / rate * 1e4) / 1e4:g} s")
    return "what fits: " + ", or ".join(ways)


def _slaney_mel(frequency: float) -> float:
    """Slaney's scale (1998, "Auditory Toolbox"): linear up to 1000 Hz, logarithmic above."""
    return 15 + 27 * math.log(frequency / 1000) / math.log(6.4) if frequency >= 1000 else 3 * frequency / 200


def _slaney_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < 15, 200 * mels / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def taper(config: FeatureConfig) -> Floats:
    """(N,), the analysis window: Hann's, periodic."""
    time = np.arange(config.window_samples) / config.window_samples
    return (0.5 - 0.5 * np.cos(2 * np.pi * time)).astype(np.float32)


def mel_filters(config: FeatureConfig) -> Floats:
    """(N / 2 + 1, M), triangles on Slaney's scale, each of the area of a hertz times two."""
    highest = config.sample_rate // 2
    frequencies = np.linspace(0, highest, config.window_samples // 2 + 1)
    edges = _slaney_hz(np.linspace(_slaney_mel(LOWEST), _slaney_mel(highest), config.num_mels + 2))
    rising = (frequencies[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - frequencies[:, None]) / np.diff(edges)[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return filters.astype(np.float32)


def rumble(config: FeatureConfig) -> Floats:
    """(N, 5), an orthonormal basis of a constant and sines of the mains frequencies."""
    time = np.arange(config.window_samples) / config.sample_rate
    waves = [wave(2 * np.pi * frequency * time) for frequency in HUM for wave in (np.cos, np.sin)]
    return np.linalg.qr(np.stack([np.ones_like(time), *waves], axis=1))[0].astype(np.float32)


@dataclass(frozen=True)
class Reach:
    """How far around a frame its level is looked for, in frames."""

    held: Frames
    """How long a level is held that counts."""
    back: Frames
    ahead: Frames
    noise_counts: bool
    """Whether the level is at least `ABOVE_NOISE` times the quietest that is held."""

    @classmethod
    def of(cls, config: FeatureConfig, ahead: Seconds) -> "Reach":
        """Round to frames; at least one held level lies ahead."""
        held = max(1, round(HELD / config.exact_hop))
        back = round(AROUND / config.exact_hop)
        return cls(held, back, max(round(ahead / config.exact_hop), held - 1), ahead < AROUND)
