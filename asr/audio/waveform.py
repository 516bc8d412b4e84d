"""Any audio file, or samples -> mono float32 waveform.

`reader` reads files; here they are whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asr.audio.declip import longest, restored
from asr.audio.mono import are_sound, mixed, to_float
from asr.audio.reader import Waveform as Waveform
from asr.audio.reader import open_recording
from asr.errors import AsrError, ConfigError, DataError
from asr.units import Samples, Seconds

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aiff", ".aif", ".au", ".w64", ".caf", ".m4a", ".m4b"}
    | {".mp4", ".webm", ".mkv", ".mka", ".mov", ".avi", ".ts", ".aac", ".ac3", ".wma", ".amr", ".3gp"}
)
"""Endings by which recordings are found in folders; what a file holds is found by its content."""


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
    """Read a file's header; its samples only where that does not say how many there are.

    Raises:
        DataError: if the file is missing, is not audio, or holds no samples.
    """
    with open_recording(path) as recording:
        samples = recording.frames
        if samples is None:
            samples = sum(map(len, recording.blocks()))
        return AudioInfo(recording.sample_rate, samples, recording.num_channels)


def load(
    path: Path, *, sample_rate: int, start: Seconds = 0.0, duration: Seconds | None = None, channel: int | None = None
) -> Waveform:
    """Read a stretch of a file, resampled to `sample_rate`.

    Args:
        path: the file.
        sample_rate: wanted rate, in Hz; the file's own rate may be any.
        start: where to begin, in seconds.
        duration: how much to read, in seconds; None reads to the end.
        channel: the one to read, from 0; None averages them, or takes one if they cancel each
            other.

    Raises:
        DataError: if the file is missing, not audio, without samples, or ends before `start`.
    """
    with open_recording(path, channel=channel) as recording:
        return np.concatenate(list(recording.blocks(sample_rate=sample_rate, start=start, duration=duration)))


def from_array(samples: npt.NDArray[Any], rate: int, wanted: int) -> Waveform:
    """Turn samples into a waveform, resampled to `wanted`.

    Peaks that were cut off at full scale are restored. Channels are averaged; where they cancel
    each other, one is taken.

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
    if not np.issubdtype(samples.dtype, np.floating) and samples.dtype not in (np.int16, np.int32, np.uint8):
        raise DataError(f"samples are {samples.dtype}, whose full scale nobody knows; give int16 or floats up to 1")
    waveform = to_float(samples)
    if not are_sound(waveform):
        raise DataError("holds samples that are not numbers of sound")
    channels = restored(np.atleast_2d(waveform).T, longest(rate)).T
    return resample(np.ascontiguousarray(mixed(channels, max(1, int(rate)))), rate, wanted)


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
        AsrError: as `write_flac`.
    """
    write_flac(path, [waveform], sample_rate)


def write_flac(path: Path, blocks: Iterable[Waveform], sample_rate: int) -> None:
    """Write a waveform, block by block, as 16-bit FLAC.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    try:
        with soundfile.SoundFile(str(path), "w", sample_rate, 1, "PCM_16", format="FLAC") as file:
            for block in blocks:
                file.write(block)
    except soundfile.LibsndfileError as error:
        raise AsrError(f"{path}: cannot be written ({error.error_string.strip()})") from None
