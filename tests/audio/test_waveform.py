"""Any audio file -> mono float32 at the wanted rate, or one line that says what is wrong."""

import contextlib
import sys
import types
import weakref

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, sine, unhurried

from asr.audio.waveform import MEDIA_SUFFIXES, SUFFIXES, from_array, info, load, resample, save_flac
from asr.errors import ConfigError, DataError, MissingExtra

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
    """Else 10 kHz would appear at 6 kHz."""
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
        (tmp_path / "folder.wav", "no such audio file"),
        (write(tmp_path / "empty.wav", b""), "not readable as audio"),
        (write(tmp_path / "text.wav", b"yes no yes\n" * 50), "not readable as audio"),
        (write(tmp_path / "text.mp3", b"yes no yes\n" * 50), "not readable as audio"),
        (write(tmp_path / "bare.raw", bytes(1000)), "convert it to WAV"),
        (tmp_path / "none.wav", "holds no samples"),
    ):
        with pytest.raises(DataError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and reason in message and "\n" not in message


def test_a_file_that_breaks_off_is_named_by_codecs_that_can_tell(tmp_path):
    path = tmp_path / "torn.flac"
    save_flac(path, noise(RATE), RATE)
    write(path, path.read_bytes()[:9000])
    with pytest.raises(DataError, match=r"torn.flac: not readable as audio \(.+\); is it damaged"):
        load(path, sample_rate=RATE)


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


@pytest.mark.parametrize("suffix", sorted(MEDIA_SUFFIXES))
def test_media_files_name_the_extra_that_reads_them(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "av", None)  # import av now fails, installed or not
    with pytest.raises(MissingExtra, match=rf"a{suffix}: .*pip install 'asr\[media\]'"):
        load(write(tmp_path / f"a{suffix}", b"?"), sample_rate=RATE)


def test_media_files_are_read_where_the_extra_is_installed(tmp_path):
    av = pytest.importorskip("av")
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
    with pytest.raises(DataError, match=r"text.m4a: not readable as audio"):
        load(write(tmp_path / "text.m4a", b"yes no yes\n" * 50), sample_rate=RATE)


def test_samples_of_any_kind_become_one_waveform():
    floats = noise(1000, level=0.1)
    for kind, scale in ((np.int16, 2**15), (np.int32, 2**31)):
        found = from_array(np.round(floats.astype(np.float64) * scale).astype(kind), RATE, RATE)
        np.testing.assert_allclose(found, floats, atol=1 / 2**15)
    bytes_ = np.round(floats * 128 + 128).astype(np.uint8)
    np.testing.assert_allclose(from_array(bytes_, RATE, RATE), floats, atol=1 / 2**7)
    np.testing.assert_array_equal(from_array(floats.astype(np.float64), RATE, RATE), floats)
    np.testing.assert_allclose(from_array(np.stack([floats, -floats]), RATE, RATE), 0, atol=1e-9)
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


class FakeMedia(types.ModuleType):
    """PyAV with a file of 100 frames of 10 samples, 0, 1, 2, ...

    It counts how many frames were ever alive at once.
    """

    FFmpegError = OSError

    class Frame:
        def __init__(self, number):
            self.number = number

        def to_ndarray(self):
            return np.arange(10 * self.number, 10 * self.number + 10, dtype=np.float32)[None] / 1000

    class AudioResampler:
        def __init__(self, **_options):
            self.late = []

        def resample(self, frame):
            """A frame late, as a resampler is."""
            ready, self.late = self.late, [] if frame is None else [frame]
            return ready

    def __init__(self):
        super().__init__("av")
        self.decoded, self.alive, self.most = 0, weakref.WeakSet(), 0
        self.streams = types.SimpleNamespace(audio=[types.SimpleNamespace(rate=1000)])

    @contextlib.contextmanager
    def open(self, _path):
        yield self

    def decode(self, _stream):
        for number in range(100):
            frame = self.Frame(number)
            self.alive.add(frame)
            self.decoded += 1
            self.most = max(self.most, len(self.alive))
            yield frame


@unhurried
@given(start=st.integers(0, 999), count=st.none() | st.integers(1, 1200))
def test_of_a_media_file_only_the_stretch_is_kept(tmp_path_factory, start, count):
    path = tmp_path_factory.getbasetemp() / "fake.m4a"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "av", fake := FakeMedia())
        found = load(path, sample_rate=1000, start=start / 1000, duration=None if count is None else count / 1000)
    stop = 1000 if count is None else min(1000, start + count)
    np.testing.assert_array_equal(found, np.arange(start, stop, dtype=np.float32) / 1000)
    assert fake.most <= 3, "a frame that was used is let go"
    assert fake.decoded <= stop / 10 + 2, "nothing is decoded beyond the stretch"
