"""How steady a sound is: tones stand still, speech never does for long."""

import numpy as np

from asr.audio.waveform import Waveform
from asr.units import Seconds, seconds_to_samples

WINDOW: Seconds = 0.064
HOP: Seconds = 0.020
LAG: Seconds = 0.080
"""Beyond the window, so that two spectra share no sample: noise is not steady."""
LOWEST_HERTZ = 200
"""Below is mains hum, which lies under speech too."""


def steadiness(waveform: Waveform, sample_rate: int) -> float:
    """Compare the spectrum with that of 80 ms before, as shapes, at the median of all moments.

    The measure is Bhattacharyya's coefficient of the two power distributions. Held tones have 1,
    white noise pi / 4, spoken words about 0.6.

    Args:
        waveform: (N,).
        sample_rate: in Hz.

    Returns:
        From 0 to 1; 0 for digital silence and for what is shorter than 144 ms.
    """
    window, hop, lag = (seconds_to_samples(seconds, sample_rate) for seconds in (WINDOW, HOP, LAG))
    lag //= hop
    if len(waveform) < window + lag * hop:
        return 0.0
    cut = np.lib.stride_tricks.sliding_window_view(waveform, window)[::hop]
    lowest = int(np.ceil(LOWEST_HERTZ * window / sample_rate))
    spectra = np.abs(np.fft.rfft(cut * np.hanning(window).astype(np.float32), axis=1))[:, lowest:]
    norms = np.linalg.norm(spectra, axis=1, keepdims=True)
    shapes = spectra / np.maximum(norms, np.finfo(np.float32).tiny)
    return float(np.median((shapes[:-lag] * shapes[lag:]).sum(axis=1)))
