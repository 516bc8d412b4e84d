"""Any audio file -> mono float32 waveform.

libsndfile reads WAV, FLAC, Ogg (Vorbis, Opus), MP3 and uncompressed NIST Sphere. PyAV (extra
`media`) reads the sound of m4a, mp4, webm and what else FFmpeg knows. Reading a path happens here,
and in lhotse's manifests, nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asr.errors import AsrError, ConfigError, DataError, MissingExtra
from asr.units import Samples, Seconds, seconds_to_samples

Waveform = npt.NDArray[np.float32]
"""Shape (samples,), mono, full scale is +-1."""

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3", ".sph", ".aiff", ".aif", ".au", ".w64"})
"""File endings that libsndfile reads."""
MEDIA_SUFFIXES = frozenset({".m4a", ".mp4", ".webm", ".mkv", ".mov", ".aac", ".wma", ".amr", ".3gp"})
"""File endings that need PyAV."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    sample_rate: int
    num_samples: Samples
    num_channels: int

    @property
    def duration(self) -> Seconds:
        return self.num_samples / self.sample_rate


def info(path: Path) -> AudioInfo:
    """Read a file's header, not its samples.

    Raises:
        DataError: if the file is missing, is not audio that libsndfile knows, or holds no samples.
    """
    _require_file(path)
    try:
        header = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: not readable as audio ({error.error_string.strip()}); is it damaged?") from None
    if header.frames <= 0:
        raise DataError(f"{path}: holds no samples; remove it or record it again")
    return AudioInfo(header.samplerate, header.frames, header.channels)


def load(path: Path, *, sample_rate: int, start: Seconds = 0.0, duration: Seconds | None = None) -> Waveform:
    """Read a stretch of a file, its channels averaged, resampled to `sample_rate`.

    Args:
        path: the file.
        sample_rate: wanted rate, in Hz; the file's own rate may be any.
        start: where to begin, in seconds.
        duration: how much to read, in seconds; None reads to the end.

    Raises:
        DataError: if the file is missing, damaged, without samples, or ends before `start`.
        MissingExtra: if the file needs PyAV and it is not installed.
    """
    _require_file(path)
    read = _read_media if path.suffix.lower() in MEDIA_SUFFIXES else _read_sound
    waveform, rate = read(path, start, duration)
    if waveform.size == 0:
        raise DataError(f"{path}: holds no samples from {start:g} s on; remove it or correct its times")
    if not np.isfinite(waveform).all():
        raise DataError(f"{path}: holds samples that are not numbers; convert it again from its source")
    return resample(waveform, rate, sample_rate)


def from_array(samples: npt.NDArray[Any], rate: int, wanted: int) -> Waveform:
    """Turn samples into a waveform, their channels averaged, resampled to `wanted`.

    Args:
        samples: (N,) or (channels, N); floats of full scale +-1, or PCM of 16 or 32 bits, or of 8
            without a sign.
        rate: of the samples, in Hz.
        wanted: rate of the waveform, in Hz.

    Raises:
        ConfigError: if the rate is not a positive number.
        DataError: if there are no samples, some are not numbers, or their type or shape is another.
    """
    if not 0 < rate < float("inf"):
        raise ConfigError(f"sample_rate must be a positive number of Hz, got {rate}")
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise DataError(f"samples have the shape {samples.shape}; give (N,), or (channels, N)")
    if samples.size == 0:
        raise DataError(f"samples have the shape {samples.shape}: there are none")
    if samples.ndim == 2 and len(samples) > samples.shape[1]:
        raise DataError(f"samples have the shape {samples.shape}; channels come first, so transpose them (samples.T)")
    if np.issubdtype(samples.dtype, np.floating):
        waveform = samples.astype(np.float32, copy=False)
    elif samples.dtype in (np.int16, np.int32, np.uint8):
        size = 2.0 ** (8 * samples.dtype.itemsize - 1)
        offset = size if samples.dtype == np.uint8 else 0.0
        waveform = ((samples.astype(np.float64) - offset) / size).astype(np.float32)
    else:
        raise DataError(f"samples are {samples.dtype}, whose full scale nobody knows; give int16 or floats up to 1")
    if not np.isfinite(waveform).all():
        raise DataError("holds samples that are not numbers")
    if waveform.ndim == 2:
        waveform = waveform.mean(axis=0, dtype=np.float32)
    return resample(np.ascontiguousarray(waveform), rate, wanted)


def resample(waveform: Waveform, rate: int, wanted: int) -> Waveform:
    """Change the sampling rate with soxr's high-quality filter.

    The same rate returns the same array.
    """
    if rate == wanted:
        return waveform
    resampled: Waveform = soxr.resample(waveform, rate, wanted, quality="HQ")
    return resampled


def save_flac(path: Path, waveform: Waveform, sample_rate: int) -> None:
    """Write a waveform as 16-bit FLAC.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    try:
        soundfile.write(str(path), waveform, sample_rate, format="FLAC", subtype="PCM_16")
    except soundfile.LibsndfileError as error:
        raise AsrError(f"{path}: cannot be written ({error.error_string.strip()})") from None


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such audio file")
    if path.suffix.lower() == ".raw":
        raise DataError(f"{path}: bare samples do not say their rate; convert it to WAV")


def _read_sound(path: Path, start: Seconds, duration: Seconds | None) -> tuple[Waveform, int]:
    try:
        with soundfile.SoundFile(str(path)) as sound:
            rate: int = sound.samplerate
            if start > 0:
                sound.seek(min(seconds_to_samples(start, rate), sound.frames))
            count = -1 if duration is None else seconds_to_samples(duration, rate)
            samples = sound.read(count, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: not readable as audio ({error.error_string.strip()}); is it damaged?") from None
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), rate


def _read_media(path: Path, start: Seconds, duration: Seconds | None) -> tuple[Waveform, int]:
    try:
        import av
    except ImportError:
        raise MissingExtra(f"{path}: reading {path.suffix} files", "media") from None
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DataError(f"{path}: has no sound track")
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            frames = chain(container.decode(stream), (None,))  # at the end, what the resampler still holds
            blocks = (
                block.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                for frame in frames
                for block in resampler.resample(frame)
            )
            first = seconds_to_samples(start, rate)
            last = None if duration is None else first + seconds_to_samples(duration, rate)
            return _gathered(blocks, first, last), rate
    except av.FFmpegError as error:
        raise DataError(f"{path}: not readable as audio ({error.strerror}); is it damaged?") from None


def _gathered(blocks: Iterable[Waveform], first: Samples, last: Samples | None) -> Waveform:
    """Join the samples from `first` to before `last`, or to the end.

    Blocks that are not needed are not kept, those behind `last` not even taken.
    """
    kept: list[Waveform] = [np.zeros(0, np.float32)]
    position = 0
    for block in blocks:
        end = position + len(block)
        if end > first:
            kept.append(block[max(0, first - position) : None if last is None else max(0, last - position)])
        position = end
        if last is not None and position >= last:
            break
    return np.concatenate(kept)
