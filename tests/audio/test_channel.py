"""Laws of the channels: each is repeatable, keeps length and time, and does what its name says."""

import numpy as np
import pytest
from support.tiny import RATE, noise, sine

from asr.audio.channel import CHANNELS, LINES, a_law, add, distort, fitted, mu_law

VOICE = (noise(2 * RATE) * np.hanning(2 * RATE)).astype(np.float32)
ALL = {**LINES, **{channel.__name__: channel for channel in CHANNELS}}


def draw(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_a_channel_keeps_length_and_type_and_is_repeatable(name, rate):
    found, again = ALL[name](VOICE, rate, draw()), ALL[name](VOICE, rate, draw())
    assert found.dtype == np.float32 and found.shape == VOICE.shape
    assert np.isfinite(found).all() and found.any()
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("name", ALL)
def test_a_channel_moves_nothing_in_time(name):
    """A burst stays where it is, to a hundredth of a second."""
    burst = np.zeros(2 * RATE, dtype=np.float32)
    burst[RATE : RATE + 1600] = sine(1000, 0.1)
    found = np.abs(ALL[name](burst, RATE, draw(1)))
    smooth = np.convolve(found, np.ones(800) / 800, mode="same")
    assert abs(int(smooth.argmax()) - (RATE + 800)) < 0.05 * RATE


@pytest.mark.parametrize("name", ALL)
def test_a_channel_takes_short_and_loud_sounds(name):
    for size in (1, 7, 200):
        assert len(ALL[name](np.full(size, 3.0, dtype=np.float32), RATE, draw())) == size


@pytest.mark.parametrize("law", [mu_law, a_law])
def test_companding_loses_38_db_at_any_level(law):
    """G.711: the quantising noise follows the sound."""
    for level in (0.5, 0.05):
        tone = sine(440, 1.0, level=level)
        lost = law(tone, 8000, draw()) - tone
        assert 30 < 10 * np.log10(np.mean(tone**2) / np.mean(lost**2)) < 45


def test_added_noise_has_the_power_that_was_asked_for():
    voice, other = sine(300, 1.0), noise(RATE, level=0.7)
    added = add(voice, other, 12.0) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(12.0, abs=0.01)


def test_the_share_is_that_of_the_utterances_that_change():
    changed = [
        distort(VOICE[:4000], RATE, share=0.3, seed=0, epoch=1, utterance=str(n)) is not None
        and not np.array_equal(VOICE[:4000], distort(VOICE[:4000], RATE, share=0.3, seed=0, epoch=1, utterance=str(n)))
        for n in range(200)
    ]
    assert 40 <= sum(changed) <= 80


def test_a_draw_is_named_by_seed_epoch_and_utterance():
    def once(**name):
        return distort(VOICE, RATE, **{"share": 1.0, "seed": 0, "epoch": 0, "utterance": "a"} | name)

    np.testing.assert_array_equal(once(), once())
    for other in ({"seed": 1}, {"epoch": 1}, {"utterance": "b"}):
        assert not np.array_equal(once(), once(**other))


def test_nothing_happens_at_a_share_of_0_or_to_silence():
    assert distort(VOICE, RATE, share=0.0, seed=0, epoch=0, utterance="a") is VOICE
    silence = np.zeros(100, dtype=np.float32)
    assert distort(silence, RATE, share=1.0, seed=0, epoch=0, utterance="a") is silence


def test_fitted_cuts_and_fills():
    assert fitted(np.ones(3, np.float32), 2).tolist() == [1, 1]
    assert fitted(np.ones(1, np.float32), 3).tolist() == [1, 0, 0]
