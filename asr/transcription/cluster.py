"""Recordings -> files on a Ray cluster: the same files as one process writes.

    command <-> driver -> names of recordings -> actors: a process, a model and a thread each
                       <- what became of them <-

Names travel, sound and texts do not: each actor reads recordings and writes their files. So all
machines have the same folders under the same names. The driver is a process of its own, whose
standard output and standard error are a file: Ray prints on both, in Python and in C++. It ends
with the command, however that ends, and Ray's processes end with it.

These are plain actors, not Ray Data: that repeats a share which kills its process without end, and
needs Arrow and pandas in each process.
"""

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeAlias

from asr.child import Child
from asr.errors import AsrError, ConfigError, MissingExtra
from asr.progress import SILENT, Bar, Progress
from asr.text.formats import Format, write_timed_text
from asr.text.timed import TimedText
from asr.transcription.archive import Job, Reading, transcribed
from asr.transcription.shares import Found, Share, hand_out, shares
from asr.transcription.transcribe import Transcriber
from asr.transcription.transcript import Transcript
from asr.workers import num_cores

STARTED = "Ray runs"
STARTS = 5
"""On a busy machine Ray may not start in the half minute that it gives itself."""
OBJECT_STORE = 100 * 2**20
"""Bytes for what travels within a cluster that is started here, which is names."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will be the default
    "RAY_COLOR_PREFIX": "0",
}
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What makes Ray listen on 127.0.0.1 alone, as it does by itself on Windows and macOS."""

Cluster: TypeAlias = Literal["ray"]
"""What can spread recordings over machines."""
Load: TypeAlias = Callable[[Callable[[str], object]], tuple[Transcriber, Reading]]
"""Reads the model, and tells lines about it; says how recordings are read, too."""


@dataclass(frozen=True)
class Work:
    """What driver and actors have to know; it can be pickled."""

    load: Load
    forms: tuple[Format, ...]
    """Of the files, in the order of `Job.files`."""
    jobs: int | None = None
    """How many actors at a time; None is one for each core of the cluster, or accelerator."""
    accelerator: bool = False
    """Whether each actor needs one."""
    folder: str = field(default_factory=os.getcwd)
    """Where relative names begin, on all machines."""


def transcribed_on_ray(waiting: Sequence[Job], work: Work, log: Path, progress: Progress) -> Iterator[Transcript]:
    """Transcribe recordings on the cluster that RAY_ADDRESS names, or on one that is started here.

    Their files are written meanwhile. Recordings that have theirs already are left out.

    Args:
        waiting: the recordings, each with files.
        work: how they are read.
        log: a file for what Ray prints.
        progress: who is told how far it is, by bytes.

    Yields:
        Transcripts as they are done. They have no segments: these are in the files.

    Raises:
        MissingExtra: if Ray is not installed.
        AsrError: if there is no cluster, the model cannot be read or files cannot be written.
    """
    if find_spec("ray") is None:
        raise MissingExtra("--cluster ray", "ray")
    sizes = [(job, job.size) for job in waiting]
    log.parent.mkdir(parents=True, exist_ok=True)
    driver = _started(sizes, work, log)
    try:
        with progress.bar(f"0 of {len(sizes)}", sum(size for _, size in sizes) or None) as bar:
            yield from _measured(_received(driver, log, progress), sizes, bar)
    finally:
        driver.end()


def _started(sizes: Sequence[tuple[Job, int]], work: Work, log: Path) -> Child:
    """Start a driver; one whose Ray does not start is ended, with what there is of Ray."""
    for _ in range(STARTS):
        driver, first = Child(_drive, sizes, work, log), None
        with contextlib.suppress(EOFError):
            first = driver.receive()
        if first == STARTED:
            return driver
        driver.end()
        if isinstance(first, AsrError):
            raise first
    raise AsrError(f"Ray did not start, {STARTS} times over; is this machine too busy? {log} says more")


def _received(driver: Child, log: Path, progress: Progress) -> Iterator[Transcript]:
    """What the driver sends; lines are told, each once."""
    told = set()
    while True:
        try:
            found = driver.receive()
        except EOFError:
            found = AsrError(f"Ray's driver ended; {log} says more. Repeat the command to go on")
        match found:
            case None:
                return
            case AsrError():
                raise found
            case Transcript():
                yield found
            case line if line not in told:
                told.add(line)
                progress.say(f"asr: {line}")


def _measured(transcripts: Iterator[Transcript], sizes: Sequence[tuple[Job, int]], bar: Bar) -> Iterator[Transcript]:
    """Hand transcripts on, and tell a bar how many bytes they are of."""
    by_stem = {job.stem: size for job, size in sizes}
    done = 0
    for number, transcript in enumerate(transcripts, start=1):
        done += by_stem[transcript.stem]
        bar.update(done, f"{number} of {len(sizes)}")
        yield transcript


