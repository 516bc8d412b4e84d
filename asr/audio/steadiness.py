"""How steady a sound is: tones stand still, speech never does for long."""

import statistics
from collections.abc import Sequence

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
AT_ONCE = 32
"""Spectra that are made at a time; more do not fit in a processor's cache."""


def steadiness(waveform: Waveform, sample_rate: int, stretches: Sequence[tuple[Samples, Samples]]) -> list[float]:
    """Compare spectra with those of 80 ms before, as shapes, at the median of a stretch's moments.

    The measure is Bhattacharyya's coefficient of the two power distributions. Held tones have 1,
    white noise pi / 4, spoken words about 0.6. Moments lie 20 ms apart, counted from the waveform's
    start, so that stretches share their spectra.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        stretches: first sample and the one after the last, for each.

    Returns:
        From 0 to 1 for each; 0 for digital silence and for what is too short, 144 to 164 ms.
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
        return [0.0] * len(stretches)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, window)[::hop][first : last + lag]
    taper = np.hanning(window).astype(np.float32)
    lowest = int(np.ceil(LOWEST_HERTZ * window / sample_rate))
    blocks = (frames[start : start + AT_ONCE] * taper for start in range(0, len(frames), AT_ONCE))
    shapes = np.concatenate([_shapes(block, lowest) for block in blocks])
    alike = np.einsum("tf,tf->t", shapes[:-lag], shapes[lag:]).tolist()
    return [statistics.median(alike[each.start - first : each.stop - first]) if each else 0.0 for each in moments]


def _shapes(frames: Floats, lowest: int) -> Floats:
    """Magnitudes of frames' spectra from bin `lowest` on, each frame's of norm 1; of silence 0."""
    spectra = np.abs(np.fft.rfft(frames, axis=1))[:, lowest:]
    norms = np.sqrt(np.einsum("tf,tf->t", spectra, spectra))
    shapes: Floats = spectra / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    return shapes
