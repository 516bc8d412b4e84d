"""Recordings that become files: their names, which are there, how far it is."""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Protocol

from asr.audio.bytestream import STANDARD_INPUT
from asr.audio.folder import Found
from asr.errors import ConfigError
from asr.files import unfinished
from asr.progress import Bar, Progress
from asr.text.formats import STANDARD_OUTPUT, Format, destinations, distinct
from asr.transcription.journal import Journal, partial_files
from asr.transcription.segments import Segments
from asr.transcription.transcribe import Transcriber
from asr.transcription.transcript import Transcript
from asr.workers import map_ahead


@dataclass(frozen=True)
class Job:
    """A recording to transcribe."""

    path: Path
    stem: Path
    """Of its files: below `--out`, or beside the recording."""
    files: tuple[Path, ...] = ()
    """That are written; none if a line or their content is printed."""
    journal: Path | None = None
    """Without ending: what keeps the parts that are found; none without files."""

    @property
    def is_done(self) -> bool:
        """Whether its files are there; they are written whole or not at all."""
        return bool(self.files) and all(path.exists() for path in self.files)

    @property
    def size(self) -> int:
        """Of the recording, in bytes; 0 where nobody knows."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def jobs(recordings: Sequence[Found], forms: Sequence[Format], out: Path | None, *, again: bool = False) -> list[Job]:
    """Name the files of recordings.

    Args:
        recordings: from `find_recordings`.
        forms: of the files; none if there are none.
        out: their folder, "-" for standard output, or None for beside the recordings.
        again: as in `destinations`.

    Raises:
        ConfigError: if two want the same file, or standard input wants one beside it.
    """
    paths = [found.path for found in recordings]
    beside = [(found.below if found.path == STANDARD_INPUT else found.path).with_suffix("") for found in recordings]
    if not forms or out == STANDARD_OUTPUT:
        return [Job(path, stem) for path, stem in zip(paths, distinct(beside), strict=True)]
    if out is None and STANDARD_INPUT in paths:
        raise ConfigError(
            "standard input lies in no folder; name one for its files with --out, or --out - to print one"
        )
    stems = beside if out is None else [found.below.with_suffix("") for found in recordings]
    named = destinations(stems, forms, out, again=again)
    return [
        Job(path, stem, tuple(named[stem].values()), None if path == STANDARD_INPUT else (out or Path()) / stem)
        for path, stem in zip(paths, stems, strict=True)
    ]


class Follow(Protocol):
    """Prints a recording's segments while they come."""

    def __call__(self, name: str, stem: Path, segments: Segments, /) -> None: ...


@dataclass(frozen=True)
class Reading:
    """How recordings are read, and what becomes of them meanwhile."""

    track: int | None = None
    """As in `Transcriber.transcribe`."""
    channel: int | None = None
    """Likewise."""
    several: bool = False
    """As in `Transcriber.transcribe_file`."""
    skip: bool = False
    """Whether files are looked for when a recording's turn comes: by then another process may have
    written them."""
    follow: Follow | None = None
    """Prints segments while they come."""
    made_of: tuple[object, ...] = ()
    """What the texts depend on beside the recordings."""
    jobs: int = 1
    """Recordings that are read at the same time; nobody follows more than one."""


def transcribed(
    transcriber: Transcriber, waiting: Sequence[Job], progress: Progress, reading: Reading
) -> Iterator[Transcript]:
    """Transcribe recordings in their order, and show the time that is left.

    A recording that has files is written to a journal meanwhile, from which a later job goes on.
    The journal goes when the next transcript is asked for.

    Args:
        transcriber: the model.
        waiting: the recordings.
        progress: who is told how far it is.
        reading: how they are read.
    """
    stopped = Event()

    def begun() -> Iterator[tuple[Job, Journal]]:
        for job in waiting:
            if not (reading.skip and job.is_done):
                # Opened and closed in this thread, whose locks no other one may take.
                journal = opened.enter_context(Journal(job.journal, [*reading.made_of, identity(job.path)]))
                if journal.news:
                    progress.say(f"asr: {journal.news}")
                yield job, journal

    def done(begun: tuple[Job, Journal]) -> tuple[Job, Journal, Transcript]:
        job, journal = begun

        def tell(share: float) -> None:
            if stopped.is_set():
                raise CancelledError
            told(job.path, share)

        transcript = transcriber.transcribe_file(
            job.path,
            journal,
            track=reading.track,
            channel=reading.channel,
            several=reading.several,
            follow=partial(reading.follow, str(job.path), job.stem) if reading.follow else _unread,
            told=tell,
        )
        return job, journal, replace(transcript, stem=job.stem)

    with _metered(waiting, progress) as told, ExitStack() as opened:
        try:
            for job, journal, transcript in map_ahead(done, begun(), reading.jobs):
                yield transcript
                if transcript.error is None or not journal.count:
                    journal.remove()
                journal.close()
                told(job.path, 1.0)
        finally:
            stopped.set()


def clear(everything: Iterable[Job]) -> None:
    """Remove what killed processes left of recordings that have their files.

    That is journals, and files that were being written. What a living process holds stays.
    """
    of_file = {path: job for job in everything for path in job.files}
    of_journal = {partial_files(job.journal)[0]: job for job in of_file.values() if job.journal is not None}
    for folder in {path.parent for path in of_file if path.parent.is_dir()}:
        for path in folder.iterdir():
            job = of_journal.get(path) or of_file.get(unfinished(path) or path.parent)
            if job is not None and job.is_done:
                with Journal(job.journal) as journal:
                    if journal.is_ours:
                        journal.remove()
                        path.unlink(missing_ok=True)


def listed(transcripts: Iterable[Transcript], errors: Path) -> Iterator[Transcript]:
    """Hand transcripts on; of those without text a file has a row each: file, error.

    The file is there only if it has rows.
    """
    errors.unlink(missing_ok=True)
    for transcript in transcripts:
        if transcript.timed is None:
            with errors.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"file": transcript.name, "error": str(transcript.error)}) + "\n")
        yield transcript


def _unread(_segments: Segments) -> None:
    """Nobody follows."""


def identity(path: Path) -> list[object]:
    """Tell a file, or those below a folder, from others, and from what they are after a change."""
    try:
        if path.is_dir():
            return [identity(file) for file in sorted(path.rglob("*")) if file.is_file()]
        found = path.stat()
    except OSError:
        return [path.name]
    return [path.name, found.st_size, found.st_mtime_ns]


class _Meter:
    """Tells a bar how much is done, by bytes: nobody knows the seconds of what was not read yet."""

    def __init__(self, waiting: Sequence[Job], bar: Bar) -> None:
        self.bar = bar
        self.places: dict[Path, tuple[int, int, str]] = {}
        self.total = 0
        for number, job in enumerate(waiting, start=1):
            size = job.size
            self.places[job.path] = self.total, size, f"{number} of {len(waiting)}"
            self.total += size

    def __call__(self, path: Path, share: float) -> None:
        before, size, doing = self.places[path]
        self.bar.update(before + share * size, doing)


@contextmanager
def _metered(waiting: Sequence[Job], progress: Progress) -> Iterator[_Meter]:
    total = sum(job.size for job in waiting)
    with progress.bar(f"1 of {len(waiting)}", total or None) as bar:
        yield _Meter(waiting, bar)
