"""What a sound does from moment to moment: tones stand still, noise is even, speech is neither."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.audio.features import Floats
from asr.audio.waveform import Waveform
from asr.units import Samples, Seconds, seconds_to_samples

WINDOW: Seconds = 0.064
HOP: Seconds = 0.020
LAG: Seconds = 0.080
"""Beyond the window, so that two spectra share no sample: noise is not steady."""
LOWEST_HERTZ = 200
"""Below is mains hum, which lies under speech too."""
FAINTEST = 1e-12
"""A spectrum whose norm is below it has no shape: in single precision its squares are 0."""
QUIETEST = -80.0
"""Levels below it, in dB of full scale, are taken for it: there 16 bits round."""
AT_ONCE = 32
"""Spectra that are made at a time; more do not fit in a processor's cache."""


class Texture(NamedTuple):
    """Of a stretch of sound."""

    steadiness: float
    """How like its spectra are those of 80 ms before, from 0 to 1, as shapes, at the median moment.

    The measure is Bhattacharyya's coefficient of the two power distributions. Held tones have 1,
    white noise pi / 4, spoken words about 0.6. It is 0 for digital silence, and for what is shorter
    than 144 to 164 ms.
    """
    swing: float
    """From the quietest moment to the loudest, in dB, above 200 Hz.

    White noise has less than 3, brown noise less than 6, silence 0, words with what is around them
    mostly 9 to 60. It is infinite for what is shorter than 144 to 164 ms.
    """


def textures(waveform: Waveform, sample_rate: int, stretches: Sequence[tuple[Samples, Samples]]) -> list[Texture]:
    """Measure stretches of a waveform.

    Moments lie 20 ms apart, counted from the waveform's start, so that stretches share their
    spectra.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        stretches: first sample and the one after the last, for each.
    """
    window, hop, lag = (seconds_to_samples(seconds, sample_rate) for seconds in (WINDOW, HOP, LAG))
    lag //= hop
    moments = [
        range(-(-max(0, start) // hop), (min(stop, len(waveform)) - window) // hop + 1 - lag)
        for start, stop in stretches
    ]
    first = min((each.start for each in moments if each), default=0)
    last = max((each.stop for each in moments if each), default=0)
    if first == last:
        return [Texture(0.0, math.inf)] * len(stretches)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, window)[::hop][first : last + lag]
    taper = np.hanning(window).astype(np.float32)
    lowest = int(np.ceil(LOWEST_HERTZ * window / sample_rate))
    spectra = [
        np.abs(np.fft.rfft(frames[start : start + AT_ONCE] * taper, axis=1))[:, lowest:]
        for start in range(0, len(frames), AT_ONCE)
    ]
    norms = [np.sqrt(np.einsum("tf,tf->t", each, each)) for each in spectra]
    shapes = np.concatenate([_shapes(each, norm) for each, norm in zip(spectra, norms, strict=True)])
    alike = np.einsum("tf,tf->t", shapes[:-lag], shapes[lag:]).tolist()
    power = 2 * np.concatenate(norms) ** 2 / (window * float(taper @ taper))
    levels = np.asarray(10 * np.log10(np.maximum(power, 10 ** (QUIETEST / 10))), np.float32)
    return [_texture(alike, levels, range(each.start - first, each.stop - first), lag) for each in moments]


def _texture(alike: Sequence[float], levels: Floats, moments: range, lag: int) -> Texture:
    if not moments:
        return Texture(0.0, math.inf)
    return Texture(
        statistics.median(alike[moments.start : moments.stop]),
        float(np.ptp(levels[moments.start : moments.stop + lag])),
    )


def _shapes(spectra: Floats, norms: Floats) -> Floats:
    """Scale the magnitudes of each moment to a norm of 1; of silence 0."""
    return np.asarray(spectra / np.maximum(norms, FAINTEST)[:, None], np.float32)
