"""Recordings in folders."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.audio.bytestream import STANDARD_INPUT
from asr.audio.waveform import SUFFIXES
from asr.errors import DataError

LEFT_OUT = "__MACOSX"
"""Folders where a Mac's archiver keeps what is no sound, under the recordings' own names."""


@dataclass(frozen=True)
class Found:
    """A recording that was named, or lies below a folder that was."""

    path: Path
    below: Path
    """Its path below the folder that was named; of a file that was named, just its name."""


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, each in order of path."""

    files: tuple[Path, ...]
    unreadable: tuple[OSError, ...]
    """Why folders could not be opened; their `filename` is the folder."""

    @property
    def recordings(self) -> list[Path]:
        """Those that are named like audio."""
        return [path for path in self.files if path.suffix.lower() in SUFFIXES]


def listing(folder: Path) -> Listing:
    """List the files below a folder.

    A Mac's `._NAME` beside each NAME, and folders `__MACOSX`, are left out: they hold no sound.
    """
    files: list[Path] = []
    unreadable: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if name != LEFT_OUT]
        files += [Path(place, name) for name in names if not name.startswith("._")]
    return Listing(
        tuple(sorted(path for path in files if path.is_file())),
        tuple(sorted(unreadable, key=lambda error: Path(error.filename))),
    )


def find_recordings(paths: Iterable[Path]) -> list[Found]:
    """Replace each folder by the audio files below it, in order of name.

    A folder that cannot be opened stands for itself; who reads it finds out why. Where several
    folders are named, `below` begins with their names.

    Raises:
        DataError: for a folder without audio.
    """
    paths = list(paths)
    several = sum(map(_is_folder, paths)) > 1
    found: list[Found] = []
    for path in paths:
        if not _is_folder(path):
            found.append(Found(path, Path("standard-input" if path == STANDARD_INPUT else path.name)))
            continue
        inside = listing(path)
        below = sorted([*inside.recordings, *(Path(error.filename) for error in inside.unreadable)])
        if not below:
            raise DataError(f"{path}: no audio file in this folder")
        kept = Path(path.resolve().name) if several else Path()
        found += [Found(one, kept / one.relative_to(path)) for one in below]
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes
        return False
