"""Waveforms -> normalised log-mel frames, a batch at a time, on the device that trains.

The mel filters are librosa's (Slaney's scale and area normalisation), as in Whisper. A frame is a whole window: none is
padded, so the first frame is centred on 12.5 ms and a waveform shorter than a window has no frame.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from asr.errors import ConfigError
from asr.units import Samples, Seconds, seconds_to_samples

DYNAMIC_RANGE = 1e-8
"""Mel energy below this share (80 dB) of the utterance's loudest is treated as silence, which makes features blind to
recording level, and keeps the empty upper half of a band-limited (8 kHz) recording constant, where else its rounding
noise would be amplified.
"""
SILENCE = 1e-16
"""Mel energy of digital silence."""
LEAST_DEVIATION = 1e-2
"""Floor of the standard deviation, in nats: a constant bin becomes 0."""


@dataclass(frozen=True)
class FeatureConfig:
    """Log-mel analysis.

    Raises:
        ConfigError: if a field is outside its range.
    """

    sample_rate: int = 16_000
    """Rate to which all audio is resampled, in Hz."""
    window: Seconds = 0.025
    """Length of an analysis window."""
    hop: Seconds = 0.010
    """Shift between windows."""
    num_mels: int = 80
    """Mel filters, from 0 Hz to half the sample rate."""

    def __post_init__(self) -> None:
        if not 4_000 <= self.sample_rate <= 96_000:
            raise ConfigError(f"features.sample_rate must lie in 4000 to 96000 Hz, got {self.sample_rate}")
        if not 0.001 <= self.hop <= self.window <= 0.2:
            raise ConfigError(
                f"features need 0.001 <= hop <= window <= 0.2 s, got hop {self.hop} and window {self.window}"
            )
        if not 8 <= self.num_mels <= 128:
            raise ConfigError(f"features.num_mels must lie in 8 to 128, got {self.num_mels}")

    @property
    def window_samples(self) -> Samples:
        return seconds_to_samples(self.window, self.sample_rate)

    @property
    def hop_samples(self) -> Samples:
        return seconds_to_samples(self.hop, self.sample_rate)


class LogMel(nn.Module):
    """Log-mel frames of a batch, each utterance normalised per bin to zero mean and unit variance over its valid frames."""

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.window = config.window_samples
        self.hop = config.hop_samples
        self.mel = torchaudio.transforms.MelSpectrogram(
            config.sample_rate,
            n_fft=self.window,
            hop_length=self.hop,
            n_mels=config.num_mels,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )

    @torch.no_grad()
    def forward(self, waveforms: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) float32, (B,) valid samples -> (B, T, M), (B,) valid frames; padded frames are 0.

        A waveform shorter than one window has 0 valid frames. Silence, and a single frame, become zeros.
        """
        lengths = torch.where(num_samples < self.window, 0, (num_samples - self.window) // self.hop + 1)
        energy = self.mel(F.pad(waveforms, (0, max(0, self.window - waveforms.shape[1])))).transpose(1, 2)
        valid = (torch.arange(energy.shape[1], device=energy.device) < lengths[:, None]).unsqueeze(-1)  # (B, T, 1)
        loudest = (energy * valid).amax(dim=(1, 2), keepdim=True)
        log_mel = energy.clamp(min=SILENCE).maximum(loudest * DYNAMIC_RANGE).log()
        return normalise(log_mel, valid, lengths), lengths


def normalise(log_mel: Tensor, valid: Tensor, lengths: Tensor) -> Tensor:
    """Cepstral-style mean and variance normalisation of each utterance and bin over its valid frames alone.

    Args:
        log_mel: (B, T, M).
        valid: (B, T, 1), bool.
        lengths: (B,), valid frames; 0 is allowed.
    """
    count = lengths.clamp(min=1)[:, None, None]
    mean = (log_mel * valid).sum(dim=1, keepdim=True) / count
    centred = (log_mel - mean) * valid
    deviation = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
    return centred / deviation.clamp(min=LEAST_DEVIATION)
