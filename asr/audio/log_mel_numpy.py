"""Waveforms -> log-mel frames without PyTorch: what `log_mel` makes, to 1e-4.

(What lies 60 dB below a frame's loudest bin is rounding in both, and differs by 1e-3.) They are
relative to the speech level and not normalised: the ONNX graph holds mean and deviation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.audio.features import (
    ABOVE_NOISE,
    AROUND,
    DYNAMIC_RANGE,
    LOUDEST,
    SILENCE,
    FeatureConfig,
    Floats,
    Reach,
    mel_filters,
    rumble,
    taper,
)
from asr.units import Frames, Seconds, num_frames

AT_ONCE: Frames = 256
"""Frames whose spectra are in memory at a time; more do not fit in a processor's cache."""


class NumpyLogMel:
    """Log-mel frames of one waveform.

    Args:
        config: their settings.
        ahead: how far beyond a frame its level is looked for.
    """

    def __init__(self, config: FeatureConfig, *, ahead: Seconds = AROUND) -> None:
        self.window, self.hop, self.num_mels = config.window_samples, config.hop_samples, config.num_mels
        self.reach = Reach.of(config, ahead)
        self._taper, self._rumble, self._filters = taper(config), rumble(config), mel_filters(config)

    def __call__(self, waveform: Floats) -> Floats:
        """(N,) float32 -> (T, M); none of a waveform shorter than one window."""
        energy = self.energy(waveform)
        return self.relative(energy, 0, len(energy))

    def energy(self, waveform: Floats) -> Floats:
        """(N,) -> mel energy, (T, M)."""
        count = num_frames(len(waveform), window=self.window, hop=self.hop)
        energy = np.empty((count, self.num_mels), np.float32)
        if not count:
            return energy
        frames = sliding_window_view(waveform, self.window)[:: self.hop]  # (T, N)
        for start in range(0, count, AT_ONCE):
            some = frames[start : start + AT_ONCE]
            spectrum = np.fft.rfft((some - some @ self._rumble @ self._rumble.T) * self._taper)
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            np.matmul(power.astype(np.float32, copy=False), self._filters, out=energy[start : start + AT_ONCE])
        return energy

    def relative(self, energy: Floats, start: Frames, stop: Frames) -> Floats:
        """Log-mel energy less the level, in [-80, 10] dB, of frames from `start` up to `stop`.

        All the energy, (T, M), tells their level.
        """
        if start >= stop:
            return energy[:0]
        level = np.maximum(self._level(energy.max(axis=1)), np.float32(SILENCE))[start:stop, None]
        return np.log(np.clip(energy[start:stop] / level, np.float32(DYNAMIC_RANGE), np.float32(LOUDEST)))

    def _level(self, loudness: Floats) -> Floats:
        """As `LogMel._level`, (T,) of (T,)."""
        stretches = sliding_window_view(loudness, min(self.reach.held, len(loudness)))
        least = stretches.min(axis=1)
        level = self._most_around(least, len(loudness))
        if self.reach.noise_counts:
            inverse = _inverse(stretches.max(axis=1), least > SILENCE)
            noise = self._most_around(inverse, len(loudness))
            level = np.maximum(level, _inverse(noise, noise > 0) * np.float32(ABOVE_NOISE))
        return level

    def _most_around(self, held: Floats, count: Frames) -> Floats:
        """The most of stretches around each of `count` frames."""
        apart = self.reach.held - 1
        stretches = np.zeros(count, held.dtype)
        stretches[: len(held)] = held  # by their first frame
        return _running_max(stretches, self.reach.back + apart, self.reach.ahead - apart)


class NumpyLogMelStream:
    """Frames of a recording of which the samples come in pieces; the same as those of the whole."""

    def __init__(self, features: NumpyLogMel) -> None:
        self._features = features
        self._samples = np.zeros(0, np.float32)
        self._energy = np.zeros((0, features.num_mels), np.float32)
        self._given: Frames = 0
        """Frames at the head of `_energy` that were given out: later ones need their level."""

    def accept(self, samples: Floats) -> Floats:
        """(N,), the next samples, any number -> (T, M), the frames whose level is certain."""
        self._samples = np.concatenate([self._samples, samples])
        energy = self._features.energy(self._samples)
        self._energy = np.concatenate([self._energy, energy])
        self._samples = self._samples[len(energy) * self._features.hop :]
        return self._give(len(self._energy) - self._features.reach.ahead)

    def finish(self) -> Floats:
        """(T, M), the frames that are left; nothing comes after."""
        return self._give(len(self._energy))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next samples need; a stream with this state goes on exactly."""
        return {"samples": self._samples, "energy": self._energy, "given": np.array(self._given)}

    def resume(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on where another stream gave its state."""
        self._samples, self._energy, self._given = state["samples"], state["energy"], int(state["given"])

    def _give(self, stop: Frames) -> Floats:
        start, reach = self._given, self._features.reach
        found = self._features.relative(self._energy, start, stop)
        if stop <= start:
            return found
        spent = max(0, stop - reach.back - reach.held)
        self._energy, self._given = self._energy[spent:], stop - spent
        return found


def _inverse(values: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """1 / values; 0 elsewhere."""
    return np.divide(1, values, out=np.zeros_like(values), where=where)


def _running_max(values: Floats, before: int, after: int) -> Floats:
    """The most of each value, those up to `before` places before it and up to `after` behind it.

    Two running maxima over blocks of the window's size, forwards and backwards (van Herk 1992).
    None of the values is negative.
    """
    size, count = before + after + 1, len(values)
    blocks = -(-(count + size - 1) // size)
    padded = np.zeros(blocks * size, values.dtype)
    padded[before : before + count] = values
    rows = padded.reshape(blocks, size)
    forwards = np.maximum.accumulate(rows, axis=1).ravel()
    backwards = np.maximum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    return np.maximum(backwards[:count], forwards[size - 1 : size - 1 + count])
