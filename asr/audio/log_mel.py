"""Waveforms -> normalised log-mel frames, a batch at a time, on the device that trains.

The mel filters are librosa's (Slaney's scale and area normalisation), as in Whisper, from 80 Hz on.
A frame is a whole window: none is padded, so the first frame is centred on 12.5 ms and a waveform
shorter than a window has no frame.

What a microphone adds below speech is taken out of each frame by itself: the frame less its least
squares fit by a constant and by sines of 50 and 60 Hz. DC and mains hum leave nothing, all below 70
Hz at most a fortieth of its energy. From 100 Hz on nothing changes. (A filter would need a state.)

Energies are relative to the speech level: the loudest that is held for 50 ms within 15 seconds. So
each speaker of a long recording stands at one level, and a click moves no frame but its own. A
recogniser that reads in chunks looks back 15 seconds, and ahead no farther than it may. Before the
first word it would take the room's noise for speech. So its level is also at least 30 dB above the
quietest that is held. Each bin is then normalised by its mean and deviation over training data.
(Over the utterance alone, as cepstral mean and variance normalisation has it, a word of half a
second loses what tells it from others: isolated digits had 3.7 % errors instead of 0.7 %.)
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.audio.features import (
    ABOVE_NOISE,
    AROUND,
    DYNAMIC_RANGE,
    FRONT_END,
    LEAST_DEVIATION,
    LOUDEST,
    SILENCE,
    FeatureConfig,
    Reach,
    mel_filters,
    rumble,
    taper,
)
from asr.units import Frames, Seconds


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
    filters: Tensor
    """(N / 2 + 1, M), the mel filters."""
    frequencies: Tensor
    """(M,), the mean frequency that each filter lets through, as a share of the highest."""

    def __init__(self, config: FeatureConfig, *, ahead: Seconds = AROUND) -> None:
        super().__init__()
        self.window = config.window_samples
        self.hop = config.hop_samples
        self.highest = config.sample_rate / 2
        reach = Reach.of(config, ahead)
        self.held, self.back, self.ahead = reach.held, reach.back, reach.ahead
        self.noise_counts = reach.noise_counts
        self.register_buffer("taper", torch.from_numpy(taper(config)), persistent=False)
        self.register_buffer("rumble", torch.from_numpy(rumble(config)), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters(config)), persistent=False)
        self.register_buffer("front_end", torch.tensor(FRONT_END))
        self.register_buffer("mean", torch.zeros(config.num_mels))
        self.register_buffer("deviation", torch.ones(config.num_mels))
        filters = self.filters.double()
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
        return (spectrum * spectrum.conj()).real @ self.filters, lengths

    def _relative(self, energy: Tensor, lengths: Tensor) -> Tensor:
        """Log-mel energy less the level, (B, T, M) in [-80, 10] dB."""
        level = self._level(energy.amax(dim=2), lengths).clamp(min=SILENCE)
        return (energy / level.unsqueeze(2)).clamp(DYNAMIC_RANGE, LOUDEST).log()

    def _level(self, loudness: Tensor, lengths: Tensor) -> Tensor:
        """The loudest that is held among the frames around each, (B, T) of (B, T).

        Grey-scale opening: the least of each `held` frames in a row, and of these the most. An
        utterance of fewer frames has one such stretch, all of it. The quietest is found by the
        opposite, closing; a stretch with digital silence in it tells nothing of noise.
        """
        valid = _valid(loudness, lengths)
        whole = _valid(loudness, (lengths - self.held + 1).clamp(min=1)) & valid
        least = (-self._most_held(-loudness, valid)).masked_fill(~whole, 0.0)
        level = self._most_around(least)
        if self.noise_counts:
            inverse = self._most_held(loudness, valid).reciprocal().masked_fill(least <= SILENCE, 0.0)
            noise = self._most_around(inverse).reciprocal()
            level = level.maximum(noise.masked_fill(noise.isinf(), 0.0) * ABOVE_NOISE)
        return level

    def _most_held(self, values: Tensor, valid: Tensor) -> Tensor:
        """The most of each `held` valid frames in a row, by their first one, (B, T) of (B, T)."""
        stretches = F.pad(values.masked_fill(~valid, -torch.inf), (0, self.held - 1), value=-torch.inf)
        return F.max_pool1d(stretches.unsqueeze(1), self.held, stride=1).squeeze(1)

    def _most_around(self, held: Tensor) -> Tensor:
        """The most of the stretches that lie in what is seen of each frame, or reach into it."""
        apart = self.held - 1
        first, last = self.back + apart, self.ahead - apart
        return F.max_pool1d(F.pad(held, (first, last)).unsqueeze(1), first + last + 1, stride=1).squeeze(1)


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

    def state(self) -> dict[str, Tensor]:
        """All that the next samples need; a stream with this state goes on exactly."""
        return {"samples": self._samples, "energy": self._energy, "given": torch.tensor(self._given)}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on where another stream gave its state."""
        self._samples, self._energy = state["samples"], state["energy"].to(self.features.mean.device)
        self._given = int(state["given"])

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
