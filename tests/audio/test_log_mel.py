"""Laws of log-mel features: equal to librosa's, and blind to padding, batch and recording level."""

import re
import warnings
from itertools import product

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, sine, unhurried

from asr.audio.log_mel import FeatureConfig, LogMel
from asr.audio.waveform import resample
from asr.errors import ConfigError
from asr.units import num_frames, seconds_to_samples

CONFIG = FeatureConfig()
WINDOW, HOP = 400, 160
LOG_MEL = LogMel(CONFIG)
CENTRES = librosa.mel_frequencies(82, fmin=0, fmax=8000)[1:-1]
"""Of the 80 bins, in Hz."""

near_frame_borders = st.builds(
    lambda hops, more: max(0, WINDOW + hops * HOP + more), st.integers(-3, 6), st.integers(-2, 2)
)


def features(waveform):
    """Features of one waveform alone, (T, M)."""
    log_mel, lengths = LOG_MEL(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    return log_mel[0, : int(lengths)]


def syllables(num_samples, *, seed=0, level=0.1):
    """Noise that swells and fades four times a second, as speech does, over 40 dB."""
    time = np.arange(num_samples) / RATE
    return (
        noise(num_samples, seed=seed, level=level)
        * np.float32(0.01) ** np.sin(4 * np.pi * time).astype(np.float32) ** 2
    )


def test_features_equal_librosas():
    waveform = syllables(RATE)
    energy = librosa.feature.melspectrogram(
        y=waveform, sr=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=80, center=False, power=2.0, htk=False, norm="slaney"
    )
    expected = np.log(np.maximum(energy / energy.max(), 1e-8)).T
    np.testing.assert_allclose(features(waveform).numpy(), expected, atol=2e-4)


@unhurried
@given(st.lists(near_frame_borders, min_size=1, max_size=4))
def test_frames_are_counted_as_units_counts_them(sizes):
    log_mel, lengths = LOG_MEL(torch.zeros(len(sizes), max(sizes)), torch.tensor(sizes))
    assert lengths.tolist() == [num_frames(size, window=WINDOW, hop=HOP) for size in sizes]
    assert log_mel.shape == (len(sizes), max(1, int(lengths.max())), 80)


@unhurried
@given(st.lists(near_frame_borders, min_size=1, max_size=4), st.integers(0, 2000))
def test_padding_and_batch_cannot_reach_a_valid_frame(sizes, padding):
    alone = [features(noise(size, seed=seed)) for seed, size in enumerate(sizes)]
    waveforms = torch.zeros(len(sizes), max(sizes) + padding)
    for seed, size in enumerate(sizes):
        waveforms[seed, :size] = torch.from_numpy(noise(size, seed=seed))
    log_mel, _ = LOG_MEL(waveforms, torch.tensor(sizes))
    for row, expected in zip(log_mel, alone, strict=True):
        torch.testing.assert_close(row[: len(expected)], expected, atol=1e-4, rtol=0)
        assert not row[len(expected) :].any()


def test_what_stands_beyond_the_valid_samples_is_not_heard():
    num_samples = torch.tensor([RATE, 4000])
    clean = torch.from_numpy(np.stack([noise(RATE), noise(RATE, seed=1)]))
    clean[1, 4000:] = 0
    loud = clean.clone()
    loud[1, 4000:] = 1e4
    for expected, found in zip(LOG_MEL(clean, num_samples), LOG_MEL(loud, num_samples), strict=True):
        torch.testing.assert_close(found, expected, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("waveform", "frames"),
    [(np.zeros(RATE, np.float32), 98), (noise(WINDOW), 1), (noise(WINDOW - 1), 0), (np.zeros(0, np.float32), 0)],
    ids=["silence", "one frame", "no frame", "no sample"],
)
def test_energies_lie_within_80_db_of_the_loudest(waveform, frames):
    found = features(waveform)
    assert found.shape == (frames, 80)
    if frames:
        assert found.min() >= np.log(1e-8) - 1e-4 and found.max() <= 0


def test_silence_is_the_floor_everywhere():
    torch.testing.assert_close(features(np.zeros(RATE, np.float32)), torch.full((98, 80), float(np.log(1e-8))))


def test_full_scale_sound_is_finite():
    square = np.sign(sine(200, 1.0))
    assert features(square).isfinite().all()


@pytest.mark.parametrize("gain", [10.0, 0.1, 0.01, 0.001])
def test_features_are_blind_to_recording_level(gain):
    waveform = syllables(RATE)
    torch.testing.assert_close(features(waveform * np.float32(gain)), features(waveform), atol=1e-3, rtol=0)


def test_in_a_long_recording_a_level_is_that_of_30_seconds():
    """A second speaker, 40 dB softer and 40 s after the first, has the features of being alone.

    The level is taken from 15 s to either side.
    """
    waveform = syllables(50 * RATE)
    softer = waveform * np.where(np.arange(len(waveform)) < 10 * RATE, np.float32(1), np.float32(0.01))
    border = 10 * RATE // HOP
    near, far = slice(border + 10, border + 1400), slice(border + 1510, None)
    expected, found = features(waveform[10 * RATE :]), features(softer)
    torch.testing.assert_close(found[far], expected[1510:], atol=1e-4, rtol=0)
    assert bool((found[near].amax(dim=1) < -6).all()), "the first speaker is within 15 s"


def fitted(*batches):
    """Features fitted to the statistics of batches, each a list of waveforms.

    Padded samples are loud.
    """
    made = LogMel(CONFIG)
    padded = []
    for waveforms in batches:
        sizes = torch.tensor([len(waveform) for waveform in waveforms])
        together = torch.full((len(waveforms), int(sizes.max()) + 3000), 1e4)
        for row, waveform in zip(together, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        padded.append((together, sizes))
    made.fit(padded)
    return made


SPOKEN = [
    syllables(size, seed=seed, level=level) for seed, size, level in ((0, RATE, 0.1), (1, 5000, 0.01), (2, 300, 1))
]


def test_training_data_have_zero_mean_and_unit_variance_in_each_bin():
    made = fitted(SPOKEN[:2], SPOKEN[2:])
    frames = torch.cat(
        [
            made(torch.from_numpy(w)[None], torch.tensor([len(w)]))[0][0, : num_frames(len(w), window=WINDOW, hop=HOP)]
            for w in SPOKEN
        ]
    )
    torch.testing.assert_close(frames.mean(dim=0), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames.std(dim=0, correction=0), torch.ones(80), atol=1e-4, rtol=0)


def test_statistics_know_nothing_of_batches_and_padding():
    together, alone = fitted(SPOKEN), fitted(*([waveform] for waveform in SPOKEN))
    torch.testing.assert_close(together.mean, alone.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.deviation, alone.deviation, atol=1e-5, rtol=0)


def test_statistics_of_nothing_change_nothing():
    made = fitted([noise(WINDOW - 1)])
    assert not made.mean.any() and (made.deviation == 1).all()


def test_padded_frames_are_zero_whatever_the_statistics():
    made = fitted(SPOKEN)
    log_mel, lengths = made(torch.from_numpy(np.stack([noise(RATE), noise(RATE)])), torch.tensor([RATE, 4000]))
    assert lengths.tolist() == [98, 23]
    assert not log_mel[1, 23:].any() and log_mel[1, :23].all()


def test_the_empty_upper_half_of_a_telephone_recording_stays_empty():
    """Normalised by itself, its rounding noise would be as loud as speech."""
    telephone = resample(resample(syllables(RATE), RATE, 8_000), 8_000, RATE)
    made = fitted([telephone])
    log_mel = made(torch.from_numpy(telephone)[None], torch.tensor([len(telephone)]))[0][0]
    assert log_mel[:, CENTRES > 4400].abs().max() < 0.01
    assert log_mel[:, CENTRES < 3600].std(dim=0).min() > 0.9


def test_a_tone_is_loudest_in_its_own_bin():
    log_mel = features(noise(RATE, level=1e-3) + sine(1000, 1.0))
    assert abs(CENTRES[int(log_mel.mean(dim=0).argmax())] - 1000) < 50


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_rate": 1000}, r"features.sample_rate must lie in \[4000, 96000\] Hz, got 1000"),
        ({"hop": 0.0}, r"features.hop must lie in \[0.001, 0.2\] s, got 0.0"),
        ({"hop": 0.03}, "features.hop must not exceed features.window, got 0.03 and 0.025"),
        ({"window": 0.3}, r"features.window must lie in \[0.001, 0.2\] s, got 0.3"),
        ({"num_mels": 7}, r"features.num_mels must lie in \[8, 128\], got 7"),
    ],
)
def test_settings_outside_their_range_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        FeatureConfig(**fields)


