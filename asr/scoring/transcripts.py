"""Files of transcripts by utterance id, in the forms that recognisers and corpora write.

The file's ending says the form:

    .trn            text (id)                          sclite's: a line ends in (id)
    .stm            file channel speaker begin end     NIST's segments;
                    <...> text                         the id is file-channel-begin-end
    .ctm            file channel begin duration word   NIST's words with times;
                                                       see `read_segmented_ctm`
    .jsonl, .json   {"id": ..., "text": ...}           one object a line:
                                                       NeMo's manifests, lhotse's cuts
    anything else   id text                            Kaldi's: an id alone is the empty text

JSON may be gzipped (.jsonl.gz). Files are UTF-8, with or without a byte order mark; lines end in
LF, CRLF or CR. White space (tabs too) between words comes out as single spaces. Nothing else about
a text changes, in whichever direction it runs. Blank lines are passed over, and in STM and CTM
comments (;;).
"""

import codecs
import json
import re
from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from asr.errors import DataError
from asr.files import atomic, opened, without_gz
from asr.units import Seconds

T = TypeVar("T")
Value: TypeAlias = str | float

_TRN_LINE = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)", re.DOTALL)
_STM_LABEL = re.compile(r"<[^<>\s]*>")
_STM_IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
_JSON_SUFFIXES = frozenset({".jsonl", ".json"})
_ID_FIELDS = ("id", "utt_id", "audio_filepath")
_NO_FIELDS = frozenset({*_ID_FIELDS, "text", "pred_text", "type", "start", "offset", "channel", "recording_id"})
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


@dataclass(frozen=True, slots=True)
class CtmWord:
    """A line of a CTM file."""

    recording: str
    channel: str
    middle: Seconds
    text: str


def read_texts(path: Path, *, hypotheses: bool = False) -> dict[str, str]:
    """Read the texts alone, by utterance id: see `read_transcripts`."""
    return {id: utterance.text for id, utterance in read_transcripts(path, hypotheses=hypotheses).items()}


def read_transcripts(path: Path, *, hypotheses: bool = False) -> dict[str, TranscriptEntry]:
    """Read a file of transcripts, in its own order.

    A JSON object's id is its first field of `id`, `utt_id` and `audio_filepath`: a string or a
    whole number. Its text is `text`, or that of its supervisions. In a file of hypotheses that
    has `pred_text` anywhere it is `pred_text` everywhere. There `text` is the reference, and a line
    without `pred_text` must not pass for a perfect one. In a CTM file read by itself, utterances
    are its recordings.

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
        for word in _read_ctm(path):
            words[word.recording].append(word)
        if mixed := next((name for name, them in words.items() if len({word.channel for word in them}) > 1), None):
            raise DataError(f"{path}: {mixed} has several channels, which only a reference in STM tells apart")
        return {name: TranscriptEntry(name, _in_order(them)) for name, them in words.items()}
    data = _read_bytes(path)
    parse: Callable[[str], TranscriptEntry | None]
    if form == ".trn":
        parse, line = _parse_trn, "text (id)"
    elif form == ".stm":
        parse, line = _parse_stm, "file channel speaker begin end <label> text"
    elif form in _JSON_SUFFIXES:
        text_field = "pred_text" if hypotheses and b'"pred_text"' in data else "text"
        parse, line = (
            partial(_parse_json, text_field=text_field, folder=path.parent),
            f'{{"id": ..., "{text_field}": ...}}',
        )
    else:
        parse, line = _parse_kaldi, "id text"
    return {utterance.id: utterance for _, utterance in _parsed(path, data, parse, line)}


def read_numbered_lines(path: Path) -> dict[str, TranscriptEntry]:
    """Read a text a line, by line number; an empty line is the empty text.

    Raises:
        DataError: if the file is missing, has no line at all or lines that are not UTF-8.
    """
    lines = _parsed(path, _read_bytes(path), lambda line: line, "text", blank=True)
    return {str(number): TranscriptEntry(str(number), " ".join(line.split())) for number, line in lines}


def read_segmented_ctm(path: Path, segments: Mapping[str, TranscriptEntry]) -> dict[str, str]:
    """Read a CTM file by the segments of an STM file: a word belongs where its middle lies.

    Of segments that overlap it goes to the one whose own middle is nearest, of equal ones to the
    lowest id. A word in no segment comes back under an id of its own (file-channel-middle). It is
    then listed as extra, and not counted.

    Raises:
        DataError: as `read_transcripts` does.
    """
    words = _read_ctm(path)
    words_of: dict[tuple[Any, Any], list[CtmWord]] = defaultdict(list)
    for word in words:
        words_of[word.recording, word.channel].append(word)
    segments_of: dict[tuple[Any, Any], list[TranscriptEntry]] = defaultdict(list)
    for segment in segments.values():
        segments_of[segment.fields["file"], segment.fields["channel"]].append(segment)
    ids = {name: iter(_segment_of_each(them, segments_of[name])) for name, them in words_of.items()}
    found: dict[str, list[CtmWord]] = {id: [] for id in segments}
    for word in words:
        id = next(ids[word.recording, word.channel])
        found.setdefault(id or f"{word.recording}-{word.channel}-{word.middle:.2f}", []).append(word)
    return {id: _in_order(them) for id, them in found.items()}


def _segment_of_each(words: Sequence[CtmWord], segments: Iterable[TranscriptEntry]) -> list[str | None]:
    """Find the segment of each word of one recording; None for a word in no segment.

    A sweep through the recording keeps the segments under way in the order of their middles, so a
    word meets no more than two. Times are whole half microseconds, to compare them without
    rounding.
    """
    spans = [(round(float(s.fields["begin"]) * 1e6), round(float(s.fields["duration"]) * 1e6), s.id) for s in segments]
    starting = deque(sorted((2 * begin, (2 * begin + duration, id)) for begin, duration, id in spans))
    ending = deque(sorted((2 * (begin + duration), (2 * begin + duration, id)) for begin, duration, id in spans))
    under_way: list[tuple[int, str]] = []  # middle, id
    found: list[str | None] = [None] * len(words)
    for number in sorted(range(len(words)), key=lambda number: words[number].middle):
        time = round(words[number].middle * 2e6)
        while starting and starting[0][0] <= time:
            insort(under_way, starting.popleft()[1])
        while ending and ending[0][0] < time:
            del under_way[bisect_left(under_way, ending.popleft()[1])]
        place = bisect_left(under_way, (time, ""))
        near = under_way[place : place + 1]
        if place:
            middle, _ = under_way[place - 1]
            near.append(under_way[bisect_left(under_way, (middle, ""))])
        found[number] = min(((abs(time - middle), id) for middle, id in near), default=(0, None))[1]
    return found


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


def _suffix(path: Path) -> str:
    return without_gz(path).suffix.lower()


def _read_bytes(path: Path) -> bytes:
    with opened(path) as file:
        return file.read().removeprefix(codecs.BOM_UTF8)


def _parsed(
    path: Path, data: bytes, parse: Callable[[str], T | None], form: str, *, blank: bool = False
) -> list[tuple[int, T]]:
    """Parse every line that is not blank, and give it with its number.

    Lines for which `parse` gives none are left out.
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
        raise DataError(f"{path}:{shown}{more}; going by the file's ending, its lines are '{form}'")
    if not parsed:
        raise DataError(f"{path}: holds no transcripts")
    return parsed


