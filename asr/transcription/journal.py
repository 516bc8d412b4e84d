"""What a job has found of a recording by now, on disk: a stopped one goes on from there.

    NAME.partial.jsonl         what it is made of, and a line a finished part, written at once
    NAME.partial.safetensors   the state after some of them, kept every few minutes

The same parts and the same state give the same text as a job that nobody stopped. If the recording,
the model or an option is another, both begin anew. At the end the text replaces them.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, overload

import filelock
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save, save_file

from asr.errors import AsrError
from asr.files import atomic, fitting
from asr.recogniser.engine import Arrays
from asr.text.timed import Command, Segment, TimedText, Token, Word
from asr.transcription.part import Part
from asr.units import Seconds

EVERY: Seconds = 300.0
"""So much of a recording lies between two states that are kept."""


class Journal:
    """The finished parts of a recording, in a file instead of in memory. Use it in `with`.

    Args:
        path: without ending; None is a file without a name, of which nothing stays.
        made_of: what the text depends on, as JSON.

    Attributes:
        news: a line on what an earlier job left, if it left something.
        count: how many parts there are.

    Raises:
        AsrError: if the file cannot be written.
    """

    def __init__(self, path: Path | None = None, made_of: Sequence[object] = ()) -> None:
        self.news: str | None = None
        self._path: Path | None = None
        self._states: Path | None = None
        if path is not None:
            self._path, self._states = partial_files(path)
        self._head = json.dumps({"made_of": made_of}).encode() + b"\n"
        self._file: IO[bytes]
        self.count = self._segments = 0

    def __enter__(self) -> "Journal":
        with contextlib.ExitStack() as stack:
            if self._path is not None and not self._claimed(self._path, stack):
                self.news = f"{self._path}: another process transcribes this recording, too"
                self._path = self._states = None
            with self._writing():
                self._file = stack.enter_context(self._opened())
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; once is enough."""
        self._closing.close()

    @property
    def is_ours(self) -> bool:
        """Whether it has a name, and no other process writes it."""
        return self._path is not None

    @property
    def segments(self) -> Sequence[Segment]:
        """All that were found, read from the file one by one."""
        return _Kept(self, self._segments)

    def parts(self) -> Iterator[Part]:
        """The parts in order; all begin at 0, for their times count from the recording's start."""
        for line in self._lines(len(self._head)):
            yield _part(json.loads(line))

    def add(self, part: Part) -> None:
        """Write a part down.

        Raises:
            AsrError: if it cannot be written.
        """
        with self._writing():
            self._file.seek(0, os.SEEK_END)
            self._file.write(_line(part))
            self._file.flush()
        self.count, self._segments = self.count + 1, self._segments + len(part.timed.segments)

    def keep(self, count: int, state: Arrays) -> None:
        """Keep the state after so many parts, in place of an earlier one.

        Raises:
            AsrError: if it cannot be written.
        """
        if self._states is None:
            return
        with self._writing():
            os.fsync(self._file.fileno())  # no state without the parts before it
        with atomic(self._states) as temporary:
            arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
            save_file(arrays, temporary, {"parts": str(count), "sha256": _digest(arrays)})

    def state(self) -> tuple[int, Arrays | None]:
        """The last state, and after how many parts it was; none at the beginning."""
        if self._states is None or not self._states.exists():
            return 0, None
        try:
            with safe_open(self._states, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                count, digest = int(file.metadata()["parts"]), file.metadata()["sha256"]
            if 0 <= count <= self.count and digest == _digest(arrays):
                return count, arrays
        except (SafetensorError, OSError, LookupError, TypeError, ValueError):  # torn, or of another program
            pass
        return 0, None

    def remove(self) -> None:
        """Take the files away: what they hold is in its place."""
        for path in (self._path, self._states):
            if path is not None:
                path.unlink(missing_ok=True)

    def _claimed(self, path: Path, stack: contextlib.ExitStack) -> bool:
        """Whether no other process writes this file; it is ours until the end."""
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            # A soft lock would be a file that outlives a killed process.
            lock = filelock.FileLock(
                path.with_name(fitting(f".{path.name}", ".lock")), blocking=False, fallback_to_soft=False
            )
            try:
                lock.acquire()
            except filelock.Timeout:
                return False
        stack.callback(lock.release)
        stack.callback(Path(lock.lock_file).unlink, missing_ok=True)
        return True

    def _opened(self) -> IO[bytes]:
        if self._path is None or self._states is None:
            unnamed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
            unnamed.write(self._head)
            return unnamed
        file: IO[bytes]
        if self._path.exists():
            file = self._path.open("r+b")
            if file.readline() == self._head:
                self._go_on(file, self._path)
                return file
            file.close()
            self.news = f"{self._path}: the recording, the model or an option is another than then; it starts anew"
            self._states.unlink(missing_ok=True)
            self._path.unlink()
        file = self._path.open("x+b")
        file.write(self._head)
        file.flush()
        return file

    def _go_on(self, file: IO[bytes], path: Path) -> None:
        """Count the parts that are there; one that is torn or damaged goes, with those after it."""
        self._file = file
        end, last = len(self._head), None
        for line in self._lines(end):
            try:
                last = _checked(line)
            except (ValueError, RecursionError):
                break
            end += len(line)
            self.count, self._segments = self.count + 1, self._segments + len(last.timed.segments)
        file.truncate(end)
        if last is not None:
            self.news = f"{path}: goes on after {timedelta(seconds=round(last.end))}"

    def _lines(self, offset: int) -> Iterator[bytes]:
        """Whole lines from there on, whatever is done with the file in between."""
        while True:
            self._file.seek(offset)
            line = self._file.readline()
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield line

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, NotImplementedError) as error:  # the latter where files cannot be locked
            reason = getattr(error, "strerror", None) or error
            raise AsrError(f"{self._path or 'a temporary file'}: cannot be written ({reason})") from None


