"""Sound that libsndfile reads."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import soundfile

from asr.audio.bytestream import Stretch
from asr.audio.mono import Channels
from asr.units import Samples, Seconds

_UNKNOWN: Samples = 1 << 62
"""libsndfile's mark for a length that no header tells is beyond this."""

MOST_AT_ONCE: Samples = 1 << 22
"""Of all channels together, whatever rate and number of channels a header claims."""
MOST_CHUNKS = 10_000
"""Of a WAV, that are looked at."""

RUN_UP: Samples = 1 << 15
"""An MP3 is decoded from so far before a stretch: its frames need bits of up to 20 earlier ones."""


class SoundSource:
    """A file that libsndfile reads.

    Args:
        stretch: the file.

    Raises:
        soundfile.LibsndfileError: if it is none.
    """

    damaged = 0

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = _mended(stretch)
        with self._opened() as sound:
            self.sample_rate, self.num_channels = int(sound.samplerate), int(sound.channels)
            self.frames = int(sound.frames) if sound.frames < _UNKNOWN else 0
            """What libsndfile reads; 0 if it does not know."""
            self.format: str = sound.format
            self.seekable: bool = sound.seekable()
            announced = _announced(stretch, sound)
        self.promised: Seconds | None = None
        if self.frames and (self.format not in ("OGG", "MP3") or (self.format == "MP3" and _has_count(stretch))):
            self.promised = max(self.frames, announced) / self.sample_rate

    def blocks(self, first: Samples = 0) -> Iterator[tuple[Channels, int]]:
        """Decode from sample `first` on: (N, channels) each, and their rate.

        Raises:
            soundfile.LibsndfileError: where the file breaks off.
        """
        most = max(1, min(self.sample_rate, MOST_AT_ONCE // self.num_channels))
        with _Reading(self.stretch.again()) as sound:
            if first and self.seekable:
                begin = max(0, first - RUN_UP) if self.format == "MP3" else first
                first -= sound.seek(min(begin, self.frames))
            while first > 0:
                first -= len(sound.read(min(first, most), dtype="float32")) or first
            # Not sound.blocks(): that yields as many samples as the header says, whatever is there.
            while len(block := sound.read(most, dtype="float32", always_2d=True)):
                yield block, self.sample_rate

    def _opened(self) -> soundfile.SoundFile:
        return soundfile.SoundFile(self.stretch.again())


class _Reading(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on without seeking: soundfile seeks after each read to where it is.

    After that, an MP3 goes on with up to 0.3 seconds of silence.
    """

    def seekable(self) -> bool:
        return False


def is_mp3(path: Path) -> bool:
    """Whether a file begins as MP3 does: with ID3 tags, or with a frame of MPEG's layer III."""
    try:
        with path.open("rb") as file:
            head = file.read(3)
    except OSError:  # none of this machine's; who reads it will say so
        return False
    return head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)


def _mended(stretch: Stretch) -> Stretch:
    """Where a WAV's samples go on beyond the size that its header tells, let them go on to the end.

    Recorders that stop unexpectedly leave a size of 0, or one that was true a while ago.
    """
    file = stretch.again()
    head = file.read(12) or b""
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return stretch
    place = 12
    for _ in range(MOST_CHUNKS):
        if place + 8 > len(stretch):
            break
        name, size = _chunk(stretch, place)
        end = place + 8 + size
        if name == b"data":
            ends = end + 1024 > len(stretch) or any(_is_chunk(stretch, end + odd) for odd in (0, size % 2))
            fixed = (place + 4, b"\xff\xff\xff\xff")
            return stretch if ends else Stretch(stretch.file, stretch.start, stretch.stop, fixed)
        place = end + size % 2
    return stretch


def _chunk(stretch: Stretch, place: int) -> tuple[bytes, int]:
    file = stretch.again()
    file.seek(place)
    name, size = struct.unpack("<4sI", (file.read(8) or b"").ljust(8, b"\0"))
    return name, size


def _is_chunk(stretch: Stretch, place: int) -> bool:
    name, size = _chunk(stretch, place)
    if name[:3] in (b"ID3", b"TAG"):  # which some programs append
        return True
    return all(32 <= byte < 127 for byte in name) and place + 8 + size <= len(stretch) + 1


def _announced(stretch: Stretch, sound: soundfile.SoundFile) -> Samples:
    """Find how many samples a file's header promised.

    libsndfile shortens that to what is there, and leaves a remark.
    """
    if sound.format == "NIST":
        count = re.search(rb"sample_count -i (\d+)", stretch.again().read(1024) or b"")
        return int(count[1]) if count else 0
    if sound.format == "RF64":  # its 64-bit size stands in the first chunk
        head = stretch.again().read(4096) or b""
        size, there = int.from_bytes(head[28:36], "little"), len(stretch) - head.find(b"data") - 8
        return round(int(sound.frames) * size / max(1, there)) if there < size < _UNKNOWN else 0
    remark = re.search(r"\b(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", sound.extra_info)
    if remark is None or int(remark[1]) >= 0x7FFF_0000:  # the mark of a stream whose length was not known when it began
        return 0
    return round(int(sound.frames) * int(remark[1]) / max(1, int(remark[2])))


def _has_count(stretch: Stretch) -> bool:
    """Whether an MP3 says how many frames it has; else its length is a guess."""
    file = stretch.again()
    head = file.read(10) or b""
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        a, b, c, d = struct.unpack("4B", head[6:])
        start = 10 + (a << 21 | b << 14 | c << 7 | d)
    file.seek(start)
    first = file.read(1024) or b""
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))
