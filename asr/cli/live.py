"""Live text on the screen, as lines, as JSON and as subtitles that grow."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asr.audio.bytestream import STANDARD_INPUT
from asr.audio.microphone import Captured
from asr.audio.reader import Waveform, open_recording
from asr.audio.stream import BLOCK, open_stream
from asr.cli.output import complain, said_line
from asr.decoding.commands import Commands
from asr.errors import AsrError, ConfigError, DataError
from asr.text.formats import describe_segment, render_srt
from asr.text.grammar import read_grammar
from asr.text.subtitles import SHORTEST, subtitles
from asr.text.timed import Segment, TimedText
from asr.transcription.live import Event, Final, LiveStream, Partial
from asr.units import Seconds

BEHIND: Seconds = 2.0
"""Sound that waits to be read from which on a machine is called too slow."""
QUIETEST = -60.0
"""Left end of the level meter, in dB of full scale."""
CELLS = 20
"""Of the level meter."""


class Outlet(Protocol):
    """Where events go."""

    def tell(self, events: Sequence[Event]) -> None:
        """Show what is new."""

    def heard(self, block: Waveform, waiting: Seconds) -> None:
        """Show how loud it is, and how much waits."""


class Outlets(ExitStack):
    """All places where events go, closed together; `outlets` makes it."""

    def __init__(self, places: Sequence[Outlet]) -> None:
        super().__init__()
        self.places = places


class WatchedGrammar:
    """A file of commands that is read again whenever it changes.

    Args:
        path: the file.
        commands: what is listened for, by whoever listens.
    """

    def __init__(self, path: Path, commands: Commands) -> None:
        self._path, self._commands = path, commands
        self._seen = self._state()

    @classmethod
    def of(cls, path: Path | None, commands: Commands | None) -> "WatchedGrammar | None":
        """Watch a file, if there is one."""
        return None if path is None or commands is None else cls(path, commands)

    def refresh(self) -> None:
        """Listen for what the file holds now; a mistake in it is told, and what was there stays."""
        if (state := self._state()) in (self._seen, None):
            return
        self._seen = state
        try:
            self._commands.change(read_grammar(self._path))
        except AsrError as error:
            complain(f"{error}; the commands before it stay")
        else:
            complain(f"{self._path}: {len(self._commands.phrases):,} phrases now")

    def _state(self) -> tuple[int, int] | None:
        """When it was written, and its size; none while it is gone, as while it is replaced."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def follow(
    stream: LiveStream, source: Iterable[Waveform], told: Outlets, grammar: WatchedGrammar | None = None
) -> None:
    """Read a source to its end, or until it is interrupted, and tell what is said.

    Args:
        stream: reads the blocks.
        source: blocks, (N,), as they come. One with `waiting`, as a microphone has, says how far
            reading is behind.
        told: where events go.
        grammar: commands that may change meanwhile.
    """
    slow = Slowness(source)
    with suppress(KeyboardInterrupt):
        for block in source:
            if grammar is not None:
                grammar.refresh()
            events = stream.accept(block)
            for place in told.places:
                place.tell(events)
                place.heard(block, slow.waiting)
            slow.complain()
    events = stream.finish()
    for place in told.places:
        place.tell(events)


@contextmanager
def sample_blocks(path: Path, raw: int | None) -> Iterator[tuple[int, Iterable[Waveform]]]:
    """Open a file, or standard input as it comes: the sample rate, and blocks (N,).

    Raises:
        DataError: if it cannot be read.
    """
    if path != STANDARD_INPUT:
        if raw is not None:
            raise ConfigError("--raw is for standard input: --stream -")
        with open_recording(path) as recording:
            yield recording.sample_rate, recording.blocks(BLOCK)
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise DataError("standard input: brings no sound; pipe some in, or name a file")
    stream = open_stream(sys.stdin.buffer, raw=raw)
    yield stream.sample_rate, stream


class Slowness:
    """Says that reading cannot keep up: once when it falls behind, and again when that doubles."""

    def __init__(self, source: Iterable[Waveform]) -> None:
        self._source = source if isinstance(source, Captured) else None
        self._said: Seconds = BEHIND / 2
        self._lost: Seconds = 0.0

    @property
    def waiting(self) -> Seconds:
        """Sound that has come and was not read yet."""
        return self._source.waiting if self._source is not None else 0.0

    def complain(self) -> None:
        """Say it if need be."""
        if self._source is None:
            return
        if self.waiting >= 2 * self._said:
            self._said = self.waiting
            complain(
                f"this machine cannot keep up: {self.waiting:.0f} s of sound wait; "
                "take a smaller model or beam, or a longer --chunk"
            )
        if self._source.lost > self._lost:
            if not self._lost:
                complain("too much sound waits; what comes now is lost, and later times are too early")
            self._lost = self._source.lost


