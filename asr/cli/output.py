"""What the command line prints: results on standard output, the rest on standard error."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from asr.errors import AsrError, ConfigError
from asr.progress import SILENT
from asr.progress import Progress as Told
from asr.ranks import Ranks
from asr.text.formats import (
    LINES,
    STANDARD_OUTPUT,
    Format,
    destinations,
    render_lines,
    render_timed_text,
    write_timed_text,
)
from asr.text.timed import Segment, TimedText
from asr.units import Seconds, clock

if TYPE_CHECKING:  # slow to import
    from asr.scoring.assess import Assessment
    from asr.transcription.archive import Follow
    from asr.transcription.segments import Segments
    from asr.transcription.transcript import Transcript

LOGGED: Seconds = 30.0
"""Of one bar's work until its first line in a log; each further line waits twice as long."""


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(f"asr: {line}", file=sys.stderr)


def show(renderable: RenderableType, *, aside: bool = False) -> None:
    """Print a table, on standard error if it stands aside from the result."""
    Console(stderr=aside).print(renderable)


class TerminalProgress:
    """Lines and bars on standard error; where that is no terminal, lines now and then for a bar."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def bar(self, doing: str, total: float | None, *, unit: str = "") -> "Iterator[_Task]":
        """Show a bar with the time that is left."""
        amount = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (TaskProgressColumn(),)
        columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
        # Rich would print on standard error what is printed on standard output meanwhile.
        both = sys.stdout.isatty()
        hidden = not self.console.is_terminal
        progress = Progress(*columns, console=self.console, transient=True, redirect_stdout=both, disable=hidden)
        with contextlib.nullcontext() if hidden else progress:
            yield _Task(progress, progress.add_task(doing, total=total), self.say if hidden else None)


def progress_of(ranks: Ranks) -> Told:
    """Tell the user how far it is, if this is the process that does."""
    return TerminalProgress() if ranks.first else SILENT


@dataclass
class _Task:
    """A bar on the screen, or its lines in a log."""

    progress: Progress
    number: TaskID
    log: Callable[[str], None] | None
    due: Seconds = LOGGED
    """Of work, until the next line in the log."""
    first: tuple[float, Seconds] | None = None
    """What was done when it was first told, and when: not nothing, where work goes on."""

    def update(self, done: float, doing: str | None = None) -> None:
        self.progress.update(self.number, completed=done, description=doing)
        task = self.progress.tasks[self.number]
        worked = task.elapsed or 0.0
        self.first = self.first or (done, worked)
        if self.log and worked >= self.due:
            self.due = 2 * worked
            self.log(_logged(task, worked, *self.first))


def _logged(task: Task, worked: Seconds, first: float, since: Seconds) -> str:
    """What a log says of work that is under way: `evaluating: 40 %, about 2:10 left`."""
    if not task.total:
        return f"{task.description}: since {clock(worked)}"
    line = f"{task.description}: {task.percentage:.0f} %"
    if task.finished or task.completed <= first:
        return line
    return f"{line}, about {clock((task.total - task.completed) / (task.completed - first) * (worked - since))} left"


class Delivery(Protocol):
    """Where a transcript goes."""

    def __call__(self, transcript: "Transcript", timed: TimedText, /) -> None: ...


def delivery(
    stems: Sequence[Path], forms: Sequence[Format], out: Path | None, *, nbest: int = 1, again: bool = False
) -> Delivery:
    """Decide what happens to transcripts: a line each, files, or files' content on standard output.

    Raises:
        ConfigError: if that cannot be done for all of them.
    """

    def print_line(transcript: "Transcript", timed: TimedText) -> None:
        if nbest == 1:
            for text in map(said_line, timed.commands) if timed.commands else [transcript.text]:
                print(f"{transcript.name}\t{text}", flush=True)
            return
        for found in transcript.hypotheses[:nbest]:
            print(f"{transcript.name}\t{found.score:.4f}\t{found.text}", flush=True)

    def print_content(transcript: "Transcript", timed: TimedText) -> None:
        print(render_timed_text(timed, forms[0], str(transcript.stem)), end="", flush=True)

    def write_files(transcript: "Transcript", timed: TimedText) -> None:
        for form, path in named[transcript.stem].items():
            write_timed_text(timed, form, path)
            print(path, flush=True)

    if not forms:
        return print_line
    if out != STANDARD_OUTPUT:
        named = destinations(stems, forms, out, again=again)
        return write_files
    if len(forms) > 1 or (len(stems) > 1 and forms[0] not in ("ctm", "txt")):
        raise ConfigError(
            "standard output takes one --format, and of several recordings only ctm or txt; name a folder with --out"
        )
    return print_content


def said_line(segment: Segment) -> str:
    """What was said; of a command also its name and its slots, with tabs between."""
    if segment.command is None:
        return segment.text
    slots = "; ".join(f"{slot}={value}" for slot, value in segment.command.slots.items())
    return f"{segment.text}\t{segment.command.name}\t{slots}"


def printed(_transcript: "Transcript", _timed: TimedText) -> None:
    """Deliver nothing: it was printed while it came."""


def following(forms: Sequence[Format], out: Path | None, *, nbest: int = 1) -> "Follow | None":
    """Decide whether segments are printed while they come; if so, nothing is left to deliver."""

    def print_line(name: str, _stem: Path, segments: "Segments") -> None:
        parts: list[str] = []
        # A bar at the same terminal needs whole lines.
        is_shared = sys.stdout.isatty() and sys.stderr.isatty()
        before = f"{name}\t"
        try:
            for segment in segments:
                ends = "" if segment.command is None else "\n"
                parts.append(f"{before}{segment.text}" if not ends else f"{name}\t{said_line(segment)}\n")
                before = "" if ends else " "
                if ends or not is_shared:
                    print("".join(parts), end="", flush=True)
                    parts.clear()
        finally:
            if before == " ":
                print("".join(parts), flush=True)
        if before == f"{name}\t":
            print(before, flush=True)

    def print_lines(_name: str, stem: Path, segments: "Segments") -> None:
        for lines in render_lines(segments, forms[0], str(stem)):
            print(lines, end="", flush=True)

    if not forms:
        return print_line if nbest == 1 else None
    return print_lines if out == STANDARD_OUTPUT and forms[0] in LINES else None


def deliver(transcripts: "Iterable[Transcript]", delivery: Delivery, total: int, complaint: str) -> None:
    """Deliver what there is, and print an error line for each of the others.

    Raises:
        AsrError: at the end, if there were any; says how many.
        SystemExit: instead, if there was but one recording, whose line says it all.
    """
    failed = 0
    for transcript in transcripts:
        if transcript.timed is None:
            failed += 1
            complain(str(transcript.error))
        else:
            delivery(transcript, transcript.timed)
            for warning in transcript.timed.warnings:
                complain(warning)
            coverage = transcript.timed.coverage
            if coverage is not None:
                hint = "; --min-confidence 0 shows what is unsure" if coverage.unsure > coverage.transcribed else ""
                complain(f"{transcript.name}: {coverage}{hint}")
    if failed and total == 1:
        sys.exit(AsrError.exit_code)
    if failed:
        raise AsrError(f"{failed} of {total} {complaint}")


def show_assessment(name: str, assessment: "Assessment") -> None:
    """Write the page if one is wanted, and print JSON or tables."""
    options = assessment.options
    if options.html is not None:
        from asr.scoring.page import write_page  # slow to import: it draws

        write_page(options.html, name, assessment, TerminalProgress())
    if options.json:
        print(json.dumps(assessment.to_json(), indent=2, ensure_ascii=False))
        return
    from asr.scoring.report import report

    show(report(name, assessment))
    if options.html is not None:
        print(options.html)
