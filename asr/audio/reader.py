"""A recording as it is read: block by block, to its true end, whatever its header says.

What a file holds is found by its content, never by its name. libsndfile reads what it can. Where it
cannot, or would stop short, FFmpeg does (PyAV).
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asr.audio.bytestream import Stretch, is_text, ogg_links, opened
from asr.audio.declip import BESIDE, declipped, longest
from asr.audio.media import MediaSource, packet_seconds
from asr.audio.mono import Channels, Mixer, are_sound
from asr.audio.sound import SoundSource
from asr.errors import DataError
from asr.units import Samples, Seconds, seconds_to_samples

Waveform = npt.NDArray[np.float32]
"""Shape (samples,), mono, full scale is +-1."""
Source: TypeAlias = SoundSource | MediaSource

BLOCK: Seconds = 10.0
RATES = range(1_000, 768_001)
"""In Hz; a header with another lies."""
MOST_A_SECOND: Samples = 100_000_000
"""Of all channels together; so a second takes 400 MB at most."""
_MP3_DELAY: Seconds = 0.25
"""An MP3's packets are so much longer than its sound, at most: coders begin early and end late."""

_DAMAGED = "damaged and left out; copy or fetch it again"


class Recording:
    """A recording that is open; `open_recording` makes it.

    Attributes:
        name: of the file.
        sample_rate: its own, in Hz; where it changes, that of the beginning.
        num_channels: at the beginning.
        promised: how long it is by its header, in seconds; None if that does not say.
        seconds: read by now, from the start of the last `blocks`.
        warnings: what the last reading found, a line each, complete at its end.
        breaks_off: whether the last reading found less than was promised, or damaged parts.
    """

    def __init__(self, name: str, stretch: Stretch, track: int | None, channel: int | None) -> None:
        self.name, self._track, self._channel = name, track, channel
        head = stretch.again().read(1024) or b""
        if not head:
            raise DataError(f"{name}: not readable as audio (the file is empty); remove it or record it again")
        self._links, self._ended = ogg_links(stretch) if head[:4] == b"OggS" else ([stretch], True)
        self._source = self._find(self._links[0], head)
        self.sample_rate, self.num_channels = self._source.sample_rate, self._source.num_channels
        if channel is not None and not 0 <= channel < self.num_channels:
            raise DataError(f"{name}: has no channel {channel}; it has {self.num_channels}, counted from 0")
        self.promised = self._source.promised if len(self._links) == 1 else None
        self.seconds: Seconds = 0.0
        self.warnings: list[str] = []
        self.breaks_off = False

    @property
    def frames(self) -> Samples | None:
        """Samples of a channel that libsndfile reads by itself, from anywhere.

        None if it does not read all.
        """
        source = self._source
        if len(self._links) > 1 or isinstance(source, MediaSource) or not source.seekable:
            return None
        return source.frames

    def blocks(
        self,
        seconds: Seconds = BLOCK,
        *,
        sample_rate: int | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
    ) -> Iterator[Waveform]:
        """Read the samples in order, one channel of them; nothing is kept.

        Args:
            seconds: length of a block; the last may be shorter.
            sample_rate: wanted, in Hz; None is the recording's own.
            start: where to begin, in seconds.
            duration: how much to read, in seconds; None reads to the end.

        Raises:
            DataError: if there are no samples, or some are not numbers of sound.
        """
        self.seconds, self.breaks_off = 0.0, False
        self.warnings.clear()
        first = seconds_to_samples(start, self.sample_rate)
        waveforms = self._mono(first) if len(self._links) == 1 else _behind(self._mono(0), first)
        if duration is not None:
            waveforms = _limited(waveforms, seconds_to_samples(duration, self.sample_rate))
        wanted = sample_rate or self.sample_rate
        yield from _regular(resampled(self._checked(waveforms, start), self.sample_rate, wanted), seconds, wanted)
        if duration is None:
            self._judge(start)

    def _checked(self, waveforms: Iterable[Waveform], start: Seconds) -> Iterator[Waveform]:
        count: Samples = 0
        for waveform in waveforms:
            if not are_sound(waveform):
                raise DataError(
                    f"{self.name}: holds samples that are not numbers of sound; convert it again from its source"
                )
            count += len(waveform)
            self.seconds = count / self.sample_rate
            yield waveform
        if not count:
            raise DataError(f"{self.name}: holds no samples from {start:g} s on; remove it or correct its times")

    def _mono(self, first: Samples) -> Iterator[Waveform]:
        """Samples of one channel, at the rate of the beginning."""
        mixer = Mixer(self._channel)
        stream, rate = None, self.sample_rate
        for samples, now in _by_second(self._restored(first)):
            if now != rate:
                self._require_possible(now, samples.shape[1])
                if stream is not None:
                    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
                same = now == self.sample_rate
                stream = None if same else resampler(now, self.sample_rate)
                rate = now
            if self._channel is not None and self._channel >= samples.shape[1]:
                raise DataError(f"{self.name}: has no channel {self._channel} all through; read it without one")
            waveform = mixer(samples, now)
            yield waveform if stream is None else stream.resample_chunk(waveform)
        if stream is not None:
            yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
        if mixer.cancelled is not None:
            at = first / self.sample_rate + mixer.cancelled
            self.warnings.append(
                f"{self.name}: its channels cancel each other at {at:.2f} s; from there on channel {mixer.taken} is read"
            )

    def _restored(self, first: Samples) -> Iterator[tuple[Channels, int]]:
        """What is decoded, with the peaks that were cut off.

        They do not depend on where reading begins.
        """
        before = min(first, longest(self.sample_rate) + BESIDE)
        for samples, rate in declipped(self._decoded(first - before)):
            yield samples[before:], rate
            before = max(0, before - len(samples))

    def _decoded(self, first: Samples) -> Iterator[tuple[Channels, int]]:
        for number, link in enumerate(self._links):
            yield from self._of(self._source if number == 0 else self._find(link, b""), first)

    def _of(self, source: Source, first: Samples) -> Iterator[tuple[Channels, int]]:
        """One source's samples; where libsndfile breaks off, FFmpeg goes on."""
        position, broken = first, 0
        if isinstance(source, SoundSource):
            try:
                for block in source.blocks(first):
                    position += len(block[0])
                    yield block
                return
            except soundfile.LibsndfileError:
                broken = 1  # FFmpeg may decode it all the same, wrongly
            try:
                source = MediaSource(source.stretch, self._track)
            except DataError:
                self._damaged(1)
                return
        yield from source.blocks(position)
        self._damaged(source.damaged or broken)

    def _damaged(self, parts: int) -> None:
        if parts:
            self.breaks_off = True
            what = "a part is" if parts == 1 else f"{parts} parts are"
            self.warnings.append(f"{self.name}: {what} {_DAMAGED}")

    def _judge(self, start: Seconds) -> None:
        """At the end: was there as much as promised?"""
        read = start + self.seconds
        if self.promised is not None and read < self.promised - self._doubt():
            self.breaks_off = True
            self.warnings[:] = [line for line in self.warnings if not line.endswith(_DAMAGED)]
            self.warnings.append(
                f"{self.name}: breaks off after {read:.2f} s of {self.promised:.2f} s; copy or fetch it again"
            )
        elif not self._ended:
            self.warnings.append(f"{self.name}: has no end; {read:.2f} s were read, if there was more it is lost")

    def _doubt(self) -> Seconds:
        """How much less than promised is no fault: codecs that round to packets."""
        if isinstance(self._source, SoundSource):
            return 0.1 if self._source.format == "MP3" else 0.5 / self.sample_rate
        return 0.1 if self._source.is_counted else 0.5

    def _find(self, link: Stretch, head: bytes) -> Source:
        """Choose who reads: libsndfile, if it reads all of it."""
        sound, reason = None, None
        if not self._track:
            try:
                sound = SoundSource(link)
            except soundfile.LibsndfileError as error:
                reason = error.error_string.strip().rstrip(".")
        if sound is not None:
            self._require_possible(sound.sample_rate, sound.num_channels)
            if sound.frames and (sound.format != "MP3" or _is_whole(sound)):
                return sound
        elif is_text(head) and head:
            raise DataError(f"{self.name}: not readable as audio (it is text); is it the right file?")
        try:
            media = MediaSource(link, self._track)
        except DataError as error:
            if sound is not None and sound.frames:
                return sound
            if reason and "Format not recognised" not in reason and "track" not in str(error):
                raise DataError(f"{self.name}: not readable as audio ({reason}); is it damaged?") from None
            if self.name.endswith(".raw"):
                raise DataError(f"{self.name}: bare samples do not say their rate; convert it to WAV") from None
            raise DataError(f"{self.name}: {error}") from None
        self._require_possible(media.sample_rate, media.num_channels)
        if sound is not None and sound.promised:
            media.promised, media.is_counted = sound.promised, True
        return media

    def _require_possible(self, sample_rate: int, num_channels: int) -> None:
        if sample_rate not in RATES or sample_rate * num_channels > MOST_A_SECOND:
            channels = f" in each of {num_channels} channels" if sample_rate in RATES else ""
            raise DataError(
                f"{self.name}: says that it has {sample_rate} samples a second{channels}, which no recording has; "
                "correct its header, or convert it again from its source"
            )


