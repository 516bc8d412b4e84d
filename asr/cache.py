"""Files that take long to make and can be made again: a user's cache folder keeps them.

It is `asr` in XDG_CACHE_HOME, in ~/.cache without that, on Windows in LOCALAPPDATA. It may be
deleted at any time.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from asr.errors import AsrError

KEPT = 20
MOST = 1 << 30
"""Files, and bytes, that the folder keeps: what was not used for longest goes."""


@contextlib.contextmanager
def cached(name: str, make: Callable[[Path], object]) -> Iterator[Path]:
    """Give a file while the block runs.

    A folder that is not this user's, that others may write to or that takes no file keeps nothing:
    then the file is a temporary one.

    Args:
        name: the file's; it must tell all that its content depends on.
        make: writes the file, whole or not at all. It is asked if there is none yet.
    """
    if (kept := _kept(name, make)) is not None:
        yield kept
        _make_room(kept.parent)
        return
    # What is mapped is still in use, and Windows cannot delete that yet.
    with tempfile.TemporaryDirectory(prefix="asr-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        make(path)
        yield path


def cache_folder() -> Path:
    """Where files are kept; it need not be there.

    Raises:
        RuntimeError: if this user has no home.
    """
    base = Path(os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "asr"


def _kept(name: str, make: Callable[[Path], object]) -> Path | None:
    """The file in the cache folder, None if that cannot keep it."""
    try:
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(folder):
            return None
        path = folder / name
        if not path.is_file():
            make(path)
        with contextlib.suppress(OSError):  # it may be used from where nothing can be written
            os.utime(path)
    except (AsrError, OSError, RuntimeError):
        return None
    return path


def _is_own(folder: Path) -> bool:
    """Whether nobody but this user, and the administrator, can have put files there."""
    if os.name == "nt":
        return True  # whose LOCALAPPDATA is each user's own
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _make_room(folder: Path) -> None:
    """Delete what was used before the last few, and so, in time, what killed processes left."""
    with contextlib.suppress(OSError):
        total = 0
        found = [(path.stat(), path) for path in folder.iterdir() if path.is_file()]
        for place, (status, path) in enumerate(sorted(found, key=lambda each: -each[0].st_mtime)):
            total += status.st_size
            if place >= KEPT or total > MOST:
                path.unlink()
