"""The features without PyTorch are those with it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, sine, unhurried

from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel
from asr.audio.log_mel_numpy import NumpyLogMel, NumpyLogMelStream, _running_max


def torchs(waveform, config, ahead):
    log_mel, lengths = LogMel(config, ahead=ahead)(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    return log_mel[0, : int(lengths)].numpy()


def assert_close(found, wanted):
    """To 1e-4. What lies 60 dB below a frame's loudest bin is rounding in both: to 2e-3."""
    np.testing.assert_allclose(found, wanted, atol=2e-3, rtol=0)
    if len(wanted):
        audible = wanted > wanted.max(axis=1, keepdims=True) - 13.8
        assert np.abs(found - wanted)[audible].max() < 1e-4


def swelling(seconds, rate=RATE, seed=0):
    """Noise over 40 dB, with an offset, hum and a click."""
    time = np.arange(round(seconds * rate)) / rate
    sound = noise(len(time), seed=seed, level=0.3) * np.float32(0.01) ** np.sin(2 * np.pi * time / 7) ** 2
    sound = sound + np.float32(0.01) + sine(50, seconds, rate, level=0.02)[: len(time)]
    if len(sound):
        sound[len(sound) // 3] = 1.0
    return sound.astype(np.float32)


@pytest.mark.parametrize("ahead", [15.0, 0.32, 0.0])
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.025, 0.05, 0.3, 2.0, 40.0])
def test_features_are_pytorchs(seconds, ahead):
    waveform, config = swelling(seconds), FeatureConfig()
    found = NumpyLogMel(config, ahead=ahead)(waveform)
    wanted = torchs(waveform, config, ahead)
    assert found.shape == wanted.shape and found.dtype == np.float32
    assert_close(found, wanted)


@pytest.mark.parametrize(("rate", "mels"), [(8_000, 40), (22_050, 64), (48_000, 128)])
def test_features_are_pytorchs_at_other_rates(rate, mels):
    waveform, config = swelling(1.5, rate), FeatureConfig(sample_rate=rate, num_mels=mels)
    assert_close(NumpyLogMel(config)(waveform), torchs(waveform, config, 15.0))


def test_silence_has_the_same_floor():
    config = FeatureConfig()
    np.testing.assert_array_equal(
        NumpyLogMel(config)(np.zeros(RATE, np.float32)), torchs(np.zeros(RATE, np.float32), config, 15.0)
    )


@pytest.mark.parametrize("ahead", [15.0, 0.32])
@pytest.mark.parametrize("seconds", [0.01, 0.3, 47.0])
def test_a_stream_has_the_features_of_the_whole(seconds, ahead):
    waveform, features, draw = swelling(seconds), NumpyLogMel(FeatureConfig(), ahead=ahead), np.random.default_rng(0)
    stream, found, place = NumpyLogMelStream(features), [], 0
    while place < len(waveform):
        size = int(draw.choice([1, 159, 4000, 100_000]))
        found.append(stream.accept(waveform[place : place + size]))
        place += size
    found.append(stream.finish())
    assert_close(np.concatenate(found), features(waveform))


@unhurried
@given(st.lists(st.floats(0, 9), min_size=1, max_size=30), st.integers(0, 12), st.integers(0, 12))
def test_the_running_maximum_is_that_of_each_window(values, before, after):
    wanted = [max(values[max(0, place - before) : place + after + 1]) for place in range(len(values))]
    assert _running_max(np.array(values), before, after).tolist() == wanted