def outlets(as_json: bool, srt: Path | None = None) -> Outlets:
    """Standard output, and subtitles if they are wanted.

    Raises:
        AsrError: if the subtitles cannot be written.
    """
    first: Outlet = JsonLines() if as_json else Screen() if sys.stdout.isatty() else Lines()
    found: list[Outlet] = [first]
    told = Outlets(found)
    if isinstance(first, Screen):
        told.enter_context(first.live)
    if srt is not None:
        if srt.suffix != ".srt":
            raise ConfigError(f"--srt {srt}: subtitles go to a file that ends in .srt")
        try:
            file = told.enter_context(srt.open("w", encoding="utf-8", newline="\n"))
        except OSError as error:
            raise AsrError(f"{srt}: cannot be written ({error.strerror or error})") from None
        found.append(Subtitles(file))
    return told


class Lines:
    """Final texts on standard output, a line each."""

    def tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Final):
                print(said_line(event.segment), flush=True)

    def heard(self, block: Waveform, waiting: Seconds) -> None:
        """Nobody sees it."""


class JsonLines:
    """Every event on standard output, a line of JSON each."""

    def __init__(self) -> None:
        self._number = 0

    def tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Partial):
                described = {"type": "partial", "text": event.text, "stable": event.stable_prefix}
            else:
                described = {"type": "final", **describe_segment(self._number, event.segment)}
                self._number += 1
            print(json.dumps(described, ensure_ascii=False), flush=True)

    def heard(self, block: Waveform, waiting: Seconds) -> None:
        """It is no event."""


class Subtitles:
    """A file of subtitles that is complete at any time.

    The last ones are written again when the next segment says how long they may stay.
    """

    def __init__(self, file: TextIO) -> None:
        self._file, self._number, self._place = file, 1, 0
        self._last: tuple[Segment, ...] = ()

    def tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Final):
                self._write(event.segment)

    def heard(self, block: Waveform, waiting: Seconds) -> None:
        """Subtitles have no meter."""

    def _write(self, segment: Segment) -> None:
        self._file.seek(self._place)
        self._file.truncate()
        shown = list(subtitles(TimedText((*self._last, segment), segment.end + SHORTEST, 1.0)))
        before = [each for each in shown if each.start < segment.start]  # for good now
        self._file.writelines(render_srt(number, each) for number, each in enumerate(before, self._number))
        self._number += len(before)
        self._place = self._file.tell()
        after = shown[len(before) :]
        self._file.writelines(render_srt(number, each) for number, each in enumerate(after, self._number))
        self._file.flush()
        self._last = (segment,)


class Screen:
    """Finals that scroll, and below them what is being said, with a level meter."""

    def __init__(self, console: Console | None = None) -> None:
        self.live = Live(Text(""), console=console or Console(), auto_refresh=False, transient=True)
        self._partial, self._level, self._waiting = Partial("", ""), QUIETEST, 0.0

    def tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Partial):
                self._partial = event
            else:
                self._partial = Partial("", "")
                self._draw()  # else what is final would stand twice for a moment
                self.live.console.print(Text(said_line(event.segment)))
        if events:
            self._draw()

    def heard(self, block: Waveform, waiting: Seconds) -> None:
        """Show the level of the last block."""
        power = float(np.square(block).mean()) if len(block) else 0.0
        self._level, self._waiting = 10 * math.log10(max(power, 1e-12)), waiting
        self._draw()

    def _draw(self) -> None:
        stable = self._partial.stable_prefix
        said = Text(stable) + Text(self._partial.text[len(stable) :], style="dim")
        full = round(CELLS * min(1.0, max(0.0, 1 - self._level / QUIETEST)))
        meter = Text("█" * full, style="red" if self._level > -3 else "green") + Text("░" * (CELLS - full), style="dim")
        if self._waiting >= BEHIND:
            meter += Text(f"  {self._waiting:.0f} s behind", style="bold red")
        self.live.update(Group(said, meter), refresh=True)
