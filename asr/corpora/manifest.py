"""NeMo's manifests: a JSON object a line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.config import is_finite
from asr.corpora.lines import read_lines
from asr.corpora.source import written
from asr.corpora.table import LANGUAGE, SPEAKER, Row
from asr.corpora.utterance import Problem, Utterance
from asr.files import opened
from asr.text.delimited import AUDIO, ID, TEXT, column_name, without_ending


def read_manifest(path: Path, language: str | None = None) -> tuple[list[Row], list[Problem]]:
    """Read the utterances of a manifest.

    Its fields are audio_filepath and text, and if they are there offset, duration, speaker, id,
    split and lang. They may also be called as in `read_table`. Relative audio paths start from the
    manifest's folder. Without an id, the path without its ending is one, with the offset if that is
    not zero.

    Raises:
        DataError: if the file cannot be read.
    """
    lines, problems = read_lines(path)
    rows = []
    for number, line in lines:
        where = f"{path}:{number}"
        entry = _parse(line)
        if isinstance(entry, str):
            problems.append(Problem(where, entry))
            continue
        offset = entry.get("offset") or 0.0
        name = without_ending(entry["audio_filepath"]) + (f"@{offset:g}" if offset else "")
        utterance = Utterance(
            id=str(_field(entry, ID) or name),
            audio=written(path.parent, entry["audio_filepath"]),
            text=entry["text"],
            where=where,
            speaker=None if (speaker := _field(entry, SPEAKER)) is None else str(speaker),
            start=offset,
            duration=entry.get("duration"),
            language=_field(entry, LANGUAGE) or language,
        )
        rows.append(Row(utterance, str(entry.get("split") or "").lower()))
    return rows, problems


def lhotse_kind(path: Path) -> str | None:
    """Tell a manifest of lhotse's own by its first line: "cuts", "recordings" or "supervisions".

    None is any other file.

    Raises:
        DataError: if the file cannot be read.
    """
    with opened(path) as file:
        first = file.readline()
    try:
        entry = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    if str(entry.get("type")).endswith("Cut"):
        return "cuts"
    if "sources" in entry:
        return "recordings"
    return "supervisions" if "recording_id" in entry else None


def _parse(line: str) -> dict[str, Any] | str:
    """Read one line: its fields, or what is wrong with it.

    Audio and text get the names that NeMo gives them.
    """
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        return f"is not JSON ({error.msg} at column {error.colno})"
    except ValueError:
        return "holds a number of thousands of digits"
    except RecursionError:
        return "is nested too deeply"
    if not isinstance(entry, dict):
        return "is not a JSON object"
    entry = {column_name(name): value for name, value in entry.items()}
    entry |= {"audio_filepath": _field(entry, AUDIO), "text": _field(entry, TEXT)}
    for field in ("audio_filepath", "text"):
        if not isinstance(entry.get(field), str) or not (field == "text" or without_ending(entry[field])):
            return f"has no {field}, or it is not a string"
    for field in ("offset", "duration"):
        value = entry.get(field)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value)
        ):
            return f"{field} is {str(value)[:50]!r}, not a number of seconds"
    return entry


def _field(entry: dict[str, Any], names: Sequence[str]) -> Any:
    """The first of the fields that is there and not null."""
    return next((entry[name] for name in names if entry.get(name) is not None), None)
