"""Sound that FFmpeg decodes, by PyAV: films, streams, and what libsndfile cannot or stops short in.

Its time stamps count: what is late, or missing in between, is filled with silence.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.format import Flags

from asr.audio.bytestream import Stretch
from asr.audio.mono import Channels, to_float
from asr.errors import DataError
from asr.units import Samples, Seconds

GAP: Seconds = 0.05
"""Time stamps are rounded: no shorter gap is filled."""
LEAP: Seconds = 10.0
"""A longer one in a broadcast, whose parts may be joined, is no gap: time begins anew."""
LONGEST_GAP: Seconds = 3600.0
MOST_FILLED: Seconds = 24 * 3600.0
"""So much silence is put into a file's gaps, and no more: a few bytes may ask for years."""

_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
"""Samples as FFmpeg calls them, and as NumPy does."""

_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Tags may be of any encoding; from version 19 on PyAV takes them all, and not this option."""


class MediaSource:
    """A sound track of a file that FFmpeg knows.

    Args:
        stretch: the file.
        track: number of the sound track, from 0; None takes the file's default.

    Raises:
        DataError: if FFmpeg does not know it, it has no such track, or nothing can be decoded. The
            text lacks the file's name.
    """

    def __init__(self, stretch: Stretch, track: int | None = None) -> None:
        self.stretch, self.track = stretch, track
        self.damaged = 0
        """Parts that could not be decoded."""
        self.promised: Seconds | None = None
        self.is_counted = False
        """Whether that is exact."""
        first = next(self._decoded(), None)
        if first is None:
            raise DataError("holds no samples; remove it or record it again")
        self.num_channels, self.sample_rate = first[0].shape[1], first[1]

    def blocks(self, first: Samples = 0) -> Iterator[tuple[Channels, int]]:
        """Decode from sample `first` on: (N, channels) each, and their rate, which may change."""
        ahead = first / self.sample_rate
        for samples, rate in self._decoded():
            skipped = min(len(samples), round(ahead * rate))
            ahead = max(0.0, ahead - len(samples) / rate)
            if skipped < len(samples):
                yield samples[skipped:], rate

    def _decoded(self) -> Iterator[tuple[Channels, int]]:
        self.damaged = 0
        with self._opened() as (container, stream):
            stamped = (
                not container.format.flags & Flags.generic_index.value
            )  # such formats have no time stamps of their own
            leap = LEAP if container.format.flags & Flags.ts_discont.value else LONGEST_GAP
            if stamped and not self.is_counted:
                self.promised = _promised(container, stream)
            clock = _Clock((container.start_time or 0) / av.time_base)
            for frame in self._frames(container, stream):
                samples, rate = _samples(frame), int(frame.sample_rate)
                if stamped and frame.time is not None:
                    gap = round(clock.gap(frame.time, leap) * rate)
                    for start in range(0, gap, rate):
                        yield np.zeros((min(rate, gap - start), samples.shape[1]), np.float32), rate
                    clock.position += gap / rate
                clock.position += len(samples) / rate
                yield samples, rate

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except IndexError:  # a broadcast has got a track that was not there when it began; PyAV does not know it
                packets = container.demux(stream)
                continue
            except (av.FFmpegError, OSError):
                self.damaged += 1
                return
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                self.damaged += 1
                continue
            yield from frames

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        try:
            container = _container(self.stretch)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DataError(f"not readable as audio ({getattr(error, 'strerror', error)}); is it damaged?") from None
        with container:
            tracks = container.streams.audio
            if not tracks:
                raise DataError("has no sound track")
            if self.track is not None and not 0 <= self.track < len(tracks):
                raise DataError(f"has no sound track {self.track}; it has {len(tracks)}, counted from 0")
            stream = tracks[self.track] if self.track is not None else container.streams.best("audio") or tracks[0]
            if stream.codec_context is None:
                raise DataError("has sound of a kind that FFmpeg does not decode; convert it to WAV")
            yield container, stream


def _container(stretch: Stretch) -> Any:
    options = {"protocol_whitelist": "none"}  # else a playlist could have other files read
    return av.open(stretch.again(), "r", None, options, **_TAGS)


def packet_seconds(stretch: Stretch) -> Seconds:
    """Add up how long the packets of a file's first sound track are; 0 if nobody knows.

    None is decoded.
    """
    try:
        with _container(stretch) as container:
            stream = container.streams.audio[0]
            ticks: int = sum(packet.duration or 0 for packet in container.demux(stream))
            return float(ticks * (stream.time_base or 0))
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return 0.0


class _Clock:
    """Compares time stamps with the sound that there was."""

    def __init__(self, origin: Seconds) -> None:
        self.origin = origin
        self.position: Seconds = 0.0
        self.filled: Seconds = 0.0
        """Silence that was given by now."""

    def gap(self, time: Seconds, leap: Seconds) -> Seconds:
        """How much silence belongs before a frame of this time stamp."""
        ahead = time - self.origin - self.position
        longest = leap if self.position else LONGEST_GAP
        if ahead < -1 or ahead > min(longest, MOST_FILLED - self.filled):  # time begins anew
            self.origin += ahead
            return 0.0
        found = ahead if ahead > GAP else 0.0
        self.filled += found
        return found


def _promised(container: Any, stream: Any) -> Seconds | None:
    """How much sound the header says there is, if it does."""
    if stream.duration:
        start = (stream.start_time or 0) * stream.time_base - (container.start_time or 0) / av.time_base
        return float(stream.duration * stream.time_base + max(0, start))
    if container.duration and not container.streams.video:
        return float((container.duration - max(0, container.start_time or 0)) / av.time_base)
    return None


def _samples(frame: Any) -> Channels:
    """The sound of a frame.

    `to_ndarray` would crash on eight channels and more: PyAV 18 counts planes until a pointer is
    null, and none is behind the last one.
    """
    channels, planar = frame.layout.nb_channels, frame.format.is_planar
    dtype = _TYPES.get(frame.format.packed.name)
    if dtype is None or not channels:
        raise DataError(f"has samples of a kind that is not read ({frame.format.name}); convert it to WAV")
    planes, size = (channels, frame.samples) if planar else (1, frame.samples * channels)
    found = np.stack([np.frombuffer(plane, dtype, size) for plane in frame.planes[:planes]])
    return to_float(np.ascontiguousarray(found.T) if planar else found.reshape(frame.samples, -1))
