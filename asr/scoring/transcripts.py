"""Files of transcripts by utterance id, in the forms that recognisers and corpora write.

The file's ending says the form:

    .trn            text (id)                          sclite's: a line ends in (id)
    .stm            file channel speaker begin end     NIST's segments;
                    <...> text                         the id is file-channel-begin-end
    .ctm            file channel begin duration word   NIST's words with times;
                                                       see `asr.scoring.nist`
    .csv, .tsv      id, text and more                  a table whose first line names its columns
    .jsonl, .json   {"id": ..., "text": ...}           one object a line:
                                                       NeMo's manifests, lhotse's cuts
    anything else   id text                            Kaldi's: an id alone is the empty text

JSON may be gzipped (.jsonl.gz). Files are UTF-8, with or without a byte order mark; lines end in
LF, CRLF or CR. White space (tabs too) between words comes out as single spaces. Nothing else about
a text changes, in whichever direction it runs. Blank lines are passed over, and in NIST's forms
comments (;;).
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from asr.config import is_finite
from asr.errors import DataError
from asr.files import atomic, without_gz
from asr.scoring.entries import KALDI_FORM, Clip, TranscriptEntry, Value, parse_lines, read_bytes
from asr.scoring.nist import CtmWord, in_order, read_ctm, read_segmented_ctm, read_stm
from asr.text.delimited import AUDIO, DELIMITERS, ID, TEXT, column_name, split_records, without_ending
from asr.units import Seconds

__all__ = [
    "Clip",
    "TranscriptEntry",
    "Value",
    "read_fields",
    "read_numbered_lines",
    "read_segmented_ctm",
    "read_texts",
    "read_transcripts",
    "write_texts",
]

_TRN_LINE = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)", re.DOTALL)
_JSON_SUFFIXES = frozenset({".jsonl", ".json"})
_ID_FIELDS = ("id", "utt_id", "audio_filepath")
_NO_FIELDS = frozenset({*_ID_FIELDS, "text", "pred_text", "type", "start", "offset", "channel", "recording_id"})
_HEARD = ("pred_text", "hypothesis", "prediction", "predicted", "hyp", "transcribed")
"""Columns of what was recognised, in tables."""
_SAID = ("reference", "ref", *TEXT)


def read_texts(path: Path, *, hypotheses: bool = False) -> dict[str, str]:
    """Read the texts alone, by utterance id: see `read_transcripts`."""
    return {id: utterance.text for id, utterance in read_transcripts(path, hypotheses=hypotheses).items()}


def read_transcripts(path: Path, *, hypotheses: bool = False) -> dict[str, TranscriptEntry]:
    """Read a file of transcripts, in its own order.

    A JSON object's id is its first field of `id`, `utt_id` and `audio_filepath`: a string or a
    whole number. Its text is `text`, or that of its supervisions. In a file of hypotheses that
    has `pred_text` anywhere it is `pred_text` everywhere. There `text` is the reference, and a line
    without `pred_text` must not pass for a perfect one. In a CTM file read by itself, utterances
    are its recordings. A table's columns may be called as in `asr prepare`. Without a column of ids
    the names of files are ids, without their ending. A .tsv without such a header is Kaldi's.

    Args:
        path: the file.
        hypotheses: whether these are a recogniser's output rather than references.

    Raises:
        DataError: if the file is missing or has no transcript at all; or for lines that are not
            UTF-8, not of its form, or of an id that came before. Up to five such lines are named.
    """
    form = _suffix(path)
    if form == ".ctm":
        words: dict[str, list[CtmWord]] = defaultdict(list)
        for word in read_ctm(path):
            words[word.recording].append(word)
        if mixed := next((name for name, them in words.items() if len({word.channel for word in them}) > 1), None):
            raise DataError(f"{path}: {mixed} has several channels, which only a reference in STM tells apart")
        return {name: TranscriptEntry(name, in_order(them)) for name, them in words.items()}
    if form == ".stm":
        return {segment.id: segment for segment in read_stm(path)}
    data = read_bytes(path)
    if form in (".csv", ".tsv") and (table := _read_table(path, data, _HEARD if hypotheses else ())) is not None:
        return table
    parse: Callable[[str], TranscriptEntry | None]
    if form == ".trn":
        parse, line = _parse_trn, "text (id)"
    elif form in _JSON_SUFFIXES:
        text_field = "pred_text" if hypotheses and b'"pred_text"' in data else "text"
        parse, line = (
            partial(_parse_json, text_field=text_field, folder=path.parent),
            f'{{"id": ..., "{text_field}": ...}}',
        )
    else:
        parse, line = _parse_kaldi, KALDI_FORM
    return {utterance.id: utterance for _, utterance in parse_lines(path, data, parse, line)}


def read_numbered_lines(path: Path) -> dict[str, TranscriptEntry]:
    """Read a text a line, by line number; an empty line is the empty text.

    Raises:
        DataError: if the file is missing, has no line at all or lines that are not UTF-8.
    """
    lines = parse_lines(path, read_bytes(path), lambda line: line, "text", blank=True)
    return {str(number): TranscriptEntry(str(number), " ".join(line.split())) for number, line in lines}


def read_fields(path: Path) -> dict[str, TranscriptEntry]:
    """Read what a file tells of utterances beside their texts.

    The file is JSON, STM, or Kaldi's utt2spk (`id speaker`).

    Raises:
        DataError: as `read_transcripts` does.
    """
    if _suffix(path) in {".stm", *_JSON_SUFFIXES}:
        return read_transcripts(path)
    return {id: TranscriptEntry(id, "", {"speaker": speaker}) for id, speaker in read_texts(path).items()}


def write_texts(path: Path, transcripts: Mapping[str, str]) -> None:
    """Write texts by utterance id in the form of the file's ending, whole or not at all.

    `read_texts` gives them back.

    Raises:
        DataError: if an id cannot stand in that form (white space, parentheses in TRN), or a text
            cannot (in TRN `;;` begins a comment).
        AsrError: if the file cannot be written.
    """
    suffix = path.suffix.lower()
    lines = []
    for id, text in transcripts.items():
        words = " ".join(text.split())
        if suffix in _JSON_SUFFIXES:
            lines.append(json.dumps({"id": id, "text": words}, ensure_ascii=False))
        elif not id or id.split() != [id] or (suffix == ".trn" and re.search(r"[()]", id)):
            raise DataError(f"{path}: id {id!r} cannot be written in this form; write .jsonl, or rename the utterance")
        elif suffix == ".trn" and words.startswith(";;"):
            raise DataError(f"{path}: the text of {id} would be a comment, as it begins with ;; there; write .jsonl")
        else:
            lines.append((f"{words} ({id})" if suffix == ".trn" else f"{id} {words}").strip())
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _suffix(path: Path) -> str:
    return without_gz(path).suffix.lower()


def _parse_kaldi(line: str) -> TranscriptEntry:
    id, *words = line.split()
    return TranscriptEntry(id, " ".join(words))


def _read_table(path: Path, data: bytes, first: tuple[str, ...]) -> dict[str, TranscriptEntry] | None:
    """Read a table by its header; None for a .tsv that has none.

    Args:
        path: the file.
        data: what it holds.
        first: the columns whose text is taken before others.

    Raises:
        DataError: for a .csv without a header, faulty rows, or ids that stand twice.
    """
    parse_lines(path, data, lambda line: line, "a row of a table")  # for its faults; it takes white space off
    lines = [(n, line.decode()) for n, line in enumerate(data.splitlines(), start=1) if line.strip()]
    for delimiter in DELIMITERS:
        quoted = delimiter != "\t" or _suffix(path) == ".csv"
        cells = [cell for record in split_records(lines[:1], delimiter, quoted=quoted) for cell in record.fields]
        header = [column_name(cell.strip('"')) for cell in cells]
        text = next((header.index(name) for name in (*first, *_SAID) if name in header), None)
        key = next((header.index(name) for name in (*ID, *AUDIO) if name in header), None)
        if text is not None and key is not None:
            break
    else:
        if _suffix(path) == ".tsv":
            return None
        raise DataError(f"{path}:1: the first line must name the columns, an id and a text; found {lines[0][1]!r}")
    found: dict[str, TranscriptEntry] = {}
    faults = []
    for record in split_records(lines[1:], delimiter, quoted=quoted):
        fault = record.fault
        if not fault and len(record.fields) != len(header):
            fault = f"has {len(record.fields)} fields, but the first line names {len(header)} columns"
        if not fault:
            row = {name: cell.strip() for name, cell in zip(header, record.fields, strict=True)}
            id = row[header[key]]
            if header[key] in AUDIO:
                id = without_ending(id)
            fault = "names no utterance" if not id else ""
            if id in found:
                fault = f"id {id!r} is there already, and ids must be unique"
        if fault:
            faults.append(f"{record.line}: {fault}")
            continue
        fields = {name: cell for name, cell in row.items() if name not in (header[key], header[text]) and cell}
        found[id] = TranscriptEntry(id, " ".join(row[header[text]].split()), dict(fields))
    if faults:
        raise DataError(f"{path}:{'; line '.join(faults[:5])}" + (f"; and {len(faults) - 5} more" * (len(faults) > 5)))
    if not found:
        raise DataError(f"{path}: holds no transcripts")
    return found


def _parse_trn(line: str) -> TranscriptEntry | None:
    if line.startswith(";;"):
        return None
    match = _TRN_LINE.fullmatch(line)
    if match is None:
        raise ValueError("does not end in an id in parentheses")
    return TranscriptEntry(match["id"], " ".join(match["text"].split()))


def _parse_json(line: str, *, text_field: str, folder: Path) -> TranscriptEntry:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    id_field = next((field for field in _ID_FIELDS if field in record), None)
    if id_field is None:
        raise ValueError(f"has none of the fields {', '.join(_ID_FIELDS)}")
    id = record[id_field]
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id.strip():
        raise ValueError(f"field {id_field!r} must be a string that is not empty, got {id!r}")
    supervisions = _objects(record.get("supervisions"))
    text = record.get(text_field)
    if "supervisions" in record and text is None:
        text = " ".join(s["text"] for s in sorted(supervisions, key=_begin) if isinstance(s.get("text"), str))
    if not isinstance(text, str):
        raise ValueError(f"field {text_field!r} must be a string, got {text!r}")
    try:
        if "\\u" in line:  # else there is none, and a line is quickly read
            json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    fields: dict[str, Value] = {}
    for part in (record, *_objects([record.get("custom")]), *supervisions):
        for source in (part, *_objects([part.get("custom")])):
            known = {k: v for k, v in source.items() if k not in _NO_FIELDS and _is_value(v)}
            fields = {name: str(v) if isinstance(v, bool) else v for name, v in known.items()} | fields
    return TranscriptEntry(id, " ".join(text.split()), fields, _clip(record, folder))


def _clip(record: Mapping[str, Any], folder: Path) -> Clip | None:
    """The audio of a NeMo or lhotse object; NeMo's paths start from the manifest's folder."""
    duration = record.get("duration")
    length = float(duration) if isinstance(duration, int | float) and is_finite(duration) else None
    if isinstance(name := record.get("audio_filepath"), str):
        return Clip(folder / name, _begin(record, "offset"), length)
    for recording in _objects([record.get("recording")]):
        for source in _objects(recording.get("sources")):
            if source.get("type") == "file" and isinstance(source.get("source"), str):
                return Clip(Path(source["source"]), _begin(record), length)
    return None


def _begin(record: Mapping[str, Any], name: str = "start") -> Seconds:
    value = record.get(name)
    return float(value) if isinstance(value, int | float) and is_finite(value) else 0.0


def _is_value(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and is_finite(value))


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
