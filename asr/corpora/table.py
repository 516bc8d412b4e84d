"""Tables of utterances: TSV and CSV files, gzipped or not, whose first line names the columns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.corpora.lines import read_lines
from asr.corpora.source import written
from asr.corpora.utterance import Problem, Utterance
from asr.errors import DataError
from asr.files import without_gz
from asr.text.delimited import AUDIO, DELIMITERS, ID, TEXT, Line, Record, column_name, split_records, without_ending

SPEAKER = ("speaker", "client_id", "speaker_id")
LANGUAGE = ("language", "locale", "lang")
SPLIT = ("split", "subset")
CONFIDENCE = ("confidence", "logprob")
"""Of a transcript that a machine made: 0 to 1, or the mean log-probability of its tokens."""


@dataclass(frozen=True)
class Row:
    """One utterance of a user's list, and the split that the list names for it ("" if none)."""

    utterance: Utterance
    split: str = ""


def read_table(path: Path, audio_folder: Path, language: str | None = None) -> tuple[list[Row], list[Problem]]:
    """Read the utterances of a table.

    Columns are parted by tabs, commas, semicolons or vertical bars, whichever its first line shows.
    Fields may be quoted, but not between tabs, as in Common Voice; in a .csv, also there. Column
    names are looked for in `AUDIO`, `TEXT`, `ID`, `SPEAKER`, `LANGUAGE`, `SPLIT` and `CONFIDENCE`,
    letter case aside; the first two must be there. Without an id column the id is the path without
    its ending. Two columns need no names where one of them names recordings that exist.

    Args:
        path: the table.
        audio_folder: what relative audio paths start from.
        language: for utterances of which the table does not say it.

    Raises:
        DataError: if the file cannot be read or does not tell which columns hold audio and text.
    """
    lines, problems = read_lines(path)
    delimiter, header, named = _form(path, lines, audio_folder)
    records = split_records(lines, delimiter, quoted=_quoted(path, delimiter))
    columns = {kind[0]: _column(header, kind) for kind in (AUDIO, TEXT, ID, SPEAKER, LANGUAGE, SPLIT)}
    columns |= {name: _column(header, (name,)) for name in CONFIDENCE}
    rows = []
    for record in records[named:]:
        where = f"{path}:{record.line}"
        row = record.fault or _row(record.fields, header, columns, where, audio_folder, language)
        if isinstance(row, Row):
            rows.append(row)
        else:
            problems.append(Problem(where, row))
    return rows, problems


def _form(path: Path, lines: Sequence[Line], audio_folder: Path) -> tuple[str, Sequence[str], bool]:
    """Find what parts the columns, their names, and whether the first line has them.

    Raises:
        DataError: if neither the first line names them, nor do existing files tell; says what was
            found.
    """
    commas_first = without_gz(path).suffix.lower() == ".csv"
    order = sorted(DELIMITERS, key=lambda delimiter: delimiter != ("," if commas_first else "\t"))
    shown = 1
    for delimiter in order:
        header = [column_name(cell) for cell in _first_cells(path, lines, delimiter)]
        if _column(header, AUDIO) is not None and _column(header, TEXT) is not None:
            return delimiter, header, True
        if len(header) > shown:
            order, shown = [delimiter, *order], len(header)
    for delimiter in DELIMITERS:
        records = split_records(lines[:20], delimiter, quoted=_quoted(path, delimiter))
        if all(len(record.fields) == 2 for record in records if not record.fault):
            for place, names in ((0, ("path", "sentence")), (1, ("sentence", "path"))):
                if any(_names_files(record, place, audio_folder) for record in records):
                    return delimiter, names, False
    found = _first_cells(path, lines, order[0])
    raise DataError(
        f"{path}:1: the first line must name the columns: one of {', '.join(AUDIO)} and one of {', '.join(TEXT)}; "
        + (f"found, parted by {DELIMITERS[order[0]]}: {', '.join(map(repr, found[:8]))}" if found else "it is empty")
    )


def _first_cells(path: Path, lines: Sequence[Line], delimiter: str) -> list[str]:
    records = split_records(lines[:1], delimiter, quoted=_quoted(path, delimiter))
    return [cell.strip().strip('"') for record in records for cell in record.fields]


def _quoted(path: Path, delimiter: str) -> bool:
    return delimiter != "\t" or without_gz(path).suffix.lower() == ".csv"


def _names_files(record: Record, place: int, audio_folder: Path) -> bool:
    """Whether a row names an existing recording in its column."""
    if not (name := "".join(record.fields[place : place + 1]).strip()):
        return False
    try:
        return written(audio_folder, name).is_file()
    except (OSError, ValueError):  # a sentence too long for a file's name
        return False


def _row(
    fields: Sequence[str],
    header: Sequence[str],
    columns: Mapping[str, int | None],
    where: str,
    audio_folder: Path,
    language: str | None,
) -> Row | str:
    """Read one line: its utterance, or what is wrong with it."""
    if len(fields) != len(header):
        return f"has {len(fields)} fields, but the first line names {len(header)} columns"
    cells = {name: "" if at is None else fields[at].strip() for name, at in columns.items()}
    if not (name := without_ending(cells["path"])):
        return "names no audio file"
    try:
        confidence = _confidence(cells)
    except ValueError:
        return "its confidence is not a number from 0 to 1, nor its logprob one up to 0"
    utterance = Utterance(
        id=cells["id"] or name,
        audio=written(audio_folder, cells["path"]),
        text=cells["sentence"],
        where=where,
        speaker=cells["speaker"] or None,
        language=cells["language"] or language,
        confidence=confidence,
    )
    return Row(utterance, cells["split"].lower())


def _confidence(cells: Mapping[str, str]) -> float | None:
    """Read a row's confidence; an empty cell has none."""
    if cells["confidence"]:
        confidence = float(cells["confidence"])
    elif cells["logprob"]:
        confidence = math.exp(min(float(cells["logprob"]), 1.0))
    else:
        return None
    if not 0 <= confidence <= 1:
        raise ValueError
    return confidence


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
