"""Any audio file -> mono float32 at the wanted rate, or one line that says what is wrong."""

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, sine, unhurried

from asr.audio.waveform import SUFFIXES, from_array, info, load, resample, save_flac
from asr.errors import ConfigError, DataError

FORMATS = {  # suffix: (libsndfile's format, subtype, largest error of a sample)
    ".wav": ("WAV", "PCM_16", 1e-4),
    ".flac": ("FLAC", "PCM_16", 1e-4),
    ".aiff": ("AIFF", "PCM_24", 1e-6),
    ".au": ("AU", "FLOAT", 0.0),
    ".w64": ("W64", "PCM_16", 1e-4),
    ".sph": ("NIST", "PCM_16", 1e-4),
    ".ogg": ("OGG", "VORBIS", 0.05),
    ".opus": ("OGG", "OPUS", 0.05),
    ".mp3": ("MP3", "MPEG_LAYER_III", 0.05),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_back_its_sound(tmp_path, suffix):
    format, subtype, tolerance = FORMATS[suffix]
    path, rate = tmp_path / f"a{suffix}", 48_000
    tone = sine(440, 0.5, rate)
    soundfile.write(path, tone, rate, format=format, subtype=subtype)
    waveform = load(path, sample_rate=rate)
    header = info(path)
    assert suffix in SUFFIXES
    assert waveform.dtype == np.float32 and waveform.shape == tone.shape
    middle = slice(4000, -4000)  # lossy codecs fade in and out
    assert np.abs(waveform - tone)[middle].max() <= tolerance
    assert (header.sample_rate, header.num_samples, header.num_channels, header.duration) == (rate, 24_000, 1, 0.5)


def test_channels_are_averaged(tmp_path):
    left, right = noise(1000, seed=1), noise(1000, seed=2)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(load(path, sample_rate=RATE), (left + right) / 2, atol=1e-7)
    assert info(path).num_channels == 2


@unhurried
@given(start=st.integers(0, 999), count=st.none() | st.integers(1, 1500))
def test_a_stretch_is_that_part_of_the_whole(tmp_path_factory, start, count):
    path, rate = tmp_path_factory.getbasetemp() / "stretch.wav", 44_100
    whole = noise(1000)
    if not path.exists():
        soundfile.write(path, whole, rate, subtype="FLOAT")
    duration = None if count is None else count / rate
    stretch = load(path, sample_rate=rate, start=start / rate, duration=duration)
    np.testing.assert_array_equal(stretch, whole[start : None if count is None else start + count])


def test_a_stretch_of_a_compressed_file_begins_at_the_sample(tmp_path):
    path = tmp_path / "a.flac"
    save_flac(path, noise(RATE), RATE)
    whole = load(path, sample_rate=RATE)
    np.testing.assert_array_equal(load(path, sample_rate=RATE, start=0.5, duration=0.1), whole[8000:9600])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_pitch_level_and_duration(rate):
    seconds, frequency = 0.5, 1_000
    resampled = resample(sine(frequency, seconds, rate), rate, RATE)
    assert resampled.dtype == np.float32
    assert abs(len(resampled) - seconds * RATE) <= 1
    middle = slice(800, 7200)
    np.testing.assert_allclose(resampled[middle], sine(frequency, seconds)[middle], atol=2e-3)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    """Else 10 kHz would be heard at 6 kHz."""
    assert np.abs(resample(sine(10_000, 0.5, 48_000), 48_000, RATE)[800:-800]).max() < 1e-4


def test_the_same_rate_changes_nothing():
    waveform = noise(100)
    assert resample(waveform, RATE, RATE) is waveform


def test_loading_resamples(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(440, 0.5, 8_000), 8_000, subtype="FLOAT")
    np.testing.assert_array_equal(load(path, sample_rate=RATE), resample(sine(440, 0.5, 8_000), 8_000, RATE))


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("read", [info, lambda path: load(path, sample_rate=RATE)], ids=["info", "load"])
def test_what_is_not_audio_is_named(tmp_path, read):
    (tmp_path / "folder.wav").mkdir()
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), RATE)
    for path, reason in (
        (tmp_path / "missing.wav", "no such audio file"),
        (tmp_path / "folder.wav", "is a folder, not an audio file"),
        (write(tmp_path / "empty.wav", b""), "not readable as audio"),
        (write(tmp_path / "text.wav", b"yes no yes\n" * 50), "it is text"),
        (write(tmp_path / "text.mp3", b"yes no yes\n" * 50), "not readable as audio"),
        (write(tmp_path / "bare.raw", bytes(1000)), "convert it to WAV"),
        (tmp_path / "none.wav", "holds no samples"),
    ):
        with pytest.raises(DataError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and reason in message and "\n" not in message


def test_a_stretch_beyond_the_end_is_named(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(RATE), RATE)
    with pytest.raises(DataError, match=r"a.wav: holds no samples from 1.5 s on"):
        load(path, sample_rate=RATE, start=1.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_refused(tmp_path, value):
    waveform = noise(100)
    waveform[50] = value
    soundfile.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match="not numbers"):
        load(tmp_path / "a.wav", sample_rate=RATE)


def test_a_stretch_of_a_media_file_begins_where_it_should(tmp_path):
    path, tone = tmp_path / "a.m4a", sine(440, 1.0, 48_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.rate = 48_000
        for made in (frame, None):
            container.mux(stream.encode(made))
    middle = load(path, sample_rate=48_000, start=0.25, duration=0.5)
    assert len(middle) == 24_000
    assert np.abs(np.fft.rfft(middle)).argmax() == 220  # of bins 2 Hz apart


def test_samples_of_any_kind_become_one_waveform():
    floats = noise(1000, level=0.1)
    for kind, scale in ((np.int16, 2**15), (np.int32, 2**31)):
        found = from_array(np.round(floats.astype(np.float64) * scale).astype(kind), RATE, RATE)
        np.testing.assert_allclose(found, floats, atol=1 / 2**15)
    bytes_ = np.round(floats * 128 + 128).astype(np.uint8)
    np.testing.assert_allclose(from_array(bytes_, RATE, RATE), floats, atol=1 / 2**7)
    np.testing.assert_array_equal(from_array(floats.astype(np.float64), RATE, RATE), floats)
    np.testing.assert_allclose(from_array(np.stack([floats, floats / 2]), RATE, RATE), 0.75 * floats, atol=1e-7)
    assert from_array(np.int16([-(2**15), 2**15 - 1]), RATE, RATE).tolist() == [-1.0, 1 - 2**-15]
    assert from_array(floats, 8_000, 16_000).shape == (2000,)
    assert from_array(floats[::2], RATE, RATE).flags.c_contiguous


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), r"shape \(0,\): there are none"),
        (np.zeros((2, 0)), r"shape \(2, 0\): there are none"),
        (np.zeros((8, 2)), r"shape \(8, 2\); channels come first, so transpose"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\); give \(N,\), or \(channels, N\)"),
        (np.float32(1), r"shape \(\); give"),
        (np.array([0.0, np.nan]), "not numbers"),
        (np.array([0.0, np.inf]), "not numbers"),
        (np.array([0.0, -1e13]), "not numbers of sound"),
        (np.array([1, 2]), "int64, whose full scale nobody knows"),
        (np.array(["a"]), "<U1, whose full scale"),
        (np.array([True]), "bool, whose full scale"),
    ],
)
def test_samples_that_are_no_sound_are_refused(samples, message):
    with pytest.raises(DataError, match=message):
        from_array(samples, RATE, RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_a_positive_number(rate):
    with pytest.raises(ConfigError, match="sample_rate must be a positive number"):
        from_array(np.zeros(10), rate, RATE)
