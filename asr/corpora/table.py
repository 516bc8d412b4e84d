"""Tables of utterances: TSV and CSV files, gzipped or not, whose first line names the columns."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asr.corpora.lines import read_lines
from asr.corpora.source import written
from asr.corpora.utterance import Problem, Utterance
from asr.errors import DataError
from asr.files import without_gz

AUDIO = ("path", "audio", "file", "audio_filepath", "wav_filename", "filename")
TEXT = ("sentence", "text", "transcript", "transcription")
ID = ("id", "utterance_id", "utt_id")
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

    A .csv is parted by commas and may quote its fields. Any other is parted by tabs and quotes
    nothing, as in Common Voice. Column names are looked for in `AUDIO`, `TEXT`, `ID`, `SPEAKER`,
    `LANGUAGE`, `SPLIT` and `CONFIDENCE`, letter case aside; the first two must be there. Without an
    id column the id is the path without its ending.

    Args:
        path: the table.
        audio_folder: what relative audio paths start from.
        language: for utterances of which the table does not say it.

    Raises:
        DataError: if the file cannot be read or its first line does not name the columns.
    """
    lines, problems = read_lines(path)
    commas = without_gz(path).suffix.lower() == ".csv"
    texts = (f"{line}\n" for _, line in lines)
    reader = csv.reader(texts) if commas else csv.reader(texts, delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        records = [(f"{path}:{lines[reader.line_num - 1][0]}", fields) for fields in reader]
    except csv.Error as error:
        where = f"{path}:{lines[reader.line_num - 1][0]}"
        raise DataError(f"{where}: cannot be read from here on ({error}); is a quote missing before?") from None
    header = [name.strip().lower() for name in records[0][1]] if records else []
    columns = {kind[0]: _column(header, kind) for kind in (AUDIO, TEXT, ID, SPEAKER, LANGUAGE, SPLIT)}
    columns |= {name: _column(header, (name,)) for name in CONFIDENCE}
    if columns["path"] is None or columns["sentence"] is None:
        raise DataError(
            f"{path}:1: the first line must name the columns, parted by {'commas' if commas else 'tabs'}: "
            f"one of {', '.join(AUDIO)} and one of {', '.join(TEXT)}"
        )
    rows = []
    for where, fields in records[1:]:
        row = _row(fields, header, columns, where, audio_folder, language)
        if isinstance(row, Row):
            rows.append(row)
        else:
            problems.append(Problem(where, row))
    return rows, problems


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
    if not cells["path"]:
        return "names no audio file"
    try:
        confidence = _confidence(cells)
    except ValueError:
        return "its confidence is not a number from 0 to 1, nor its logprob one up to 0"
    utterance = Utterance(
        id=cells["id"] or PurePosixPath(cells["path"].replace("\\", "/")).with_suffix("").as_posix(),
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
