"""Held tones are steady; noise, gliding tones and silence are not."""

import numpy as np
import pytest
from support.tiny import RATE, noise, sine

from asr.audio.steadiness import steadiness

CHORD = sum(sine(220 * ratio, 1.0, level=0.1) for ratio in (1, 1.26, 1.5))


@pytest.mark.parametrize("rate", [8000, RATE, 22_050, 44_100])
def test_a_held_chord_is_steady_at_any_rate_and_level(rate):
    chord = sum(sine(220 * ratio, 1.0, rate, level=0.1) for ratio in (1, 1.26, 1.5))
    assert steadiness(chord, rate) > 0.97
    assert steadiness(chord * np.float32(1e-3), rate) == pytest.approx(steadiness(chord, rate), abs=1e-4)


def test_a_chord_that_dies_away_is_as_steady():
    assert steadiness(CHORD * np.exp(-3 * np.arange(RATE) / RATE).astype(np.float32), RATE) > 0.97


def test_white_noise_has_a_quarter_of_pi():
    assert steadiness(noise(5 * RATE), RATE) == pytest.approx(np.pi / 4, abs=0.01)


def test_a_voice_that_glides_is_not_steady():
    time = np.arange(RATE) / RATE
    glide = 110 * time + 40 * time**2  # 110 to 190 Hz in a second
    voice = sum(np.sin(2 * np.pi * n * glide) / n for n in range(1, 20)).astype(np.float32)
    assert steadiness(voice, RATE) < 0.85


def test_hum_does_not_make_noise_steady():
    assert steadiness(sine(50, 1.0) + sine(150, 1.0) + noise(RATE, level=0.05), RATE) < 0.85


@pytest.mark.parametrize("length", [0, 1, 1000, RATE])
def test_silence_is_not_steady(length):
    assert steadiness(np.zeros(length, dtype=np.float32), RATE) == 0
