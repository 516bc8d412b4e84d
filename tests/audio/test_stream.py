"""Samples of a pipe: the same as those of the file, however they come."""

import io

import numpy as np
import pytest
import soundfile
from support.tiny import noise

from asr.audio.stream import open_stream
from asr.errors import DataError


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, and cannot be sought."""

    def __init__(self, data, most):
        self.data, self.most = io.BytesIO(data), most

    def read1(self, size):
        return self.data.read(min(size, self.most))


def read(data, most=7, **options):
    stream = open_stream(Pipe(data, most), **options)
    return stream.sample_rate, np.concatenate([np.zeros(0, np.float32), *stream])


def wav(samples, subtype, rate=22_050, form="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_stream_is_the_file(form, subtype):
    data = wav(np.stack([noise(500), noise(500, seed=1)], axis=1), subtype, form=form)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    for most in (1, 7, 100_000):
        rate, found = read(data, most)
        assert rate == 22_050
        np.testing.assert_allclose(found, expected.mean(axis=1), atol=1e-6)


def test_a_writer_that_does_not_know_the_end_is_read_to_it_and_one_that_does_no_further():
    data = wav(noise(300), "PCM_16")
    start = data.index(b"data") + 4
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        assert len(read(data[:start] + size + data[start + 4 :])[1]) == 300
    assert len(read(data + b"LIST\x04\0\0\0abcd")[1]) == 300
    assert len(read(data[:-3])[1]) == 298  # torn in a sample


def test_bare_samples_have_the_rate_that_is_said():
    samples = (noise(100) * 32_768).astype("<i2")
    rate, found = read(samples.tobytes(), raw=8_000)
    assert rate == 8_000
    np.testing.assert_array_equal(found, samples / np.float32(32_768))
    assert len(read(b"", raw=8_000)[1]) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"OggS and what follows", "is no WAV"),
        (wav(noise(100), "ULAW"), "format 7 with 8 bits"),
        (wav(noise(100), "PCM_16")[:30], "without samples|damaged"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "without samples"),
    ],
)
def test_what_is_no_stream_of_samples_is_refused_with_a_remedy(data, message):
    with pytest.raises(DataError, match=message) as refused:
        read(data)
    assert "ffmpeg" in str(refused.value)


def test_a_rate_that_no_samples_have_is_refused():
    with pytest.raises(DataError, match="4000 to"):
        read(b"", raw=10)
