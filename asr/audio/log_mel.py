"""Waveforms -> normalised log-mel frames, a batch at a time, on the device that trains.

The mel filters are librosa's (Slaney's scale and area normalisation), as in Whisper, from 80 Hz on.
A frame is a whole window: none is padded, so the first frame is centred on 12.5 ms and a waveform
shorter than a window has no frame.

What a microphone adds below speech is taken out of each frame by itself: the frame less its least
squares fit by a constant and by sines of 50 and 60 Hz. DC and mains hum leave nothing, all below 70
Hz at most a fortieth of its energy. From 100 Hz on nothing changes. (A filter would need a state.)

Energies are relative to the speech level: the loudest that is held for 50 ms within 15 seconds. So
each speaker of a long recording stands at one level, and a click moves no frame but its own. A
recogniser that reads in chunks looks back 15 seconds, and ahead no farther than it may. Each bin is
then normalised by its mean and deviation over training data. (Over the utterance alone, as cepstral
mean and variance normalisation has it, a word of half a second loses what tells it from others:
isolated digits had 3.7 % errors instead of 0.7 %.)
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
from asr.units import Frames, Samples, Seconds, seconds_to_samples

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


class LogMel(nn.Module):
    """Log-mel frames of a batch, normalised by statistics of training data.

    Until `fit` is called the mean is 0 and the deviation 1.
    """

    mean: Tensor
    """(M,), of log-mel energy relative to the loudest, in nats."""
    deviation: Tensor
    """(M,), likewise."""
    front_end: Tensor
    """Scalar, as `FRONT_END`."""
    taper: Tensor
    """(N,), the analysis window."""
    rumble: Tensor
    """(N, 5), what is taken out of each frame."""
    frequencies: Tensor
    """(M,), the mean frequency that each filter lets through, as a share of the highest."""

    def __init__(self, config: FeatureConfig, *, ahead: Seconds = AROUND) -> None:
        super().__init__()
        self.window = config.window_samples
        self.hop = config.hop_samples
        self.highest = config.sample_rate / 2
        self.held = max(1, round(HELD / config.exact_hop))
        self.back = round(AROUND / config.exact_hop)
        self.ahead = max(round(ahead / config.exact_hop), self.held - 1)
        self.register_buffer("taper", torch.hann_window(self.window), persistent=False)
        self.register_buffer("rumble", _rumble(self.window, config.sample_rate), persistent=False)
        self.mel = torchaudio.transforms.MelScale(
            config.num_mels,
            config.sample_rate,
            f_min=LOWEST,
            n_stft=self.window // 2 + 1,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("front_end", torch.tensor(FRONT_END))
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
        energy, lengths = self.energy(waveforms, num_samples)
        log_mel = self.normalised(self._relative(energy, lengths))
        return log_mel.masked_fill(~_valid(energy, lengths).unsqueeze(-1), 0.0), lengths

    def normalised(self, log_mel: Tensor) -> Tensor:
        """By training data's statistics, (..., M); 0 in the bins that are not known."""
        return ((log_mel - self.mean) / self.deviation).masked_fill(~self.known, 0.0)

    @property
    def known(self) -> Tensor:
        """(M,), bool: the bins in which training data held sound.

        The others are 0 in whatever recording.
        So a model of telephone speech is not startled by what a better microphone hears above it.
        """
        return ~(self.deviation <= LEAST_DEVIATION)  # so that NaN is not taken for silence

    @property
    def band(self) -> tuple[float, float]:
        """The lowest and highest frequency, in Hz, of the bins that are known, or (0, 0)."""
        heard = self.frequencies[self.known] * self.highest
        return (round(float(heard[0])), round(float(heard[-1]))) if len(heard) else (0, 0)

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take mean and deviation from batches of waveforms, each valid frame once.

        Batches are (B, N) and (B,) as above.

        Without a single frame they stay as they are.
        """
        count = 0
        sums = torch.zeros(2, len(self.mean), dtype=torch.float64)
        for waveforms, num_samples in batches:
            energy, lengths = self.energy(waveforms.to(self.mean.device), num_samples.to(self.mean.device))
            log_mel = self._relative(energy, lengths)
            frames = log_mel[_valid(energy, lengths)].cpu().double()  # (frames, M)
            count += len(frames)
            sums += torch.stack([frames.sum(dim=0), frames.square().sum(dim=0)])
        if count:
            mean, square = sums / count
            self.mean.copy_(mean)
            self.deviation.copy_((square - mean.square()).clamp(min=LEAST_DEVIATION**2).sqrt())

    @torch.no_grad()
    def energy(self, waveforms: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N), (B,) -> mel energy, (B, T, M), and (B,) valid frames.

        What padded frames hold has no meaning.
        """
        lengths = torch.where(num_samples < self.window, 0, (num_samples - self.window) // self.hop + 1)
        padded = F.pad(waveforms, (0, max(0, self.window - waveforms.shape[1])))
        frames = padded.unfold(1, self.window, self.hop)  # (B, T, N)
        frames = (frames - frames @ self.rumble @ self.rumble.T) * self.taper
        spectrum = torch.fft.rfft(frames)
        return self.mel((spectrum * spectrum.conj()).real.transpose(1, 2)).transpose(1, 2), lengths

    def _relative(self, energy: Tensor, lengths: Tensor) -> Tensor:
        """Log-mel energy less the level, (B, T, M) in [-80, 10] dB."""
        level = self._level(energy.amax(dim=2), lengths).clamp(min=SILENCE)
        return (energy / level.unsqueeze(2)).clamp(DYNAMIC_RANGE, LOUDEST).log()

    def _level(self, loudness: Tensor, lengths: Tensor) -> Tensor:
        """The loudest that is held among the frames around each, (B, T) of (B, T).

        Grey-scale opening: the least of each `held` frames in a row, and of these the most. An
        utterance of fewer frames has one such stretch, all of it.
        """
        time = torch.arange(loudness.shape[1], device=loudness.device)
        valid = _valid(loudness, lengths)
        apart = self.held - 1
        stretches = F.pad(loudness.masked_fill(~valid, torch.inf), (0, apart), value=torch.inf)
        least = -F.max_pool1d(-stretches.unsqueeze(1), self.held, stride=1).squeeze(1)  # by its first frame
        whole = time <= (lengths - self.held).clamp(min=0)[:, None]
        least = least.masked_fill(~(whole & valid), 0.0)
        first, last = self.back + apart, self.ahead - apart  # stretches that lie in what may be seen or reach into it
        around = F.pad(least, (first, last))
        return F.max_pool1d(around.unsqueeze(1), first + last + 1, stride=1).squeeze(1)


class LogMelStream:
    """Features of a recording of which the samples come in pieces; the same as those of the whole.

    Args:
        features: of a recogniser.
    """

    def __init__(self, features: LogMel) -> None:
        self.features = features
        self._samples = torch.zeros(0)
        self._energy = features.mean.new_zeros(0, len(features.mean))
        self._given: Frames = 0
        """Frames at the head of `_energy` that were given out: later ones need their level."""

    def accept(self, samples: Tensor) -> Tensor:
        """(N,), the next samples, any number -> (T, M), the frames whose level is certain."""
        self._take(samples)
        return self._give(len(self._energy) - self.features.ahead)

    def finish(self) -> Tensor:
        """(T, M), the frames that are left; nothing comes after."""
        return self._give(len(self._energy))

    def _take(self, samples: Tensor) -> None:
        features = self.features
        self._samples = torch.cat([self._samples, samples])
        size = torch.tensor([len(self._samples)])
        energy, lengths = features.energy(self._samples[None].to(features.mean.device), size.to(features.mean.device))
        count = int(lengths)
        self._energy = torch.cat([self._energy, energy[0, :count]])
        self._samples = self._samples[count * features.hop :]

    def _give(self, stop: Frames) -> Tensor:
        features, start = self.features, self._given
        if stop <= start:
            return self._energy[:0]
        length = torch.tensor([len(self._energy)], device=self._energy.device)
        found = features.normalised(features._relative(self._energy[None], length)[0, start:stop])
        spent = max(0, stop - features.back - features.held)
        self._energy, self._given = self._energy[spent:], stop - spent
        return found


def _valid(frames: Tensor, lengths: Tensor) -> Tensor:
    """(B, T), False at padded frames."""
    return torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]


def _rumble(window: Samples, sample_rate: int) -> Tensor:
    """(N, 5), an orthonormal basis of a constant and sines of the mains frequencies."""
    time = torch.arange(window, dtype=torch.float64) / sample_rate
    waves = [wave(2 * torch.pi * frequency * time) for frequency in HUM for wave in (torch.cos, torch.sin)]
    basis: Tensor = torch.linalg.qr(torch.stack([torch.ones_like(time), *waves], dim=1))[0]
    return basis.float()
