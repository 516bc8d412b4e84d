"""Text files of corpora, line by line; the line's number is kept for messages."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr.corpora.utterance import Problem
from asr.errors import DataError


def without_gz(path: Path) -> Path:
    """Take a .gz off a path, so that what is left tells the kind of file."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def existing(path: Path) -> Path:
    """Find a file that may be gzipped: `path`, or `path`.gz where only that is there."""
    gzipped = path.with_name(f"{path.name}.gz")
    return gzipped if gzipped.is_file() and not path.is_file() else path


def first_line(path: Path) -> bytes:
    """Read the first line of a file as it is, gunzipped if its name ends in .gz.

    Raises:
        DataError: if the file is missing, or a damaged .gz.
    """
    with _readable(path), gzip.open(path) if without_gz(path) != path else path.open("rb") as file:
        return file.readline()


def read_lines(path: Path) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Read the lines of a UTF-8 text file that are not blank, each with its number from 1.

    A file is gunzipped if its name ends in .gz. A byte order mark and Windows line ends are taken
    off. A line that is not UTF-8 becomes a problem; the others stay. Only newlines part lines: a
    transcript may hold any other separator that Unicode knows.

    Raises:
        DataError: if the file is missing, a damaged .gz, or UTF-16.
    """
    with _readable(path):
        data = path.read_bytes()
        if without_gz(path) != path:
            data = gzip.decompress(data)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: is UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8)")
    lines: list[tuple[int, str]] = []
    problems: list[Problem] = []
    for number, raw in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            what = f"not UTF-8 (byte {raw[error.start]:#04x}); convert the file (iconv -f latin1 -t utf-8, say)"
            problems.append(Problem(f"{path}:{number}", what))
            continue
        if line.strip():
            lines.append((number, line))
    return lines, problems


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{path}: damaged gzip file; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
