"""Where in a user's folder a corpus really begins."""

import unicodedata
from pathlib import Path

from asr.errors import DataError


def locate(source: Path, marker: str) -> Path:
    """Find the folder that holds `marker`, a relative path: `source`, or a folder directly in it.

    So the user may name a corpus's own folder, or the one that it was unpacked into.

    Raises:
        DataError: if there is none, or more than one.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    if (source / marker).exists():
        return source
    below = sorted(child for child in source.iterdir() if child.is_dir() and (child / marker).exists())
    if not below:
        raise DataError(f"{source}: holds no {marker}, nor does a folder in it; name the folder that does")
    if len(below) > 1:
        raise DataError(f"{source}: {marker} is in both {below[0].name} and {below[1].name}; name one of them")
    return below[0]


def written(folder: Path, name: str) -> Path:
    """Find a file by the name that a list gives it.

    A list from Windows parts folders by backslashes, and one from a Mac may compose letters and
    accents otherwise than the file's name does (NFC, NFD). What is there is taken; the name as it
    stands, if nothing is.
    """
    plain = folder / name
    if "\\" not in name and name.isascii():
        return plain
    slashed = name.replace("\\", "/")
    forms = [unicodedata.normalize(form, each) for each in (name, slashed) for form in ("NFC", "NFD")]
    return next((folder / each for each in (name, slashed, *forms) if _exists(folder / each)), plain)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file system takes
        return False
