"""Waveforms -> normalised log-mel frames, a batch at a time, on the device that trains.

The mel filters are librosa's (Slaney's scale and area normalisation), as in Whisper. A frame is a
whole window: none is padded. So the first frame is centred on 12.5 ms, and a waveform shorter than
a window has no frame.

Energies are relative to the loudest within 15 seconds, which gives each speaker of a long recording
one level. Then each bin is normalised by its mean and deviation over training data. Over the
utterance alone, as in cepstral mean and variance normalisation, a word of half a second loses what
tells it from others: isolated digits had 3.7 % errors instead of 0.7 %.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from asr.config import between, check
from asr.errors import ConfigError
from asr.units import Samples, Seconds, seconds_to_samples

DYNAMIC_RANGE = 1e-8
"""Mel energy below this share (80 dB) of the loudest around it is treated as silence.

This makes features blind to recording level. It also keeps the empty upper half of a band-limited
(8 kHz) recording constant, where else its rounding noise would be amplified.
"""
AROUND: Seconds = 15.0
"""How far from a frame, to either side, its loudest is looked for."""
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
    """Mel filters, from 0 Hz to half the sample rate."""

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
    edges = _slaney_hz(np.linspace(0, _slaney_mel(highest), num_mels + 2))
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


class LogMel(nn.Module):
    """Log-mel frames of a batch, normalised by statistics of training data.

    Until `fit` is called the mean is 0 and the deviation 1.
    """

    mean: Tensor
    """(M,), of log-mel energy relative to the loudest, in nats."""
    deviation: Tensor
    """(M,), likewise."""
    frequencies: Tensor
    """(M,), the mean frequency that each filter lets through, as a share of the highest."""

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.window = config.window_samples
        self.hop = config.hop_samples
        self.around = round(AROUND / config.exact_hop)
        self.spectrum = torchaudio.transforms.Spectrogram(self.window, hop_length=self.hop, power=None, center=False)
        self.mel = torchaudio.transforms.MelScale(
            config.num_mels, config.sample_rate, n_stft=self.window // 2 + 1, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("mean", torch.zeros(config.num_mels))
        self.register_buffer("deviation", torch.ones(config.num_mels))
        filters: Tensor = self.mel.fb.double()
        places = torch.linspace(0, 1, len(filters), dtype=torch.float64)
        self.register_buffer("frequencies", places @ filters / filters.sum(dim=0), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) float32, (B,) valid samples -> (B, T, M), (B,) valid frames; padded frames are 0.

        A waveform shorter than one window has 0 valid frames.
        """
        log_mel, valid = self._relative(waveforms, num_samples)
        normalised = (log_mel - self.mean) / self.deviation
        return normalised.masked_fill(~valid.unsqueeze(-1), 0.0), valid.sum(dim=1)

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take mean and deviation from batches of waveforms, each valid frame once.

        Batches are (B, N) and (B,) as above.

        Without a single frame they stay as they are.
        """
        count = 0
        sums = torch.zeros(2, len(self.mean), dtype=torch.float64)
        for waveforms, num_samples in batches:
            log_mel, valid = self._relative(waveforms.to(self.mean.device), num_samples.to(self.mean.device))
            frames = log_mel[valid].cpu().double()  # (frames, M)
            count += len(frames)
            sums += torch.stack([frames.sum(dim=0), frames.square().sum(dim=0)])
        if count:
            mean, square = sums / count
            self.mean.copy_(mean)
            self.deviation.copy_((square - mean.square()).clamp(min=LEAST_DEVIATION**2).sqrt())

    def _relative(self, waveforms: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel energy less the loudest around it, (B, T, M) in [-80 dB, 0].

        Also which frames are valid, (B, T).
        """
        lengths = torch.where(num_samples < self.window, 0, (num_samples - self.window) // self.hop + 1)
        spectrum = self.spectrum(F.pad(waveforms, (0, max(0, self.window - waveforms.shape[1]))))
        energy = self.mel((spectrum * spectrum.conj()).real).transpose(1, 2)
        valid = torch.arange(energy.shape[1], device=energy.device) < lengths[:, None]
        levels = (energy.amax(dim=2) * valid).clamp(min=SILENCE)
        loudest = F.max_pool1d(levels.unsqueeze(1), 2 * self.around + 1, stride=1, padding=self.around).transpose(1, 2)
        return (energy / loudest).clamp(min=DYNAMIC_RANGE).log(), valid
