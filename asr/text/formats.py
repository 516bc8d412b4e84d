"""Timed text as files: for people, for players, for phoneticians and for scoring tools.

txt        a line a segment
json       Whisper's fields: text, language (if known), segments of id, start, end, text,
           words of word, start, end, probability.
           Beyond them: duration, confidence of the whole and of segments, tokens of words,
           "low": true of marked words, coverage (seconds, see `Coverage`),
           command of a segment that is one: its name, slots and score.
srt, vtt   subtitles, see `subtitles`
tsv        Whisper's: start and end of each segment in milliseconds, text
ctm        NIST's: recording, channel, start, duration, word, confidence;
           white space in the recording's name becomes _
TextGrid   Praat's long form: a tier of words and one of tokens
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from asr.errors import ConfigError
from asr.files import atomic, fitting
from asr.text.subtitles import subtitles
from asr.text.timed import TimedText, Token, Word
from asr.units import Seconds

Format: TypeAlias = Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid"]

FORMATS: tuple[Format, ...] = get_args(Format)


def render_timed_text(text: TimedText, form: Format, name: str) -> str:
    """Put a text in one form, whole lines of it.

    Args:
        text: the text of one recording.
        form: see the head of this file.
        name: of the recording, which CTM states.
    """
    match form:
        case "txt":
            return "".join(f"{segment.text}\n" for segment in text.segments)
        case "json":
            return json.dumps(_json(text), ensure_ascii=False, indent=1) + "\n"
        case "srt":
            return "".join(
                f"{number}\n{_clock(shown.start, ',')} --> {_clock(shown.end, ',')}\n" + "\n".join(shown.lines) + "\n\n"
                for number, shown in enumerate(subtitles(text), start=1)
            )
        case "vtt":
            cues = (
                f"{_clock(shown.start, '.')} --> {_clock(shown.end, '.')}\n" + _escaped("\n".join(shown.lines)) + "\n\n"
                for shown in subtitles(text)
            )
            return "WEBVTT\n\n" + "".join(cues)
        case "tsv":
            rows = (f"{_milliseconds(s.start)}\t{_milliseconds(s.end)}\t{s.text}\n" for s in text.segments)
            return "start\tend\ttext\n" + "".join(rows)
        case "ctm":
            recording = _joined(name)
            return "".join(
                f"{recording} 1 {w.start:.3f} {w.end - w.start:.3f} {w.text} {w.confidence:.3f}\n" for w in text.words
            )
        case "TextGrid":
            return _text_grid(text)


def write_timed_text(text: TimedText, form: Format, path: Path) -> None:
    """Write a text to a file, whole or not at all; CTM calls the recording as the file is called.

    Raises:
        AsrError: if it cannot be written.
    """
    with atomic(path) as temporary:
        content = render_timed_text(text, form, path.stem)
        # A name of another encoding, which CTM states, is escaped.
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")


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


def _json(text: TimedText) -> dict[str, Any]:
    def described(part: Word | Token, kind: str) -> dict[str, Any]:
        times = {"start": round(part.start, 3), "end": round(part.end, 3)}
        return {kind: part.text, **times, "probability": round(part.confidence, 4)}

    return {
        "text": text.text,
        "segments": [
            {
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
            for number, segment in enumerate(text.segments)
        ],
        **({"language": text.language} if text.language else {}),
        "duration": round(text.duration, 3),
        "confidence": round(text.confidence, 4),
        **({"coverage": {name: round(s, 2) for name, s in asdict(text.coverage).items()}} if text.coverage else {}),
    }


def _text_grid(text: TimedText) -> str:
    tiers: dict[str, list[Word | Token]] = {
        "words": list(text.words),
        "tokens": [token for word in text.words for token in word.tokens],
    }
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {text.duration:.6f}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, parts) in enumerate(tiers.items(), start=1):
        intervals = _tiled([(part.start, part.end, part.text) for part in parts], text.duration)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += [
            "        xmin = 0",
            f"        xmax = {text.duration:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start, end, label) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {end:.6f}",
            ]
            lines.append('            text = "{}"'.format(label.replace('"', '""')))
    return "\n".join(lines) + "\n"


def _tiled(parts: Iterable[tuple[Seconds, Seconds, str]], duration: Seconds) -> list[tuple[Seconds, Seconds, str]]:
    """Fill what no interval covers with empty ones, as Praat wants it, to the microsecond."""
    tiled: list[tuple[Seconds, Seconds, str]] = []
    at = 0.0
    for start, end, label in [*parts, (duration, duration, "")]:
        start, end = round(start, 6), round(end, 6)
        if start > at:
            tiled.append((at, start, ""))
        if end > start:
            tiled.append((start, end, label))
        at = end
    return tiled


def _milliseconds(seconds: Seconds) -> int:
    return round(1000 * seconds)


def _clock(seconds: Seconds, mark: str) -> str:
    minutes, milliseconds = divmod(_milliseconds(seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
