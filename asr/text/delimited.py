"""Lines of tables, parted into fields: quotes that are never closed swallow no rows."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

AUDIO = (
    *("path", "audio", "file", "audio_filepath", "wav_filename", "filename", "file_name"),
    *("audio_path", "audio_file", "filepath", "file_path", "wav", "wav_path"),
)
TEXT = ("sentence", "text", "transcript", "transcription", "raw_transcription", "normalized_text")
ID = ("id", "utterance_id", "utt_id")
"""What the columns of tables are called, the first that is there."""
LONGEST_FIELD_LINES = 50
"""Lines that one quoted field may span."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

Line = tuple[int, str]
"""A line's number and its text."""


@dataclass(frozen=True)
class Record:
    """A row: where it begins, and its fields or what is wrong with it."""

    line: int
    fields: tuple[str, ...] = ()
    fault: str = ""


def column_name(cell: str) -> str:
    """Bring the name of a column or field to the form in which it is looked for."""
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def without_ending(name: str) -> str:
    """Take the ending off a recording's name, for an id; empty where "." or "/" names no file."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("").as_posix() if path.name else ""


def split_records(lines: Sequence[Line], delimiter: str, *, quoted: bool) -> list[Record]:
    """Part lines into rows.

    A quoted field may hold delimiters and newlines. But where its quote is closed nowhere, or only
    after what is a row by itself, that one line is faulty. The rows after it are read.

    Args:
        lines: that are not blank.
        delimiter: one of `DELIMITERS`.
        quoted: whether fields may be quoted.
    """
    if not quoted:
        return [Record(number, tuple(line.split(delimiter))) for number, line in lines]
    records = []
    place = 0
    while place < len(lines):
        record, used = _record(lines[place : place + LONGEST_FIELD_LINES], delimiter)
        records.append(record)
        place += used
    return records


def _record(lines: Sequence[Line], delimiter: str) -> tuple[Record, int]:
    """Read the row that the first line begins, and tell how many lines it has."""
    number, first = lines[0]
    for used in range(1, len(lines) + 1):
        if used > 1 and _is_row(lines[used - 1][1], first, delimiter):
            break
        fields = _fields("\n".join(line for _, line in lines[:used]), delimiter, strict=True)
        if fields is not None:
            return Record(number, fields), used
        if used == 1 and first.count('"') % 2 == 0:  # odd quotes inside the line, as in 7" or "he" said
            return Record(number, _fields(first, delimiter, strict=False) or ()), 1
    fault = 'a quote opens here that is not closed before the next row; close it, or write "" for a quote in the text'
    return Record(number, fault=fault), 1


def _fields(text: str, delimiter: str, *, strict: bool) -> tuple[str, ...] | None:
    """Read exactly one row, or None if the text is more, less or none."""
    try:
        rows = list(csv.reader([f"{line}\n" for line in text.split("\n")], delimiter=delimiter, strict=strict))
    except csv.Error:
        return None
    return tuple(rows[0]) if len(rows) == 1 else None


def _is_row(line: str, first: str, delimiter: str) -> bool:
    """Whether a line in a quoted field looks like the next row: it names a file as the first does.

    A row names its file where the other does, with the same ending.
    """
    ours, theirs = line.split(delimiter), first.split(delimiter)
    endings = [(_ending(a), _ending(b)) for a, b in zip(ours, theirs, strict=False)]
    return any(a and a == b for a, b in endings)


def _ending(cell: str) -> str:
    name = cell.strip().strip('"')
    return PurePosixPath(name).suffix.lower() if " " not in PurePosixPath(name).suffix else ""
