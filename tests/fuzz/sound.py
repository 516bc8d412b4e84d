"""Targets: recordings of every kind, from files and from pipes."""

import io
import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from fuzz.targets import Target
from support.media import write_media
from support.tiny import noise, sine

from asr.audio.reader import open_recording
from asr.audio.stream import open_stream
from asr.audio.waveform import info
from asr.data.recording import examine

RATE = 16_000
LONGEST = 3600 * RATE
"""Samples: of an hour nobody reads more here."""


def samples(channels: int = 1, seconds: float = 0.25) -> np.ndarray:
    """(channels, N)."""
    size = round(seconds * RATE)
    return np.stack([sine(300 + 200 * n, seconds) + noise(size, level=0.02, seed=n) for n in range(channels)])


def by_libsndfile(*forms: tuple[str, str | None], channels: int = 1) -> Callable[[Path], Sequence[bytes]]:
    def made(_room: Path) -> Sequence[bytes]:
        found = []
        for form, subtype in forms:
            file = io.BytesIO()
            soundfile.write(file, samples(channels).T, RATE, format=form, subtype=subtype)
            found.append(file.getvalue())
        return found

    return made


def by_ffmpeg(*kinds: tuple[str, str], **options) -> Callable[[Path], Sequence[bytes]]:
    def made(room: Path) -> Sequence[bytes]:
        found = []
        for codec, form in kinds:
            rate = 48_000 if codec in ("libopus", "ac3") else RATE
            path = write_media(room / "made", samples(1, 1.0), rate, codec, form, **options)
            found.append(path.read_bytes())
        return found

    return made


def read(room: Path, data: bytes) -> None:
    """As every command reads a recording, to its end or an hour of it."""
    path = room / "sound"
    path.write_bytes(data)
    with open_recording(path) as recording:
        count = 0
        for block in recording.blocks(10, sample_rate=RATE):
            count += len(block)
            if count > LONGEST:
                break


def prepare(room: Path, data: bytes) -> None:
    """As `asr prepare` looks at a recording."""
    path = room / "sound.wav"
    path.write_bytes(data)
    info(path)
    examine(path, check="decode", rewritten=room / "audio", sample_rate=RATE)


def pipe(_room: Path, data: bytes, raw: int | None = None) -> None:
    """As `--stream -` reads standard input."""
    for _block in open_stream(io.BytesIO(data), raw=raw):
        pass


def wav_head(data: bytes, *, channels: int, rate: int) -> bytes:
    """A WAV of 16 bits that says something else of itself."""
    form = struct.pack("<HIIH", channels, rate, (2 * channels * rate) % (1 << 32), 2 * channels)
    return data[:22] + form + data[34:]


def beyond_floats(_data: bytes) -> bytes:
    """A WAV of floats whose channels have no mean."""
    file = io.BytesIO()
    soundfile.write(file, np.full((100, 2), 3e38, np.float32), RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


WAVES = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
)
OTHERS = (("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "ALAC_16"), ("NIST", "PCM_16"), ("VOC", "PCM_16"))

TARGETS = [
    Target(
        "audio WAV",
        by_libsndfile(*WAVES, channels=2),
        read,
        words=(b"data", b"fmt ", b"LIST", b"ds64"),
        mended={
            "a second of gigabytes": lambda data: wav_head(data, channels=1024, rate=768_000),
            "a hundred thousand chunks": lambda data: data[:36] + b"LIST\0\0\0\0" * 30_000 + data[36:],
            "samples whose mean is beyond all floats": beyond_floats,
        },
    ),
    Target("audio AIFF, AU, CAF, SPH", by_libsndfile(*OTHERS), read, words=(b"sample_count -i 9", b"SSND")),
    Target("audio FLAC", by_libsndfile(("FLAC", "PCM_16"), channels=2), read, words=(b"fLaC",)),
    Target("audio Ogg", by_libsndfile(("OGG", "VORBIS"), ("OGG", "OPUS")), read, words=(b"OggS", b"OpusHead")),
    Target("audio MP3", by_libsndfile(("MP3", "MPEG_LAYER_III")), read, words=(b"ID3", b"Xing", b"\xff\xfb")),
    Target("audio MP4", by_ffmpeg(("aac", "mp4"), ("alac", "mov")), read, words=(b"moov", b"stts", b"mdat", b"stsz")),
    Target("audio AAC, AC-3", by_ffmpeg(("aac", "adts"), ("ac3", "ac3")), read, words=(b"\xff\xf1",)),
    Target("audio Matroska", by_ffmpeg(("libopus", "matroska"), ("flac", "matroska")), read),
    Target("audio MPEG-TS", by_ffmpeg(("mp2", "mpegts"), start=1.0), read, words=(b"G\x40",)),
    Target("audio WMA, AVI", by_ffmpeg(("wmav2", "asf"), ("pcm_s16le", "avi")), read, words=(b"RIFF", b"idx1")),
    Target("audio for prepare", by_libsndfile(("WAV", "PCM_16"), ("OGG", "VORBIS"), ("FLAC", "PCM_16")), prepare),
    Target("audio pipe", by_libsndfile(*WAVES[:2], *WAVES[3:5], channels=2), pipe, words=(b"data", b"fmt ")),
    Target("audio pipe, bare", lambda _room: [bytes(1000)], partial(pipe, raw=8000)),
]