@contextlib.contextmanager
def open_recording(
    source: str | Path | BinaryIO, *, track: int | None = None, channel: int | None = None
) -> Iterator[Recording]:
    """Open a recording to read while the block runs.

    Args:
        source: a file, a pipe, "-" for standard input, or an open binary file.
        track: of several sound tracks, from 0; None is the file's default.
        channel: of several channels, from 0; None averages them, or takes one if they cancel each
            other.

    Raises:
        DataError: if it is missing, not audio, or has no such track or channel.

    Example:
        >>> with open_recording("a.mp4") as recording:  # doctest: +SKIP
        ...     for block in recording.blocks(seconds=10, sample_rate=16_000):
        ...         ...
    """
    with opened(Path(source) if isinstance(source, str) else source) as (name, stretch):
        yield Recording(name, stretch, track, channel)


def resampler(rate: float, wanted: int) -> Any:
    """soxr's resampler of one channel that is fed block by block; rates in Hz."""
    return soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")


def resampled(waveforms: Iterable[Waveform], rate: int, wanted: int) -> Iterator[Waveform]:
    """Resample block by block; together the same as the whole at once."""
    if rate == wanted:
        yield from waveforms
        return
    stream = resampler(rate, wanted)
    for waveform in waveforms:
        yield stream.resample_chunk(waveform)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _is_whole(sound: SoundSource) -> bool:
    """Whether an MP3's length, which libsndfile does not read beyond, agrees with its packets."""
    return abs(packet_seconds(sound.stretch) - sound.frames / sound.sample_rate) <= _MP3_DELAY