def _drive(pipe: Connection, sizes: Sequence[tuple[Job, int]], work: Work, log: Path) -> None:
    """Be the driver: it sends STARTED, transcripts and lines, and at the end None or an error."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # else Ray's processes would ignore it, too
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    try:
        if (ray := _connected(work)) is None:
            return
        pipe.send(STARTED)
        for found in _found(ray, sizes, work):
            pipe.send(found)
        pipe.send(None)
    except AsrError as error:
        pipe.send(_plain(error))
    except Exception as error:
        traceback.print_exc()
        (reason, *_) = [*str(error).splitlines(), ""]
        pipe.send(AsrError(f"Ray: {type(error).__name__}: {reason}; {log} says more. Repeat the command to go on"))


def _plain(error: AsrError) -> AsrError:
    """The same line and exit code, as an error that can be pickled whatever its kind."""
    return (ConfigError if isinstance(error, ConfigError) else AsrError)(str(error))


def _found(ray: Any, sizes: Sequence[tuple[Job, int]], work: Work) -> Iterator[Found]:
    kind = "GPU" if work.accelerator else "CPU"
    room = int(ray.cluster_resources().get(kind, 0))
    if not room:
        raise AsrError(f"the cluster has no {kind}; start Ray where there are some")
    waiting = shares(sizes, min(room, work.jobs or room))
    yield from hand_out(waiting, _Actors(ray, work), min(room, work.jobs or room, len(waiting)))
    ray.shutdown()


def _connected(work: Work) -> Any:
    """Ray, on the cluster of RAY_ADDRESS or on one that is started here; None if it did not start.

    Raises:
        AsrError: if no cluster can be used at that address.
    """
    address = os.environ.get("RAY_ADDRESS")
    os.environ.update(SETTINGS if address else SETTINGS | ON_LOOPBACK)  # Ray reads them when it is imported
    import ray

    try:
        if address:
            ray.init(address)
        else:
            cores = work.jobs or num_cores()
            ray.init("local", num_cpus=cores, object_store_memory=OBJECT_STORE, include_dashboard=False)
    except Exception as error:
        traceback.print_exc()
        if address:
            (reason, *_) = [*str(error).splitlines(), ""]
            raise AsrError(f"no Ray cluster can be used at {address} (RAY_ADDRESS): {reason}") from None
        return None
    return ray


class _Actors:
    """Ray's actors as `Processes`."""

    def __init__(self, ray: Any, work: Work) -> None:
        self._ray = ray
        self._kind = ray.remote(
            num_cpus=1, num_gpus=int(work.accelerator), max_restarts=0, scheduling_strategy="SPREAD"
        )(Actor)
        self._work = work

    def start(self) -> Any:
        return self._kind.remote(self._work)

    def give(self, process: Any, share: Share) -> Any:
        return process.read.remote(share)

    def answer(self, waiting: Collection[Any]) -> tuple[Any, Sequence[Found] | None]:
        (hand, *_), _rest = self._ray.wait(list(waiting), num_returns=1)
        try:
            found = self._ray.get(hand)
        except self._ray.exceptions.RayActorError as error:
            traceback.print_exception(error)
            return hand, None
        if isinstance(found, AsrError):
            raise found
        return hand, found


class Actor:
    """A process of the cluster: it has one model and one thread, and reads share after share."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._said: list[Found] = []
        self._loaded: tuple[Transcriber, Reading] | None = None

    def read(self, share: Share) -> list[Found] | AsrError:
        """Write the files of recordings, and tell what became of them.

        Returns an error instead where there is no sense in going on.
        """
        found: list[Found] = []
        try:
            if self._loaded is None:
                os.chdir(self._work.folder)
                self._loaded = self._work.load(self.say)
            for job in share:
                found += self._read(job, *self._loaded)
        except AsrError as error:
            return _plain(error)
        except OSError as error:
            return AsrError(f"{error.filename}: {error.strerror}; all machines of a cluster need the same folders")
        said, self._said = self._said, []
        return [*said, *found]

    def _read(self, job: Job, transcriber: Transcriber, reading: Reading) -> list[Found]:
        """A recording's transcript; its text is in its files.

        Raises:
            AsrError: if the files cannot be written.
        """
        transcript = Transcript(str(job.path), job.stem, TimedText((), 0.0, 1.0))  # of one that has its files
        try:
            for transcript in transcribed(transcriber, [job], self, replace(reading, skip=True)):
                if transcript.timed is not None:
                    for form, path in zip(self._work.forms, job.files, strict=True):
                        write_timed_text(transcript.timed, form, path)
        except AsrError:
            raise
        except Exception as error:  # a fault of this program: an archive goes on
            traceback.print_exc()
            reason = f"{job.path}: {type(error).__name__}: {error}; that is a fault of the program, please report it"
            transcript = Transcript(str(job.path), job.stem, None, AsrError(reason))
        if transcript.timed is not None:
            return [replace(transcript, timed=replace(transcript.timed, segments=()))]
        return [replace(transcript, error=_plain(transcript.error or AsrError("")))]

    def say(self, line: str) -> None:
        self._said.append(line.removeprefix("asr: "))

    def bar(self, doing: str, total: float | None, *, unit: str = "") -> AbstractContextManager[Bar]:
        return SILENT.bar(doing, total, unit=unit)
