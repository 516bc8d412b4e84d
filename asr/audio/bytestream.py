"""The bytes of a recording: from a file, a pipe or standard input, whole or a stretch of them."""

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from asr.errors import DataError

STANDARD_INPUT = Path("-")


class Stretch(io.RawIOBase):
    """Bytes of a file from `start` to before `stop`, read as if they were all.

    It has a position of its own, so that several may read the same file. It has no name, so that
    nobody guesses from it what is inside.

    Args:
        file: where they are.
        start: the first one.
        stop: after the last one.
        mended: a place in the stretch, and the bytes to read there instead of what lies there.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int, mended: tuple[int, bytes] = (0, b"")) -> None:
        super().__init__()
        self.file, self.start, self.stop, self.mended = file, start, stop, mended
        self._at = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def again(self) -> "Stretch":
        """The same, read from its beginning."""
        return Stretch(self.file, self.start, self.stop, self.mended)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # typeshed's buffer is not public
        view = memoryview(buffer).cast("B")
        try:
            self.file.seek(self.start + self._at)
            data = self.file.read(max(0, min(len(view), len(self) - self._at)))
        except OSError:  # a bad disk, a share that is gone: the file breaks off here, which its reader will notice
            data = b""
        view[: len(data)] = data
        place, better = self.mended
        for number in range(max(place, self._at), min(place + len(better), self._at + len(data))):
            view[number - self._at] = better[number - place]
        self._at += len(data)
        return len(data)


@contextlib.contextmanager
def opened(source: Path | BinaryIO) -> Iterator[tuple[str, Stretch]]:
    """Open a recording while the block runs; gives its name, and its bytes.

    What cannot be sought (a pipe, standard input) is first written to a temporary file.

    Raises:
        DataError: if there is no such file, or it cannot be read.
    """
    if not isinstance(source, Path):
        name = getattr(source, "name", None)  # a temporary file's is a number, or none
        with _sought(source) as file:
            yield name if isinstance(name, str) else "recording", _whole(file)
    elif source == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise DataError("standard input: brings no recording; pipe one in, or name a file")
        with _sought(sys.stdin.buffer) as file:
            yield "standard input", _whole(file)
    else:
        with contextlib.ExitStack() as stack:
            try:
                _require_file(source)
                file = stack.enter_context(_sought(stack.enter_context(source.open("rb"))))
            except OSError as error:
                raise DataError(f"{source}: cannot be read ({error.strerror or error})") from None
            yield str(source), _whole(file)


def _require_file(path: Path) -> None:
    if path.is_dir():
        with os.scandir(path):  # one that cannot be opened says so
            raise DataError(f"{path}: is a folder, not an audio file; name the files in it")
    if not path.is_file() and not path.is_fifo():
        raise DataError(f"{path}: no such audio file")


@contextlib.contextmanager
def _sought(file: BinaryIO) -> Iterator[BinaryIO]:
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        yield copy


def _whole(file: BinaryIO) -> Stretch:
    return Stretch(file, 0, file.seek(0, os.SEEK_END))


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text, which no recording begins with for so long."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just a character that the end cuts
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in text)


def ogg_links(stretch: Stretch) -> tuple[list[Stretch], bool]:
    """Find the recordings that follow each other in an Ogg file (RFC 3533, chaining).

    Returns:
        Their bytes, at least one; and whether the last one has its end.
    """
    starts, position, began, ended = [0], 0, True, False
    while position < len(stretch):
        stretch.seek(position)
        header = stretch.read(27) or b""
        if len(header) < 27 or header[:4] != b"OggS":
            ended = ended and bool(len(header) == 27)  # what is no page is no part of it
            break
        begins, ended = bool(header[5] & 2), bool(header[5] & 4)
        if begins and not began:
            starts.append(position)
        began = begins
        position += 27 + header[26] + sum(stretch.read(header[26]) or b"")
    stops = [*starts[1:], len(stretch)]
    links = [Stretch(stretch.file, stretch.start + a, stretch.start + b) for a, b in zip(starts, stops, strict=True)]
    return links, ended and position <= len(stretch)
