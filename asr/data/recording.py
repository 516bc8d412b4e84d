"""Whether a recording can be used: it is read from end to end before training depends on it."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import soundfile

from asr.audio import waveform as audio
from asr.audio.waveform import AudioInfo
from asr.errors import DataError
from asr.files import atomic
from asr.progress import Progress, track
from asr.units import Samples

Check: TypeAlias = Literal["decode", "header"]
"""`decode` reads every recording whole; `header` believes what the file says of itself."""

BLOCK: Samples = 1 << 16


@dataclass(frozen=True)
class Sound:
    """A recording that can be read.

    Attributes:
        path: the file to read, which may be a rewritten one.
        info: its rate, true length and channels.
    """

    path: Path
    info: AudioInfo


def examine(path: Path, *, check: Check, rewritten: Path, sample_rate: int) -> Sound:
    """Find out what a recording holds.

    Args:
        path: the recording.
        check: whether it is decoded.
        rewritten: folder for a FLAC copy, mono and at `sample_rate`, of files that libsndfile does
            not read (m4a, mp4, webm).
        sample_rate: in Hz; other files keep their own.

    Raises:
        DataError: if it is missing or not audio; with `decode`, also if it breaks off, or holds
            samples that are not numbers, or nothing but zeros.
        MissingExtra: if it needs PyAV and that is not installed.
    """
    if path.suffix.lower() in audio.MEDIA_SUFFIXES:
        path = _rewrite(path, rewritten, sample_rate)
    return Sound(path.resolve(), _decode(path) if check == "decode" else audio.info(path))


def examine_all(
    paths: Iterable[Path], *, check: Check, rewritten: Path, sample_rate: int, progress: Progress
) -> Iterator[tuple[Path, Sound | str]]:
    """Look at each recording once, several at a time: what it holds, or what is wrong with it.

    Args:
        paths: the recordings; one may stand more than once.
        check: as in `examine`.
        rewritten: as in `examine`.
        sample_rate: as in `examine`.
        progress: who is told how far it is.

    Raises:
        MissingExtra: if one needs PyAV and that is not installed.
    """

    def look(path: Path) -> Sound | str:
        try:
            return examine(path, check=check, rewritten=rewritten, sample_rate=sample_rate)
        except (DataError, OSError) as error:  # OSError: a name that no file system takes, for one
            return str(error)

    unique = list(dict.fromkeys(paths))
    if not unique:
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = track(pool.map(look, unique), "checking recordings", len(unique), progress)
        yield from zip(unique, found, strict=True)


def _decode(path: Path) -> AudioInfo:
    header = audio.info(path)
    count: Samples = 0
    peak = 0.0
    try:
        with soundfile.SoundFile(str(path)) as sound:
            # Not sound.blocks(): that yields as many samples as the header says, whatever is there.
            while len(block := sound.read(BLOCK, dtype="float32")):
                count += len(block)
                peak = float(np.maximum(peak, np.abs(block).max()))  # unlike max(), keeps NaN
            announced = max(header.num_samples, _announced(path, sound))
        fault = None
    except soundfile.LibsndfileError as error:
        announced = header.num_samples
        fault = error.error_string.strip()
    # An MP3's header may only estimate its length.
    if fault or count < announced * (0.9 if path.suffix.lower() == ".mp3" else 1):
        seconds, promised = count / header.sample_rate, announced / header.sample_rate
        because = f" ({fault})" if fault else ""
        raise DataError(
            f"{path}: breaks off after {seconds:.2f} s of {promised:.2f} s{because}; copy or fetch it again"
        )
    if not np.isfinite(peak):
        raise DataError(f"{path}: holds samples that are not numbers; convert it again from its source")
    if peak == 0:
        raise DataError(f"{path}: is silent from end to end; record it again")
    return AudioInfo(header.sample_rate, count, header.num_channels)


def _announced(path: Path, sound: soundfile.SoundFile) -> Samples:
    """Find how many samples a file's header promised.

    libsndfile shortens that to what is there, and leaves a remark.
    """
    if path.suffix.lower() == ".sph":
        with path.open("rb") as file:
            count = re.search(rb"sample_count -i (\d+)", file.read(1024))
        return int(count[1]) if count else 0
    remark = re.search(r"\b(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", sound.extra_info)
    if remark is None or int(remark[1]) >= 0x7FFF_0000:  # the mark of a stream whose length was not known when it began
        return 0
    return round(int(sound.frames) * int(remark[1]) / max(1, int(remark[2])))


def _rewrite(path: Path, folder: Path, sample_rate: int) -> Path:
    """Turn the sound of a media file into FLAC, under a name that no other path shares."""
    waveform = audio.load(path, sample_rate=sample_rate)
    target = folder / f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}.flac"
    with atomic(target) as temporary:
        audio.save_flac(temporary, waveform, sample_rate)
    return target
