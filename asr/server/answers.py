"""Timed text -> the answers of OpenAI's API."""

import json
import math
import zlib
from collections.abc import Collection
from typing import Any, Literal, TypeAlias, get_args

from typing_extensions import NotRequired, TypedDict  # Pydantic wants these before Python 3.12

from asr.text.formats import render_timed_text
from asr.text.timed import Command, Segment, TimedText, Word

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity: TypeAlias = Literal["segment", "word"]
FORMATS: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
UNKNOWN = "und"
"""A language that nobody has named (BCP 47)."""


class LogProb(TypedDict):
    """A token, and how probable it is."""

    token: str
    logprob: float
    bytes: list[int]


class Usage(TypedDict):
    """Seconds of sound that have begun."""

    type: Literal["duration"]
    seconds: int


class TimedWord(TypedDict):
    """A word, from when to when, and how sure it is."""

    word: str
    start: float
    end: float
    confidence: float
    low: NotRequired[Literal[True]]


class CommandFound(TypedDict):
    """What a phrase of a grammar asks for."""

    name: str
    slots: dict[str, str]
    score: float


class TimedSegment(TypedDict):
    """OpenAI's fields; those that say nothing here have the value of a segment without doubt."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    confidence: float
    command: NotRequired[CommandFound]


class Brief(TypedDict):
    """What `json` holds."""

    text: str
    usage: Usage
    logprobs: NotRequired[list[LogProb]]
    warnings: NotRequired[list[str]]


class Verbose(TypedDict):
    """What `verbose_json` holds."""

    task: Literal["transcribe"]
    language: str
    duration: float
    text: str
    confidence: float
    usage: Usage
    words: NotRequired[list[TimedWord]]
    segments: NotRequired[list[TimedSegment]]
    warnings: NotRequired[list[str]]


def plain(timed: TimedText, form: Literal["text", "srt", "vtt"]) -> str:
    """The text, or subtitles."""
    return timed.text + "\n" if form == "text" else render_timed_text(timed, form, "")


def brief(timed: TimedText, *, logprobs: bool) -> Brief:
    """What `json` holds; with the log-probabilities of tokens if they are wanted."""
    found: Brief = {"text": timed.text, "usage": usage(timed)}
    if logprobs:
        found["logprobs"] = token_logprobs(timed.words)
    if timed.warnings:
        found["warnings"] = list(timed.warnings)
    return found


def verbose(timed: TimedText, granularities: Collection[Granularity]) -> Verbose:
    """What `verbose_json` holds."""
    found: Verbose = {
        "task": "transcribe",
        "language": timed.language or UNKNOWN,
        "duration": round(timed.duration, 3),
        "text": timed.text,
        "confidence": round(timed.confidence, 4),
        "usage": usage(timed),
    }
    if "word" in granularities:
        found["words"] = [_word(word) for word in timed.words]
    if "segment" in granularities:
        found["segments"] = [_segment(number, segment) for number, segment in enumerate(timed.segments)]
    if timed.warnings:
        found["warnings"] = list(timed.warnings)
    return found


def usage(timed: TimedText) -> Usage:
    """Seconds that have begun."""
    return {"type": "duration", "seconds": math.ceil(timed.duration)}


def warnings(timed: TimedText) -> dict[str, Any]:
    """What was amiss with the recording, if anything was."""
    return {"warnings": list(timed.warnings)} if timed.warnings else {}


def timed_words(segment: Segment) -> dict[str, Any]:
    """The words of a segment with their times, and the command that they are."""
    found: dict[str, Any] = {"words": [_word(word) for word in segment.words]}
    return found if segment.command is None else found | {"command": _command(segment.command)}


def token_logprobs(words: Collection[Word]) -> list[LogProb]:
    """The tokens of words; those of the first of each begin with a space, but at the start."""
    found: list[LogProb] = []
    for number, word in enumerate(words):
        for place, token in enumerate(word.tokens):
            text = " " * (number > 0 and place == 0) + token.text
            found.append({"token": text, "logprob": _log(token.confidence), "bytes": list(text.encode())})
    return found


def event(kind: str, **fields: Any) -> str:
    """A server-sent event."""
    return f"data: {json.dumps({'type': kind} | fields, ensure_ascii=False)}\n\n"


def _word(word: Word) -> TimedWord:
    found: TimedWord = {
        "word": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }
    if word.unsure:
        found["low"] = True
    return found


def _segment(number: int, segment: Segment) -> TimedSegment:
    logs = [_log(token.confidence) for word in segment.words for token in word.tokens]
    data = segment.text.encode()
    found: TimedSegment = {
        "id": number,
        "seek": round(100 * segment.start),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(logs) / max(1, len(logs)),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 3),
        "no_speech_prob": 0.0,
        "confidence": round(segment.confidence, 4),
    }
    if segment.command is not None:
        found["command"] = _command(segment.command)
    return found


def _command(command: Command) -> CommandFound:
    return {"name": command.name, "slots": dict(command.slots), "score": command.score}


def _log(probability: float) -> float:
    return round(math.log(max(probability, 1e-10)), 5)
