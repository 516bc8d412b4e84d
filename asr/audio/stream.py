"""WAV or bare PCM samples -> blocks as they come: from a pipe, of which nobody knows the end."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from asr.audio.mono import Mixer, to_float
from asr.audio.reader import Waveform
from asr.errors import DataError
from asr.units import Seconds, seconds_to_samples

BLOCK: Seconds = 0.1
"""Most that is read at a time; less if no more has come."""
ENDLESS = 0x7FFF_0000
"""A size in bytes from here on says that the writer did not know it, as does 0."""
RATES = range(4_000, 768_001)

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
_REMEDY = "pipe WAV: ffmpeg -i SOURCE -f wav - | asr ..., or bare samples of 16 bits with --raw RATE"


@dataclass(frozen=True)
class SampleStream:
    """Samples as they come; `open_stream` makes it.

    Iterating gives blocks, (N,) float32, of the channels' average.
    """

    sample_rate: int
    num_channels: int
    _file: BinaryIO
    _type: str
    """NumPy's, of a sample; empty for 24 bits."""
    _size: int | None
    """Bytes of all samples; None if nobody knows."""

    def __iter__(self) -> Iterator[Waveform]:
        width = np.dtype(self._type).itemsize if self._type else 3
        frame = width * self.num_channels
        most, left, rest, mixer = seconds_to_samples(BLOCK, self.sample_rate) * frame, self._size, b"", Mixer()
        while left is None or left > 0:
            data = _some(self._file, most if left is None else min(most, left))
            if not data:
                return
            left = left if left is None else left - len(data)
            data = rest + data
            whole = len(data) // frame * frame
            rest = data[whole:]
            if whole:
                samples = to_float(_numbers(data[:whole], self._type))
                yield mixer(samples.reshape(-1, self.num_channels), self.sample_rate)


def open_stream(file: BinaryIO, *, raw: int | None = None) -> SampleStream:
    """Read a WAV stream's header, if it has one.

    Args:
        file: what is read, never sought.
        raw: rate in Hz of bare samples: one channel of 16 bits, the lower byte first. None expects
            WAV.

    Raises:
        DataError: if it is neither, or a kind of WAV that has to be decoded.
    """
    if raw is not None:
        if raw not in RATES:
            raise DataError(f"bare samples come at {RATES.start} to {RATES.stop - 1} Hz, got {raw}")
        return SampleStream(raw, 1, file, "<i2", None)
    head = _exactly(file, 12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        what = "is empty" if not head else "is no WAV"
        raise DataError(f"standard input {what}; {_REMEDY}")
    form = None
    while True:
        kind, size = struct.unpack("<4sI", _exactly(file, 8).ljust(8, b"\0"))
        if kind == b"data" and form is not None:
            unknown = size == 0 or size >= ENDLESS or head[:4] == b"RF64"
            return SampleStream(*_checked(form), file, _type(form), None if unknown else size)
        if not kind.strip(b"\0") or size >= ENDLESS:
            raise DataError(f"standard input is a WAV without samples; {_REMEDY}")
        content = _exactly(file, size + size % 2)
        if kind == b"fmt ":
            form = content


def _checked(form: bytes) -> tuple[int, int]:
    """Rate and channels of a WAV's format."""
    if len(form) < 16:
        raise DataError(f"standard input is a damaged WAV; {_REMEDY}")
    channels, rate = struct.unpack("<HI", form[2:8])
    if rate not in RATES or not channels:
        raise DataError(
            f"standard input is a WAV of {channels} channels and {rate} Hz, which no recording has; {_REMEDY}"
        )
    return rate, channels


def _type(form: bytes) -> str:
    tag, bits = struct.unpack("<H", form[:2])[0], struct.unpack("<H", form[14:16])[0]
    if tag == _EXTENSIBLE and len(form) >= 26:
        (tag,) = struct.unpack("<H", form[24:26])
    if (tag, bits) not in _TYPES:
        raise DataError(f"standard input is a WAV of format {tag} with {bits} bits, which is not PCM; {_REMEDY}")
    return _TYPES[tag, bits]


def _numbers(data: bytes, kind: str) -> np.ndarray:
    """Samples as they lie in memory; 24 bits become the upper ones of 32."""
    if kind:
        return np.frombuffer(data, kind)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0]


def _some(file: BinaryIO, most: int) -> bytes:
    """What there is, at least a byte; none at the end."""
    read = getattr(file, "read1", file.read)
    data: bytes = read(most)
    return data


def _exactly(file: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    parts, left = [], size
    while left and (data := _some(file, left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)
