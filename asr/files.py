"""Files: written whole or not at all, and read whether they are compressed or not."""

import contextlib
import gzip
import hashlib
import io
import lzma
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import filelock

from asr.errors import AsrError, DataError

_COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
MOST_UNPACKED = 200
"""Times its size that a file may become; no list or model packs better than that."""
UNPACKED_ANYWAY = 64 << 20
"""Bytes that any file may become."""


def without_gz(path: Path) -> Path:
    """Take a .gz or .xz off a path: what is left tells the kind of file."""
    return path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path


class _Unpacking(io.RawIOBase):
    """What a packed file holds, as long as that is no more than it can honestly be."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__()
        self._path, self._file = path, file
        self._left = max(UNPACKED_ANYWAY, MOST_UNPACKED * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # typeshed's buffer is not public
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._path}: holds more than {MOST_UNPACKED} times its size; unpack it to look what it is"
            )
        return len(data)


def unpacking(path: Path, file: BinaryIO) -> BinaryIO:
    """Read a packed file through a limit: small files that become huge are refused.

    Args:
        path: the packed file.
        file: gives what it holds.
    """
    return cast(BinaryIO, io.BufferedReader(_Unpacking(path, file)))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes while the block runs; .gz and .xz are decompressed.

    Raises:
        DataError: if the file is missing or cannot be read, is no whole .gz or .xz, or a small one
            that becomes huge.
    """
    kind = path.suffix.lower()
    try:
        with _COMPRESSED.get(kind, open)(path, "rb") as file:
            yield unpacking(path, file) if kind in _COMPRESSED else file
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error):
        name = "xz" if kind == ".xz" else "gzip"
        raise DataError(f"{path}: is not a whole {name} file; copy or write it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, decompressed if it is a .gz or .xz; a byte order mark is taken off.

    Raises:
        DataError: as `opened` does, and if the text is not UTF-8.
    """
    with opened(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; iconv converts it") from None


LONGEST_NAME = 255
"""Bytes in the name of a file; few file systems take more."""


def fitting(stem: str, ending: str) -> str:
    """Name a file, in as many bytes as file systems take.

    Of a longer name only the beginning of the stem is kept, and a checksum, so that no two become
    one.
    """
    name = f"{stem}{ending}"
    if len(os.fsencode(name)) <= LONGEST_NAME:
        return name
    mark = f"-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}{ending}"
    return os.fsencode(stem)[: LONGEST_NAME - len(os.fsencode(mark))].decode("utf-8", "ignore") + mark


@contextlib.contextmanager
def atomic(path: Path, *, before: Path | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`, for what shall stand there.

    At the end it replaces `path`. After an error it vanishes. Its name is nobody else's, so several
    processes may write the same file: the last one's stays, whole.

    Args:
        path: what is written.
        before: in the same folder, where the file goes that was there before; None drops it. A kill
            at that very moment may leave that one alone.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    temporary = path.with_name(fitting(f".{path.name}", f".{secrets.token_hex(4)}.part"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        if before is not None and path.exists():
            path.replace(before)
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


_UNFINISHED = f".*.{8 * '[0-9a-f]'}.part"
"""Temporary names of `atomic`."""


def unfinished(path: Path) -> Path | None:
    """What was to stand in the place of a temporary file of `atomic`; None for any other file."""
    return path.with_name(path.name[1 : -len(".01234567.part")]) if path.match(_UNFINISHED) else None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder while the block runs.

    The lock goes with the process, however it ends, even if processes that it forked live on. What
    a killed process was writing with `atomic` is removed.

    Raises:
        AsrError: if another process holds the folder, or it cannot be locked; says which.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A soft lock would be a file that outlives a killed process.
        lock = filelock.FileLock(folder / ".lock", blocking=False, fallback_to_soft=False)
        lock.acquire()
        for unfinished in folder.rglob(_UNFINISHED):
            unfinished.unlink(missing_ok=True)
    except filelock.Timeout:
        raise AsrError(f"{folder}: another process is at work there; wait for it, or choose another folder") from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AsrError(f"{folder}: cannot be locked ({reason}); choose a folder where files can be written") from None
    try:
        yield
    finally:
        lock.release()
