"""Timed text as files: for people, for players, for phoneticians and for scoring tools.

txt        a line a segment
json       Whisper's fields: text, language (if known), segments of id, start, end, text,
           words of word, start, end, probability.
           Beyond them: duration, confidence of the whole and of segments, tokens of words,
           "low": true of marked words, coverage (seconds, see `Coverage`), warnings (if any),
           command of a segment that is one: its name, slots and score.
srt, vtt   subtitles, see `subtitles`
tsv        Whisper's: start and end of each segment in milliseconds, text
ctm        NIST's: recording, channel, start, duration, word, confidence;
           white space in the recording's name becomes _
TextGrid   Praat's long form: a tier of words and one of tokens
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from asr.errors import ConfigError
from asr.files import atomic, fitting
from asr.text.subtitles import Spoken, Subtitle, subtitles
from asr.text.timed import Segment, TimedText, Token, Word
from asr.units import Seconds

Format: TypeAlias = Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid"]

FORMATS: tuple[Format, ...] = get_args(Format)
LINES: tuple[Format, ...] = ("txt", "srt", "vtt", "tsv", "ctm")
"""What is written line by line; the others say first what comes later."""

STANDARD_OUTPUT = Path("-")
"""In place of a folder for files."""


def render_timed_text(text: TimedText, form: Format, name: str) -> str:
    """Put a text in one form, whole lines of it.

    Args:
        text: the text of one recording.
        form: see the head of this file.
        name: of the recording, which CTM states.
    """
    return "".join(_rendered(text, form, name))


def _rendered(text: TimedText, form: Format, name: str) -> Iterator[str]:
    """Piece by piece, so that a long text need not be in memory."""
    if form == "json":
        return _json(text)
    return _text_grid(text) if form == "TextGrid" else render_lines(text, form, name)


def render_lines(text: Spoken, form: Format, name: str) -> Iterator[str]:
    """Put a text in a form of `LINES`, each segment as soon as it is there.

    Subtitles wait for the next segment. Of a text that is being found, nothing is asked for that
    comes later.

    Args:
        text: the text of one recording.
        form: one of `LINES`.
        name: as in `render_timed_text`.
    """
    match form:
        case "txt":
            yield from (f"{segment.text}\n" for segment in text.segments)
        case "tsv":
            rows = (f"{_milliseconds(s.start)}\t{_milliseconds(s.end)}\t{s.text}\n" for s in text.segments)
            yield from _headed("start\tend\ttext\n", rows)
        case "ctm":
            recording = _joined(name)
            for word in _words(text):
                length, sure = word.end - word.start, word.confidence
                yield f"{recording} 1 {word.start:.3f} {length:.3f} {word.text} {sure:.3f}\n"
        case "srt":
            yield from (render_srt(number, shown) for number, shown in enumerate(subtitles(text), start=1))
        case "vtt":
            cues = (
                f"{_clock(shown.start, '.')} --> {_clock(shown.end, '.')}\n" + _escaped("\n".join(shown.lines)) + "\n\n"
                for shown in subtitles(text)
            )
            yield from _headed("WEBVTT\n\n", cues)
        case _:
            raise ValueError(f"{form} is no form of lines")


def render_srt(number: int, shown: Subtitle) -> str:
    """One subtitle of SRT."""
    times = f"{_clock(shown.start, ',')} --> {_clock(shown.end, ',')}"
    return f"{number}\n{times}\n" + "\n".join(shown.lines) + "\n\n"


def write_timed_text(text: TimedText, form: Format, path: Path) -> None:
    """Write a text to a file, whole or not at all; CTM calls the recording as the file is called.

    Raises:
        AsrError: if it cannot be written.
    """
    # A name of another encoding, which CTM states, is escaped.
    with (
        atomic(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.writelines(_rendered(text, form, path.stem))


def destinations(
    stems: Iterable[Path], forms: Iterable[Format], folder: Path | None, *, again: bool = False
) -> dict[Path, dict[Format, Path]]:
    """Name the files for the texts of recordings: STEM.FORM for each, shortened if need be.

    Args:
        stems: of the recordings: paths without ending.
        forms: what is written of each.
        folder: where they lie, with the folders of their stems; None is beside the recordings.
        again: whether a text beside a recording may exist, since an earlier run has written it.

    Raises:
        ConfigError: if two recordings want the same file, or a text beside a recording exists (it
            may be its transcript).
    """
    named: dict[Path, dict[Format, Path]] = {}
    taken: set[Path] = set()
    for stem in stems:
        place = stem if folder is None else folder / stem
        named[stem] = {form: place.with_name(fitting(place.name, f".{form}")) for form in forms}
        for form, path in named[stem].items():
            if path in taken:
                raise ConfigError(
                    f"two recordings would be written to {path}; rename one, or name folders: what is below them stays apart"
                )
            if folder is None and form == "txt" and not again and path.exists():
                raise ConfigError(f"{path} exists and may be a transcript; name a folder with --out, or another format")
            taken.add(path)
    return named


def distinct(stems: Sequence[Path]) -> list[Path]:
    """Name recordings so that one list can hold them all.

    The last part of a stem is the name, if it is this recording's alone. Else it is the whole stem,
    with a number if that recurs, too. CTM's `_` for white space is
    considered.
    """
    often = Counter(_joined(stem.name) for stem in stems)
    wanted = [stem if often[_joined(stem.name)] > 1 else Path(stem.name) for stem in stems]
    taken = {_joined(str(name)) for name in wanted}
    seen: set[str] = set()
    names = []
    for name in wanted:
        found, number = name, 1
        while _joined(str(found)) in (taken if number > 1 else seen):
            number += 1
            found = name.with_name(f"{name.name}-{number}")
        seen.add(_joined(str(found)))
        taken.add(_joined(str(found)))
        names.append(found)
    return names


def _joined(name: str) -> str:
    """A name without white space, which parts the columns of CTM."""
    return "_".join(name.split())


def _headed(head: str, rows: Iterator[str]) -> Iterator[str]:
    """Ask for the first row before the head: a recording that cannot be read has neither."""
    first = next(rows, "")
    yield head + first
    yield from rows


def _words(text: Spoken) -> Iterator[Word]:
    return (word for segment in text.segments for word in segment.words)


def _json(text: TimedText) -> Iterator[str]:
    """As `json.dumps` with an indent of 1, segment by segment."""
    head, tail = {"text": text.text}, _about(text)
    yield f"{_dumped(head)[:-2]},\n"
    described = (_dumped(describe_segment(number, segment)) for number, segment in enumerate(text.segments))
    segments = ("  " + segment.replace("\n", "\n  ") for segment in described)
    first = next(segments, None)
    yield ' "segments": []' if first is None else f' "segments": [\n{first}'
    yield from (f",\n{segment}" for segment in segments)
    yield ("" if first is None else "\n ]") + f",\n{_dumped(tail)[2:]}\n"


def _dumped(described: dict[str, Any]) -> str:
    return json.dumps(described, ensure_ascii=False, indent=1)


def describe_segment(number: int, segment: Segment) -> dict[str, Any]:
    """What JSON says of a segment."""

    def described(part: Word | Token, kind: str) -> dict[str, Any]:
        return {
            kind: part.text,
            "start": round(part.start, 3),
            "end": round(part.end, 3),
            "probability": round(part.confidence, 4),
        }

    return {
        "id": number,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "confidence": round(segment.confidence, 4),
        **({"command": asdict(segment.command)} if segment.command else {}),
        "words": [
            described(word, "word")
            | ({"low": True} if word.unsure else {})
            | {"tokens": [described(token, "token") for token in word.tokens]}
            for word in segment.words
        ],
    }


def _about(text: TimedText) -> dict[str, Any]:
    """What JSON says of the whole."""
    return {
        **({"language": text.language} if text.language else {}),
        "duration": round(text.duration, 3),
        "confidence": round(text.confidence, 4),
        **({"coverage": {name: round(s, 2) for name, s in asdict(text.coverage).items()}} if text.coverage else {}),
        **({"warnings": list(text.warnings)} if text.warnings else {}),
    }


def _text_grid(text: TimedText) -> Iterator[str]:
    def words() -> Iterator[Word | Token]:
        return _words(text)

    def tokens() -> Iterator[Word | Token]:
        return (token for word in _words(text) for token in word.tokens)

    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0\nxmax = {text.duration:.6f}\ntiers? <exists>\nsize = 2\nitem []:\n"
    for number, (name, parts) in enumerate((("words", words), ("tokens", tokens)), start=1):
        size = sum(1 for _ in _tiled(parts(), text.duration))
        yield f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n'
        yield f"        xmin = 0\n        xmax = {text.duration:.6f}\n        intervals: size = {size}\n"
        for index, (start, end, label) in enumerate(_tiled(parts(), text.duration), start=1):
            yield f"        intervals [{index}]:\n            xmin = {start:.6f}\n            xmax = {end:.6f}\n"
            yield '            text = "{}"\n'.format(label.replace('"', '""'))


def _tiled(parts: Iterable[Word | Token], duration: Seconds) -> Iterator[tuple[Seconds, Seconds, str]]:
    """Fill what no interval covers with empty ones, as Praat wants it, to the microsecond."""
    at = 0.0
    intervals = ((part.start, part.end, part.text) for part in parts)
    for start, end, label in chain(intervals, [(duration, duration, "")]):
        start, end = round(start, 6), round(end, 6)
        if start > at:
            yield at, start, ""
        if end > start:
            yield start, end, label
        at = end


def _milliseconds(seconds: Seconds) -> int:
    return round(1000 * seconds)


def _clock(seconds: Seconds, mark: str) -> str:
    minutes, milliseconds = divmod(_milliseconds(seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
