"""Files that appear whole or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from asr.errors import AsrError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there replaces `path` at the end, and vanishes after an error.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        with contextlib.suppress(OSError):  # some file systems cannot sync a folder, and the file is in place by now
            _sync_folder(path.parent)
    except OSError as error:
        raise AsrError(f"{path}: cannot be written ({error.strerror}); what was there before is untouched") from None
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
    """Keep a second process out of a folder while the block runs; the lock goes with the process, however it ends.

    Raises:
        AsrError: if another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AsrError(
                f"{folder}: another process is at work there; wait for it, or choose another folder"
            ) from None
        yield
