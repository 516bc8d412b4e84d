"""NIST's files: segments with their texts (STM) and words with their times (CTM)."""

import re
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from asr.scoring.entries import TranscriptEntry, Value, parse_lines, read_bytes
from asr.units import Seconds

OUTSIDE = "outside segments"
"""Speaker and end of the id of words that are in no segment of their recording."""
_STM_FORM = "file channel speaker begin end <label> text"
_STM_LABEL = re.compile(r"<[^<>\s]*>")
_STM_IGNORED = ("ignore_time_segment_in_scoring", "ignoretimesegmentinscoring")
_MARKERS = {"<alt_begin>": "{", "<alt>": "/", "<alt_end>": "}"}

LONGEST: Seconds = 1e12
"""No time is later, be it counted from 1970."""

_Channel = tuple[str, str]
"""A file and its channel, in small letters."""


@dataclass(frozen=True, slots=True)
class CtmWord:
    """A line of a CTM file."""

    recording: str
    channel: str
    middle: Seconds
    text: str


def read_stm(path: Path, *, ignored: bool = False) -> list[TranscriptEntry]:
    """Read the segments of an STM file.

    Args:
        path: the file.
        ignored: read only those that are to be ignored in scoring, in place of the others.

    Raises:
        DataError: if it cannot be read, or a line is faulty.
    """
    lines = parse_lines(path, read_bytes(path), _parse_stm, _STM_FORM, empty=ignored)
    return [segment for _, segment in lines if _is_ignored(segment) == ignored]


def _is_ignored(segment: TranscriptEntry) -> bool:
    return any(sign in segment.text.lower() for sign in _STM_IGNORED)


def read_ctm(path: Path, *, empty: bool = False) -> list[CtmWord]:
    """Read the words of a CTM file.

    Alternatives (`<ALT_BEGIN>`, `<ALT>`, `<ALT_END>`) come as the words {, / and }.

    Args:
        path: the file.
        empty: whether it may have no words.

    Raises:
        DataError: if it cannot be read, or a line is faulty.
    """
    lines = parse_lines(path, read_bytes(path), _parse_ctm, "file channel begin duration word", empty=empty)
    words = [word for _, word in lines]
    for place, word in enumerate(words):
        if word.text == "{" and word.middle < 0:
            end = next((n for n in range(place, len(words)) if words[n].text == "}"), len(words) - 1)
            block = words[place : end + 1]  # all of it belongs where its last word is, as in sclite
            middle = max(0.0, *(other.middle for other in block))
            words[place : end + 1] = [replace(other, middle=middle) for other in block]
    return words


def read_segmented_ctm(
    path: Path,
    segments: Mapping[str, TranscriptEntry],
    *,
    ignored: Sequence[TranscriptEntry] = (),
    like_sclite: bool = False,
) -> dict[str, str]:
    """Read a CTM file by the segments of an STM file: a word belongs where its middle lies.

    Letter case of files and channels does not matter. On a border that two segments share, the
    later one has the word. Of segments that overlap it goes to the one whose own middle is nearest,
    of equal ones to the lowest id. A word in no segment of its recording comes back under
    "file-channel-outside segments"; a system that invents words in silence must not look better. A
    word of another recording has an id of its own (file-channel-middle). It is then listed as
    extra, and not counted. A file without words is a system that heard nothing.

    Args:
        path: the file.
        segments: by id.
        ignored: segments whose words count nowhere.
        like_sclite: whether words between segments belong to the next one, or after the last one to
            that.

    Raises:
        DataError: as `read_transcripts` does.
    """
    words = read_ctm(path, empty=True)
    words_of: dict[_Channel, list[CtmWord]] = defaultdict(list)
    for word in words:
        words_of[word.recording.lower(), word.channel.lower()].append(word)
    segments_of: dict[_Channel, list[TranscriptEntry]] = defaultdict(list)
    for segment in (*segments.values(), *ignored):
        segments_of[str(segment.fields["file"]).lower(), str(segment.fields["channel"]).lower()].append(segment)
    place = _next_of_each if like_sclite else _segment_of_each
    ids = {name: iter(place(them, segments_of[name])) for name, them in words_of.items() if name in segments_of}
    nowhere = {segment.id for segment in ignored} - segments.keys()
    found: dict[str, list[CtmWord]] = {id: [] for id in segments}
    for word in words:
        name = f"{word.recording}-{word.channel}"
        channel = word.recording.lower(), word.channel.lower()
        id = next(ids[channel]) or f"{name}-{OUTSIDE}" if channel in ids else f"{name}-{word.middle:.2f}"
        if id not in nowhere:
            found.setdefault(id, []).append(word)
    return {id: in_order(them) for id, them in found.items()}