def _limited(waveforms: Iterable[Waveform], count: Samples) -> Iterator[Waveform]:
    for waveform in waveforms:
        yield waveform[:count]
        count -= len(waveform)
        if count <= 0:
            return


def _behind(waveforms: Iterable[Waveform], first: Samples) -> Iterator[Waveform]:
    for waveform in waveforms:
        yield waveform[first:]
        first = max(0, first - len(waveform))


def _by_second(blocks: Iterable[tuple[Channels, int]]) -> Iterator[tuple[Channels, int]]:
    """Regroup to a second each.

    So what is decided of a second does not depend on how it was decoded.
    """
    kept: list[Channels] = []
    size, kind = 0, (0, 0)
    for samples, rate in blocks:
        if kept and (rate, samples.shape[1]) != kind:
            yield np.concatenate(kept), kind[0]
            kept, size = [], 0
        kind = rate, samples.shape[1]
        kept.append(samples)
        size += len(samples)
        while size >= rate:
            whole = np.concatenate(kept)
            yield whole[:rate], rate
            kept, size = [whole[rate:]], size - rate
    if size:
        yield np.concatenate(kept), kind[0]


def _regular(waveforms: Iterable[Waveform], seconds: Seconds, sample_rate: int) -> Iterator[Waveform]:
    """Regroup to equal blocks; the last may be shorter."""
    size = max(1, seconds_to_samples(seconds, sample_rate))
    kept = np.zeros(0, np.float32)
    for waveform in waveforms:
        kept = np.concatenate([kept, waveform])
        whole = len(kept) // size * size
        yield from (kept[start : start + size] for start in range(0, whole, size))
        kept = kept[whole:]
    if len(kept):
        yield kept
