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

from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel, LogMelStream
from asr.audio.waveform import resample
from asr.errors import ConfigError
from asr.units import num_frames, seconds_to_samples

CONFIG = FeatureConfig()
WINDOW, HOP = 400, 160
LOG_MEL = LogMel(CONFIG)
CENTRES = librosa.mel_frequencies(82, fmin=80, fmax=8000)[1:-1]
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


def opened(loudness, held):
    """The most of the least of each `held` values in a row."""
    return max(loudness[n : n + held].min() for n in range(max(1, len(loudness) - held + 1)))


def test_features_equal_librosas():
    """On sound without anything below 100 Hz: librosa takes nothing out there."""
    waveform = above(150, syllables(RATE))
    energy = librosa.feature.melspectrogram(
        y=waveform,
        sr=RATE,
        n_fft=WINDOW,
        hop_length=HOP,
        n_mels=80,
        fmin=80,
        center=False,
        power=2.0,
        htk=False,
        norm="slaney",
    )
    expected = np.log(np.clip(energy / opened(energy.max(axis=0), 5), 1e-8, 10)).T
    np.testing.assert_allclose(features(waveform).numpy()[:, 3:], expected[:, 3:], atol=0.02)


def above(frequency, waveform):
    """Without what lies below a frequency."""
    spectrum = np.fft.rfft(waveform)
    spectrum[np.fft.rfftfreq(len(waveform), 1 / RATE) < frequency] = 0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


@pytest.mark.parametrize("frequency", [0, 50, 60])
@pytest.mark.parametrize("level", [0.001, 0.2])
def test_an_offset_and_hum_leave_nothing(frequency, level):
    waveform = syllables(RATE)
    added = level * np.cos(2 * np.pi * frequency * np.arange(RATE) / RATE + 0.3).astype(np.float32)
    torch.testing.assert_close(features(waveform + added), features(waveform), atol=5e-3, rtol=0)


@pytest.mark.parametrize(("frequency", "decibels"), [(20, -15), (40, -22), (55, -37), (70, -18)])
def test_what_lies_below_speech_is_weak(frequency, decibels):
    """Against the same tone where speech is; the level is that of a second tone."""
    tone, reference = (sine(f, 1.0, level=0.1).astype(np.float64) for f in (frequency, 200))
    window = np.hanning(WINDOW + 1)[:-1]
    basis = LOG_MEL.rumble.numpy().astype(np.float64)

    def power(waveform):
        frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
        return np.mean(((frames - frames @ basis @ basis.T) * window) ** 2)

    assert 10 * np.log10(power(tone) / power(reference)) < decibels