def has_empty_filter(sample_rate, window, num_mels):
    """What torchaudio makes of a setting, which it only warns of."""
    num_frequencies = seconds_to_samples(window, sample_rate) // 2 + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filters = torchaudio.functional.melscale_fbanks(
            num_frequencies, 0.0, sample_rate // 2, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
    return bool((filters.amax(dim=0) == 0).any())


@pytest.mark.parametrize("sample_rate", [4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_settings_are_refused_where_and_only_where_a_filter_would_be_empty(sample_rate):
    """The log of an empty filter is the same everywhere, and its place in the spectrum NaN."""
    refused = 0
    for window, num_mels in product(
        (0.002, 0.005, 0.01, 0.0128, 0.02, 0.025, 0.05, 0.2), (8, 23, 40, 64, 80, 100, 128)
    ):
        fields = {"sample_rate": sample_rate, "window": window, "hop": 0.002, "num_mels": num_mels}
        try:
            FeatureConfig(**fields)
        except ConfigError:
            refused += 1
            assert has_empty_filter(sample_rate, window, num_mels), fields
        else:
            assert not has_empty_filter(sample_rate, window, num_mels), fields
    assert refused


@pytest.mark.parametrize("fields", [{"window": 0.01}, {"sample_rate": 8_000, "num_mels": 128}])
def test_a_setting_with_empty_filters_is_refused_with_what_would_fit(fields):
    with pytest.raises(ConfigError) as caught:
        FeatureConfig(**fields)
    message = str(caught.value)
    assert all(f"features.{name}" in message for name in ("num_mels", "window", "sample_rate"))
    filters, window = re.search(r"what fits: (\d+) filters, or a window of ([\d.]+) s$", message).groups()
    FeatureConfig(**{**fields, "num_mels": int(filters)})
    FeatureConfig(**{**fields, "window": float(window)})
    with pytest.raises(ConfigError):
        FeatureConfig(**{**fields, "num_mels": int(filters) + 1})
    with pytest.raises(ConfigError):
        FeatureConfig(**{**fields, "window": float(window) - 0.001})