def _parse_kaldi(line: str) -> TranscriptEntry:
    id, *words = line.split()
    return TranscriptEntry(id, " ".join(words))


def _parse_trn(line: str) -> TranscriptEntry:
    match = _TRN_LINE.fullmatch(line)
    if match is None:
        raise ValueError("does not end in an id in parentheses")
    return TranscriptEntry(match["id"], " ".join(match["text"].split()))


def _parse_stm(line: str) -> TranscriptEntry | None:
    if line.startswith(";;"):
        return None
    parts = line.split()
    if len(parts) < 5:
        raise ValueError(f"has {len(parts)} fields instead of 5 or more")
    name, channel, speaker, *times = parts[:5]
    begin, end = map(_seconds, times)
    if end < begin:
        raise ValueError(f"ends at {end:g} s, before it begins")
    words = parts[5:]
    fields: dict[str, Value] = {"file": name, "channel": channel, "speaker": speaker, "begin": begin}
    fields["duration"] = round(end - begin, 6)
    if words and _STM_LABEL.fullmatch(words[0]):
        fields["label"] = words.pop(0)
    if words == [_STM_IGNORED]:
        return None
    return TranscriptEntry(f"{name}-{channel}-{begin:.2f}-{end:.2f}", " ".join(words), fields)


def _read_ctm(path: Path) -> list[CtmWord]:
    return [word for _, word in _parsed(path, _read_bytes(path), _parse_ctm, "file channel begin duration word")]


def _parse_ctm(line: str) -> CtmWord | None:
    if line.startswith(";;"):
        return None
    parts = line.split()
    if not 5 <= len(parts) <= 8:
        raise ValueError(f"has {len(parts)} fields instead of 5 to 8")
    begin, duration = map(_seconds, parts[2:4])
    return CtmWord(parts[0], parts[1], begin + duration / 2, parts[4])


def _in_order(words: list[CtmWord]) -> str:
    return " ".join(word.text for word in sorted(words, key=lambda word: word.middle))


def _seconds(text: str) -> Seconds:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is not a time in seconds")
    return seconds


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
        f"{id}{text}".encode()
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    fields: dict[str, Value] = {}
    for part in (record, *_objects([record.get("custom")]), *supervisions):
        for source in (part, *_objects([part.get("custom")])):
            known = {k: v for k, v in source.items() if k not in _NO_FIELDS and isinstance(v, str | int | float)}
            fields = {name: str(v) if isinstance(v, bool) else v for name, v in known.items()} | fields
    return TranscriptEntry(id, " ".join(text.split()), fields, _clip(record, folder))


def _clip(record: Mapping[str, Any], folder: Path) -> Clip | None:
    """The audio of a NeMo or lhotse object; NeMo's paths start from the manifest's folder."""
    duration = record.get("duration")
    length = float(duration) if isinstance(duration, int | float) else None
    if isinstance(name := record.get("audio_filepath"), str):
        return Clip(folder / name, _begin(record, "offset"), length)
    for recording in _objects([record.get("recording")]):
        for source in _objects(recording.get("sources")):
            if source.get("type") == "file" and isinstance(source.get("source"), str):
                return Clip(Path(source["source"]), _begin(record), length)
    return None


def _begin(record: Mapping[str, Any], name: str = "start") -> Seconds:
    value = record.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