class _Kept(Sequence[Segment]):
    """Segments that are read when they are used."""

    def __init__(self, journal: Journal, count: int) -> None:
        self._journal, self._count = journal, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Segment]:
        for part in self._journal.parts():
            yield from part.segments

    @overload
    def __getitem__(self, place: int) -> Segment: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Segment]: ...
    def __getitem__(self, place: int | slice) -> Segment | Sequence[Segment]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return next(islice(self, range(self._count)[place], None))


def partial_files(path: Path) -> tuple[Path, Path]:
    """The journal's files, and no others, of a path without ending."""
    parts, states = (path.with_name(fitting(path.name, f".partial.{kind}")) for kind in ("jsonl", "safetensors"))
    return parts, states


def _digest(state: Arrays) -> str:
    """A checksum: whoever goes on from another state would find another text, or none."""
    return hashlib.sha256(save(dict(sorted(state.items())))).hexdigest()


def _line(part: Part) -> bytes:
    """A part as people may read it, too."""
    segments = [asdict(segment) for segment in part.segments]
    described = {"start": part.start, "end": part.end, "text": part.timed.text, "segments": segments}
    described |= {"confidence": part.timed.confidence, "counts": part.counts.tolist()}
    return _json(described | {"check": _check(described)}) + b"\n"


def _check(described: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(described)).hexdigest()[:16]


def _json(described: Mapping[str, Any]) -> bytes:
    return json.dumps(described, ensure_ascii=False).encode(errors="backslashreplace")


def _checked(line: bytes) -> Part:
    """Read a line that may be damaged.

    Raises:
        ValueError: if it is.
    """
    found = json.loads(line)
    if not isinstance(found, dict) or found.pop("check", None) != _check(found):
        raise ValueError("not what was written")
    return _part(found)


def _part(found: Mapping[str, Any]) -> Part:
    segments = tuple(_segment(segment) for segment in found["segments"])
    counts = np.array(found["counts"], dtype=np.int64)
    return Part(0.0, TimedText(segments, found["end"], found["confidence"]), (), counts)


def _segment(found: Mapping[str, Any]) -> Segment:
    words = (Word(**word | {"tokens": tuple(Token(**token) for token in word["tokens"])}) for word in found["words"])
    command = None if found["command"] is None else Command(**found["command"])
    return Segment(tuple(words), found["confidence"], command)