@pytest.mark.parametrize("place", [0, 100, RATE // 2, RATE - 1])
def test_a_click_at_full_scale_moves_no_frame_but_its_own(place):
    quiet = syllables(RATE, level=0.001)
    clicked = quiet.copy()
    clicked[place] = 1.0
    apart = np.array([not n * HOP <= place < n * HOP + WINDOW for n in range(98)])
    torch.testing.assert_close(features(clicked)[apart], features(quiet)[apart], atol=1e-4, rtol=0)


@unhurried
@given(st.integers(1, 12), st.integers(0, 9), st.integers(0, 1000))
def test_the_level_is_the_loudest_that_is_held(frames, padding, seed):
    loudness = np.random.default_rng(seed).random(frames + padding).astype(np.float32)
    found = LOG_MEL._level(torch.from_numpy(loudness)[None], torch.tensor([frames]))[0, :frames]
    assert found.tolist() == [pytest.approx(opened(loudness[:frames], 5))] * frames


@pytest.mark.parametrize("ahead", [0.04, 0.1, 0.32])
def test_no_frame_depends_on_more_than_what_it_may_look_ahead(ahead):
    causal = LogMel(CONFIG, ahead=ahead)
    waveform = syllables(2 * RATE)
    whole = causal(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))[0][0]
    for frames in (20, 77, 150):
        size = (frames - 1) * HOP + WINDOW
        loud = waveform.copy()
        loud[size:] = noise(len(waveform) - size, seed=9, level=0.9)
        found = causal(torch.from_numpy(loud)[None], torch.tensor([len(loud)]))[0][0]
        certain = max(0, frames - causal.ahead)
        torch.testing.assert_close(found[:certain], whole[:certain], atol=1e-4, rtol=0)
        assert (found[certain : certain + 8] - whole[certain : certain + 8]).abs().max() > 0.1, "and no less"


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
def test_energies_lie_within_80_db_of_the_level(waveform, frames):
    found = features(waveform)
    assert found.shape == (frames, 80)
    if frames:
        assert found.min() >= np.log(1e-8) - 1e-4 and found.max() <= np.log(10) + 1e-6


def test_silence_is_the_floor_everywhere():
    torch.testing.assert_close(features(np.zeros(RATE, np.float32)), torch.full((98, 80), float(np.log(1e-8))))


def test_full_scale_sound_is_finite():
    square = np.sign(sine(200, 1.0))
    assert features(square).isfinite().all()


@pytest.mark.parametrize("gain", [10.0, 0.1, 0.01, 0.001])
def test_features_are_blind_to_recording_level(gain):
    waveform = syllables(RATE)
    torch.testing.assert_close(features(waveform * np.float32(gain)), features(waveform), atol=1e-3, rtol=0)


@pytest.mark.parametrize("ahead", [0.04, 0.3, 15.0])
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.03, 0.07, 3.0, 40.0])
def test_a_stream_has_the_features_of_the_whole(ahead, seconds):
    """However it is cut into pieces."""
    made = LogMel(CONFIG, ahead=ahead)
    waveform = torch.from_numpy(
        syllables(round(seconds * RATE)) * np.linspace(0.01, 1, round(seconds * RATE)) ** 2
    ).float()
    expected, length = made(waveform[None], torch.tensor([len(waveform)]))
    draw = np.random.default_rng(round(100 * seconds))
    stream, found, place = LogMelStream(made), [], 0
    while place < len(waveform):
        size = int(draw.choice([1, 50, 160, 400, 1000, 30_000, 200_000]))
        found.append(stream.accept(waveform[place : place + size]))
        place += size
    found.append(stream.finish())
    torch.testing.assert_close(torch.cat(found), expected[0, : int(length)], atol=1e-4, rtol=0)
    assert len(stream._energy) <= made.back + made.held + made.ahead + 1300, "what is kept does not grow"


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


@pytest.mark.parametrize("gain", [1.0, 0.01])
@pytest.mark.parametrize("before", [0, RATE])
def test_before_the_first_word_noise_is_not_taken_for_speech(gain, before):
    """A room's noise stands 30 dB down, however loud it is, also behind digital silence.

    From the first syllables on, 45 dB above it, the level is theirs.
    """
    room = noise(4 * RATE, level=0.0005)
    room[2 * RATE :] += syllables(2 * RATE, level=0.1)
    waveform = torch.from_numpy(np.concatenate([np.zeros(before, np.float32), room * np.float32(gain)]))
    size = torch.tensor([len(waveform)])
    found = LogMel(CONFIG, ahead=0.04)(waveform[None], size)[0][0, before // HOP :]
    whole = LOG_MEL(waveform[None], size)[0][0, before // HOP :]
    quiet, spoken = slice(10, 190), slice(300, None)
    assert -9 < float(found[quiet].amax(dim=1).median()) < -6, "nats: about 30 dB"
    assert float(whole[quiet].amax(dim=1).median()) < -10, "read whole, the level is known"
    torch.testing.assert_close(found[spoken], whole[spoken], atol=0.5, rtol=0)


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


def test_a_model_of_telephone_speech_is_blind_to_what_lies_above():
    telephone = resample(resample(syllables(RATE), RATE, 8_000), 8_000, RATE)
    made = fitted([telephone])
    low, high = made.band
    assert low < 130 and 3700 < high < 4300
    wide = made(torch.from_numpy(syllables(RATE))[None], torch.tensor([RATE]))[0][0]
    assert not wide[:, high < CENTRES].any() and wide[:, CENTRES < 3600].any(dim=0).all()


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
            num_frequencies, 80.0, sample_rate // 2, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
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
