"""Where in a user's folder a corpus really begins."""

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
