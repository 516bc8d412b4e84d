"""Files of transcripts by utterance id, in the three forms that recognisers write.

The file's ending says the form:

    .trn            text (id)                    sclite's: a line ends in its id, in parentheses
    .jsonl, .json   {"id": ..., "text": ...}     one object a line, as in NeMo's manifests
    anything else   id text                      Kaldi's: an id alone is the empty text

Files are UTF-8, with or without a byte order mark, lines ending in LF, CRLF or CR. White space (tabs too) between words
comes out as single spaces; nothing else about a text changes, in whichever direction it is written. Blank lines are
passed over.
"""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from asr.errors import DataError
from asr.files import atomic

_TRN_LINE = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)", re.DOTALL)
_JSON_SUFFIXES = frozenset({".jsonl", ".json"})
_ID_FIELDS = ("id", "utt_id", "audio_filepath")
_FAULTS_SHOWN = 5


def read(path: Path, *, hypotheses: bool = False) -> dict[str, str]:
    """Read a file of transcripts, in its own order.

    A JSON object's id is its first field of `id`, `utt_id` and `audio_filepath`, a string or a whole number. Its text
    is `text`; but in a file of hypotheses that has `pred_text` anywhere it is `pred_text` everywhere, since `text` is
    the reference there and a line without `pred_text` must not pass for a perfect one.

    Args:
        path: the file.
        hypotheses: whether these are a recogniser's output rather than references.

    Raises:
        DataError: if the file is missing, has no transcript at all, or has lines that are not UTF-8, not of its form or
            of an id that came before; up to five such lines are named.
    """
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DataError(f"{path}: no transcripts to read ({error.strerror})") from None
    suffix = path.suffix.lower()
    parse: Callable[[str], tuple[str, str]]
    if suffix == ".trn":
        parse, form = _parse_trn, "text (id)"
    elif suffix in _JSON_SUFFIXES:
        text_field = "pred_text" if hypotheses and b'"pred_text"' in data else "text"
        parse, form = partial(_parse_json, text_field=text_field), f'{{"id": ..., "{text_field}": ...}}'
    else:
        parse, form = _parse_kaldi, "id text"
    transcripts: dict[str, str] = {}
    first_lines: dict[str, int] = {}
    faults: list[tuple[int, str]] = []
    for number, raw_line in enumerate(data.splitlines(), start=1):  # of bytes: U+2028 and its like part no lines
        try:
            line = raw_line.decode()
            if not line.strip():
                continue
            id, text = parse(line.strip())
            if id in first_lines:
                raise ValueError(f"id {id!r} is on line {first_lines[id]} already, and ids must be unique")
        except UnicodeDecodeError:
            faults.append((number, "not UTF-8 (iconv converts it)"))
        except ValueError as error:
            faults.append((number, str(error)))
        else:
            first_lines[id] = number
            transcripts[id] = " ".join(text.split())
    if faults:
        shown = "; line ".join(f"{number}: {fault}" for number, fault in faults[:_FAULTS_SHOWN])
        more = f"; and {len(faults) - _FAULTS_SHOWN} more such lines" if len(faults) > _FAULTS_SHOWN else ""
        raise DataError(f"{path}:{shown}{more}; going by the file's ending, its lines are '{form}'")
    if not transcripts:
        raise DataError(f"{path}: holds no transcripts")
    return transcripts


def write(path: Path, transcripts: Mapping[str, str]) -> None:
    """Write transcripts in the form of the file's ending, whole or not at all; `read` gives them back.

    Raises:
        DataError: if an id cannot stand in that form (white space, parentheses in TRN).
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
        else:
            lines.append((f"{words} ({id})" if suffix == ".trn" else f"{id} {words}").strip())
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _parse_kaldi(line: str) -> tuple[str, str]:
    id, *rest = line.split(maxsplit=1)
    return id, "".join(rest)


def _parse_trn(line: str) -> tuple[str, str]:
    match = _TRN_LINE.fullmatch(line)
    if match is None:
        raise ValueError("does not end in an id in parentheses")
    return match["id"], match["text"]


def _parse_json(line: str, *, text_field: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    id_field = next((field for field in _ID_FIELDS if field in record), None)
    if id_field is None:
        raise ValueError(f"has none of the fields {', '.join(_ID_FIELDS)}")
    id, text = record[id_field], record.get(text_field)
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id.strip():
        raise ValueError(f"field {id_field!r} must be a string that is not empty, got {id!r}")
    if not isinstance(text, str):
        raise ValueError(f"field {text_field!r} must be a string, got {text!r}")
    try:
        f"{id}{text}".encode()
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    return id, text