def _half_microseconds(segment: TranscriptEntry) -> tuple[int, int]:
    """Begin and end, whole, to compare them with middles of words without rounding."""
    begin = round(float(segment.fields["begin"]) * 1e6)
    return 2 * begin, 2 * (begin + round(float(segment.fields["duration"]) * 1e6))


def _next_of_each(words: Sequence[CtmWord], segments: Sequence[TranscriptEntry]) -> list[str | None]:
    """Find for each word of one recording the first segment that ends after it, or the last."""
    spans = sorted((*_half_microseconds(segment), segment.id) for segment in segments)
    ends = list(accumulate((end for _, end, _ in spans), max))
    places = (bisect_right(ends, round(word.middle * 2e6)) for word in words)
    return [spans[min(place, len(spans) - 1)][2] for place in places]


def _segment_of_each(words: Sequence[CtmWord], segments: Sequence[TranscriptEntry]) -> list[str | None]:
    """Find the segment of each word of one recording; None for a word in no segment.

    A sweep through the recording keeps the segments under way in the order of their middles, so a
    word meets no more than two. A segment's end belongs to it if no other one is under way.
    """
    spans = [(*_half_microseconds(segment), segment.id) for segment in segments]
    starting = deque(sorted((begin, ((begin + end) // 2, id)) for begin, end, id in spans))
    ending = deque(sorted((end, ((begin + end) // 2, id)) for begin, end, id in spans))
    under_way: list[tuple[int, str]] = []  # middle, id
    found: list[str | None] = [None] * len(words)
    ended: list[tuple[int, str]] = []  # the last ones that ended, all at one time
    ended_at = -1
    for number in sorted(range(len(words)), key=lambda number: words[number].middle):
        time = round(words[number].middle * 2e6)
        while starting and starting[0][0] <= time:
            insort(under_way, starting.popleft()[1])
        while ending and ending[0][0] <= time:
            end, segment = ending.popleft()
            del under_way[bisect_left(under_way, segment)]
            ended = [*ended, segment] if ended_at == end else [segment]
            ended_at = end
        place = bisect_left(under_way, (time, ""))
        near = under_way[place : place + 1]
        if place:
            middle, _ = under_way[place - 1]
            near.append(under_way[bisect_left(under_way, (middle, ""))])
        if not near and ended_at == time:
            near = ended
        found[number] = min(((abs(time - middle), id) for middle, id in near), default=(0, None))[1]
    return found


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
    return TranscriptEntry(f"{name}-{channel}-{begin:.2f}-{end:.2f}", " ".join(words), fields)


def _parse_ctm(line: str) -> CtmWord | None:
    if line.startswith(";;"):
        return None
    parts = line.split()
    if not 5 <= len(parts) <= 8:
        raise ValueError(f"has {len(parts)} fields instead of 5 to 8")
    if marker := _MARKERS.get(parts[4].lower()):
        return CtmWord(parts[0], parts[1], -1.0, marker)
    begin, duration = map(_seconds, parts[2:4])
    return CtmWord(parts[0], parts[1], begin + duration / 2, parts[4])


def in_order(words: Sequence[CtmWord]) -> str:
    """Put words in the order of time."""
    return " ".join(word.text for word in sorted(words, key=lambda word: word.middle))


def _seconds(text: str) -> Seconds:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < LONGEST:
        raise ValueError(f"{text!r} is not a time in seconds")
    return seconds
