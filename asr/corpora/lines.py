"""Text files of corpora, line by line, with the line's number kept for messages."""

import codecs
import gzip
import zlib
from pathlib import Path

from asr.corpora.utterance import Problem
from asr.errors import DataError


def read_lines(path: Path) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Read a UTF-8 text file (gzipped if its name ends in .gz): its lines that are not blank, each with its number
    from 1.

    A byte order mark and Windows line ends are taken off. A line that is not UTF-8 becomes a problem; the others
    stay. Only
    newlines part lines: a transcript may hold any other separator that Unicode knows.

    Raises:
        DataError: if the file is missing, a damaged .gz, or UTF-16.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{path}: damaged gzip file; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
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
