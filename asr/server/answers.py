"""Timed text -> the answers of OpenAI's API."""

import json
import math
import zlib
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Literal, TypeAlias, get_args

from asr.text.formats import render_timed_text
from asr.text.timed import Segment, TimedText, Word

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity: TypeAlias = Literal["segment", "word"]
FORMATS: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
UNKNOWN = "und"
"""A language that nobody has named (BCP 47)."""


def plain(timed: TimedText, form: Literal["text", "srt", "vtt"]) -> str:
    """The text, or subtitles."""
    return timed.text + "\n" if form == "text" else render_timed_text(timed, form, "")


def brief(timed: TimedText, *, logprobs: bool) -> dict[str, Any]:
    """What `json` holds; with the log-probabilities of tokens if they are wanted."""
    found: dict[str, Any] = {"text": timed.text, "usage": usage(timed)}
    if logprobs:
        found["logprobs"] = token_logprobs(timed.words)
    return found | warnings(timed)


def verbose(timed: TimedText, granularities: Collection[Granularity]) -> dict[str, Any]:
    """What `verbose_json` holds."""
    found = {
        "task": "transcribe",
        "language": timed.language or UNKNOWN,
        "duration": round(timed.duration, 3),
        "text": timed.text,
        "confidence": round(timed.confidence, 4),
    }
    if "word" in granularities:
        found["words"] = [_word(word) for word in timed.words]
    if "segment" in granularities:
        found["segments"] = [_segment(number, segment) for number, segment in enumerate(timed.segments)]
    return found | {"usage": usage(timed)} | warnings(timed)


def usage(timed: TimedText) -> dict[str, Any]:
    """Seconds that have begun."""
    return {"type": "duration", "seconds": math.ceil(timed.duration)}


def warnings(timed: TimedText) -> dict[str, Any]:
    """What was amiss with the recording, if anything was."""
    return {"warnings": list(timed.warnings)} if timed.warnings else {}


def timed_words(segment: Segment) -> dict[str, Any]:
    """The words of a segment with their times, and the command that they are."""
    return {"words": [_word(word) for word in segment.words]} | _command(segment)


def token_logprobs(words: Collection[Word]) -> list[dict[str, Any]]:
    """The tokens of words; those of the first of each begin with a space, but at the start."""
    found = []
    for number, word in enumerate(words):
        for place, token in enumerate(word.tokens):
            text = " " * (number > 0 and place == 0) + token.text
            found.append({"token": text, "logprob": _log(token.confidence), "bytes": list(text.encode())})
    return found


def event(kind: str, **fields: Any) -> str:
    """A server-sent event."""
    return f"data: {json.dumps({'type': kind} | fields, ensure_ascii=False)}\n\n"


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """OpenAI's fields; those that say nothing here have the value of a segment without doubt."""
    logs = [_log(token.confidence) for word in segment.words for token in word.tokens]
    data = segment.text.encode()
    return {
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
    } | _command(segment)


def _command(segment: Segment) -> dict[str, Any]:
    return {} if segment.command is None else {"command": asdict(segment.command)}


def _log(probability: float) -> float:
    return round(math.log(max(probability, 1e-10)), 5)
