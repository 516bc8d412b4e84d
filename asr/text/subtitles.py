"""Timed text -> subtitles within broadcasters' limits, as far as people's speech allows.

    two lines of 42 characters (wide ones, as in Chinese, count double)
    5/6 to 7 seconds each
    17 characters a second or slower

These are the figures of common style guides for adults' programmes. Netflix has 42 characters, two
lines, 5/6 to 7 s, and 17 to 20 characters a second, by language. The BBC has 160 to 180 words a
minute. Text is never shortened. A subtitle begins with its first word. It stays after its last word
for as long as it takes to read, but leaves before the next one comes. Only where someone speaks
faster than 17 characters a second, without a pause, is it faster too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from rich.cells import cell_len, chop_cells

from asr.text.timed import Segment
from asr.units import Seconds

LINE = 42
"""Cells of a line, of which wide characters take two."""
SHORTEST: Seconds = 5 / 6
LONGEST: Seconds = 7.0
SPEED = 17.0
"""Cells a second."""
GAP: Seconds = 0.08
"""Left between two subtitles where one waits to be read: two film frames, for the eye to see."""


@dataclass(frozen=True, slots=True)
class Subtitle:
    """One or two lines, and when they are seen."""

    start: Seconds
    end: Seconds
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, or what fits in a line of a longer one."""

    text: str
    start: Seconds
    end: Seconds


class Spoken(Protocol):
    """What becomes subtitles: a text, or one that is still being found."""

    @property
    def segments(self) -> Iterable[Segment]:
        """In order."""

    @property
    def duration(self) -> Seconds:
        """Of the recording; asked for after the last segment."""


def subtitles(text: Spoken) -> Iterator[Subtitle]:
    """Part each segment of a text into subtitles, as soon as the next segment is there.

    They are those where the sum of what is bad about them is least.

    Each subtitle is bad by itself, and more so each second that it lacks for reading. Good is a
    pause after it, up to a second, and the end of a sentence or clause, if the text has
    punctuation. A word wider than a line goes on in the next one.
    """
    before: Segment | None = None
    for segment in text.segments:
        if before is not None:
            yield from _of(before, segment.start)
        before = segment
    if before is not None:
        yield from _of(before, max(text.duration, before.end) + GAP)


def _of(segment: Segment, until: Seconds) -> list[Subtitle]:
    """Those of a segment, before what begins then."""
    pieces = _pieces(segment)
    best: list[tuple[float, int]] = [
        (0.0, 0)
    ]  # of the first n pieces: the least cost, and where the last subtitle begins
    nexts = [*(piece.start for piece in pieces[1:]), until]
    for after in range(1, len(pieces) + 1):
        found = []
        for first in range(after - 1, -1, -1):
            part = pieces[first:after]
            if after - first > 1 and (part[-1].end - part[0].start > LONGEST or not _lines(part)):
                break
            found.append((best[first][0] + _cost(part, nexts[after - 1]), first))
        best.append(min(found))
    shown: list[Subtitle] = []
    after = len(pieces)
    while after:
        first = best[after][1]
        part = pieces[first:after]
        shown.append(Subtitle(part[0].start, _end(part, nexts[after - 1]), _lines(part)))
        after = first
    return shown[::-1]


def _pieces(segment: Segment) -> list[_Piece]:
    pieces = []
    for word in segment.words:
        parts = chop_cells(word.text, LINE) or [word.text]  # it finds no piece in marks without a letter
        times = [word.start + (word.end - word.start) * n / len(parts) for n in range(len(parts) + 1)]
        pieces += [_Piece(part, start, end) for part, (start, end) in zip(parts, pairwise(times), strict=True)]
    return pieces


def _lines(pieces: Sequence[_Piece]) -> tuple[str, ...]:
    """Set pieces in one line, or else in the two most alike in length; none if they do not fit."""
    texts = [piece.text for piece in pieces]
    whole = " ".join(texts)
    if cell_len(whole) <= LINE:
        return (whole,)
    splits = [(" ".join(texts[:n]), " ".join(texts[n:])) for n in range(1, len(texts))]
    widths = {split: [cell_len(line) for line in split] for split in splits}
    fitting = [split for split in splits if max(widths[split]) <= LINE]
    return min(fitting, key=lambda split: abs(widths[split][0] - widths[split][1]), default=())


def _needed(pieces: Sequence[_Piece]) -> Seconds:
    return min(LONGEST, max(SHORTEST, cell_len(" ".join(piece.text for piece in pieces)) / SPEED))


def _end(pieces: Sequence[_Piece], next_start: Seconds) -> Seconds:
    end = min(pieces[-1].end, pieces[0].start + LONGEST)
    return max(end, min(pieces[0].start + _needed(pieces), next_start - GAP))


def _cost(pieces: Sequence[_Piece], next_start: Seconds) -> float:
    lacking = max(0.0, _needed(pieces) - (_end(pieces, next_start) - pieces[0].start))
    pause = min(1.0, next_start - pieces[-1].end)
    last = pieces[-1].text[-1]
    return 1 + 5 * lacking - 2 * pause - (1.0 if last in ".?!…。？！" else 0.5 if last in ",;:،、，；：" else 0.0)
