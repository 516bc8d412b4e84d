"""Text files of corpora, line by line; the line's number is kept for messages."""

import codecs
from pathlib import Path

from asr.corpora.utterance import Problem
from asr.errors import DataError
from asr.files import opened


def existing(path: Path) -> Path:
    """Find a file that may be gzipped: `path`, or `path`.gz where only that is there."""
    gzipped = path.with_name(f"{path.name}.gz")
    return gzipped if gzipped.is_file() and not path.is_file() else path


def read_lines(path: Path) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Read the lines of a UTF-8 text file that are not blank, each with its number from 1.

    A file is gunzipped if its name ends in .gz. A byte order mark and Windows line ends are taken
    off. A line that is not UTF-8 becomes a problem; the others stay. Only newlines part lines: a
    transcript may hold any other separator that Unicode knows.

    Raises:
        DataError: if the file is missing, a damaged .gz, or UTF-16.
    """
    with opened(path) as file:
        data = file.read()
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
