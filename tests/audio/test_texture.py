"""Held tones are steady, noise and silence are even; a voice is neither."""

import numpy as np
import pytest
from support.tiny import RATE, noise, sine

from asr.audio.texture import textures


def of_stretches(waveform, rate, stretches):
    return [texture.steadiness for texture in textures(waveform, rate, stretches)]


def steadiness(waveform, rate):
    """Of all of it."""
    return of_stretches(waveform, rate, [(0, len(waveform))])[0]


def swing(waveform, rate=RATE):
    return textures(waveform, rate, [(0, len(waveform))])[0].swing


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


@pytest.mark.parametrize("rate", [8000, RATE, 22_050])
def test_a_stretch_has_its_own_steadiness_whatever_is_asked_beside_it(rate):
    """Moments are counted from the start of all, so a stretch that begins with one is as alone."""
    sound = np.concatenate([sum(sine(f, 1.0, rate, level=0.1) for f in (220, 277, 330)), noise(rate, level=0.1)])
    hop = round(0.02 * rate)
    stretches = [(0, rate), (rate, 2 * rate), (30 * hop, 71 * hop + 3), (-rate, 3 * rate), (5, 9), (2 * rate, 3 * rate)]
    found = of_stretches(sound, rate, stretches)
    assert found == [of_stretches(sound, rate, [stretch])[0] for stretch in stretches]
    assert found[0] > 0.97 and found[1] == pytest.approx(np.pi / 4, abs=0.03) and found[4:] == [0, 0]
    assert found[2] == pytest.approx(steadiness(sound[30 * hop : 71 * hop + 3], rate), abs=1e-6)
    assert of_stretches(sound, rate, [(29 * hop + 1, 71 * hop + 3)]) == [found[2]]
    assert found[3] == steadiness(sound, rate)


@pytest.mark.parametrize("level", [0.5, 1e-2, 1e-4, 0.0])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0], ids=["white", "pink", "brown"])
def test_noise_of_any_colour_and_level_is_even(level, slope):
    spectrum = np.fft.rfft(noise(5 * RATE))
    coloured = np.fft.irfft(spectrum / np.maximum(1, np.arange(len(spectrum))) ** slope)
    coloured *= level / np.abs(coloured).max()
    rounded = (np.round(coloured * 32767) / 32768).astype(np.float32)
    assert max(swing(rounded[start : start + RATE]) for start in range(0, 4 * RATE, RATE // 2)) < 6


def test_a_sound_amid_quiet_swings_by_as_much_as_it_is_louder():
    quiet = noise(RATE, level=0.001)
    quiet[RATE // 3 : RATE // 2] *= 10
    assert swing(quiet) == pytest.approx(20, abs=2)
    assert swing(quiet[: RATE // 20]) == np.inf, "too short to tell"
    assert swing(np.zeros(RATE, np.float32)) == 0


@pytest.mark.parametrize("exponent", [-10, -17, -20, -22, -30])
def test_sound_of_next_to_nothing_is_no_steadier_than_a_held_tone(exponent):
    """Squares of its spectra are not numbers of single precision."""
    assert steadiness(noise(RATE, level=10.0**exponent), RATE) <= 1
