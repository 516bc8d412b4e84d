"""Whether a recording can be used: it is read from end to end before training depends on it."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import soundfile

from asr.audio.reader import Recording, Waveform, open_recording
from asr.audio.waveform import AudioInfo, info, write_flac
from asr.errors import DataError
from asr.files import atomic
from asr.progress import Progress, track

Check: TypeAlias = Literal["decode", "header"]
"""`decode` reads every recording whole; `header` believes what the file says of itself."""


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

    Training reads recordings by libsndfile, from anywhere. What that reads wholly stays where it
    is.

    Args:
        path: the recording.
        check: whether it is decoded.
        rewritten: folder for a FLAC copy, mono and at `sample_rate`, of each other file.
        sample_rate: in Hz; other files keep their own.

    Raises:
        DataError: if it is missing or not audio; with `decode`, also if it breaks off, or holds
            samples that are not numbers, or nothing but zeros.
    """
    with open_recording(path) as recording:
        if _stays(path, recording):
            told = AudioInfo(recording.sample_rate, recording.frames or 0, recording.num_channels)
            if check == "header":
                return Sound(path.resolve(), told)
            if sum(map(len, _judged(recording, recording.blocks()))) == told.num_samples:
                return Sound(path.resolve(), told)
        return _rewrite(path, recording, rewritten, sample_rate)


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


def _stays(path: Path, recording: Recording) -> bool:
    """Whether libsndfile, given the path, says that it reads what the reader reads."""
    if recording.frames is None or not path.is_file():
        return False
    try:
        return bool(soundfile.info(str(path)).frames == recording.frames)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: the ending .raw, whatever is inside
        return False


def _judged(recording: Recording, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Hand on what is read; at the end say what is wrong with it.

    Raises:
        DataError: if it breaks off, or is silent.
    """
    silent = True
    for block in blocks:
        silent = silent and not block.any()
        yield block
    if recording.breaks_off:
        raise DataError(recording.warnings[-1])
    if silent:
        raise DataError(f"{recording.name}: is silent from end to end; record it again")


def _rewrite(path: Path, recording: Recording, folder: Path, sample_rate: int) -> Sound:
    """Turn a recording into FLAC.

    Its name is one that no other path shares and every file system takes.
    """
    stem = os.fsencode(path.stem)[:100].decode("utf-8", "ignore")
    target = folder / f"{stem}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}.flac"
    with atomic(target) as temporary:
        write_flac(temporary, _judged(recording, recording.blocks(sample_rate=sample_rate)), sample_rate)
    return Sound(target.resolve(), info(target))
