"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from asr.errors import AsrError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, for what shall stand there.

    At the end it replaces `path`. After an error it vanishes.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        temporary.replace(path)
        with contextlib.suppress(OSError):  # Windows and some file systems cannot, and the file is in place by now
            _sync_folder(path.parent)
    except OSError as error:
        raise AsrError(
            f"{path}: cannot be written ({error.strerror or error}); what was there before is untouched"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder while the block runs.

    The lock goes with the process, however it ends, even if processes that it forked live on.

    Raises:
        AsrError: if another process holds the folder, or it cannot be locked; says which.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A soft lock would be a file that outlives a killed process.
        lock = filelock.FileLock(folder / ".lock", blocking=False, fallback_to_soft=False)
        lock.acquire()
    except filelock.Timeout:
        raise AsrError(f"{folder}: another process is at work there; wait for it, or choose another folder") from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AsrError(f"{folder}: cannot be locked ({reason}); choose a folder where files can be written") from None
    try:
        yield
    finally:
        lock.release()
