"""Transcripts with what else is known of them, and files of a line each, parsed line by line."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from asr.errors import DataError
from asr.files import opened
from asr.units import Seconds

T = TypeVar("T")
Value: TypeAlias = str | float
KALDI_FORM = "id text"
_FAULTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a recording."""

    path: Path
    start: Seconds = 0.0
    duration: Seconds | None = None


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """A transcript, and what else its file says of it."""

    id: str
    text: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    """Such as `speaker` and `duration`: everything in the file that is a text or a number."""
    audio: Clip | None = None


def read_bytes(path: Path) -> bytes:
    """Read a file, gunzipped if it is gzipped, without a byte order mark.

    Raises:
        DataError: if it cannot be read.
    """
    with opened(path) as file:
        return file.read().removeprefix(codecs.BOM_UTF8)


def parse_lines(
    path: Path, data: bytes, parse: Callable[[str], T | None], form: str, *, blank: bool = False, empty: bool = False
) -> list[tuple[int, T]]:
    """Parse every line that is not blank, and give it with its number.

    Lines for which `parse` gives none are left out.

    Args:
        path: the file, for messages.
        data: what it holds.
        parse: raises ValueError for a faulty line.
        form: of a right line, for messages.
        blank: whether blank lines count.
        empty: whether there may be no line at all.

    Raises:
        DataError: for faulty lines, or if there is none.
    """
    parsed: list[tuple[int, T]] = []
    first_lines: dict[str, int] = {}
    faults: list[tuple[int, str]] = []
    for number, raw_line in enumerate(data.splitlines(), start=1):  # of bytes: U+2028 and its like part no lines
        try:
            line = raw_line.decode()
            if not line.strip() and not blank:
                continue
            result = parse(line.strip())
            if isinstance(result, TranscriptEntry) and first_lines.setdefault(result.id, number) != number:
                before = first_lines[result.id]
                raise ValueError(f"id {result.id!r} is on line {before} already, and ids must be unique")
        except UnicodeDecodeError:
            faults.append((number, "not UTF-8 (iconv converts it)"))
        except ValueError as error:
            faults.append((number, str(error)))
        else:
            if result is not None:
                parsed.append((number, result))
    if faults:
        shown = "; line ".join(f"{number}: {fault}" for number, fault in faults[:_FAULTS_SHOWN])
        more = f"; and {len(faults) - _FAULTS_SHOWN} more such lines" if len(faults) > _FAULTS_SHOWN else ""
        lines = f"going by the file's ending, its lines are '{form}'"
        hint = "; lines without ids need --plain" if form == KALDI_FORM else ""
        raise DataError(f"{path}:{shown}{more}; {lines}{hint}")
    if not parsed and not empty:
        raise DataError(f"{path}: holds no transcripts")
    return parsed
