"""`asr adapt` in a process of its own, which a server can watch and end."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from asr.child import end_with_parent
from asr.errors import AsrError

if TYPE_CHECKING:  # slow to import, and left out where there is no PyTorch
    from asr.scoring.score import Score

GLANCE = 0.5
"""Seconds between two looks whether it is to end."""
PATIENT = 10
"""Steps of niceness: who is served now comes before who learns."""

Tell = Callable[[float, str], None]
"""Is told the share that is done, and what is being done."""


@dataclass(frozen=True)
class Rate:
    """A word error rate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """A word error rate before and after."""

    before: Rate
    after: Rate
    words: int
    """It is of so many."""

    @classmethod
    def of(cls, scores: "tuple[Score, Score]") -> "Change":
        """Read two scores."""
        before, after = (Rate(score.wer.value, score.wer.low, score.wer.high) for score in scores)
        return cls(before, after, scores[0].words.reference_length)


@dataclass(frozen=True)
class Learnt:
    """What came of it."""

    own: Change
    """On readings that took no part."""
    general: Change | None
    """On general speech, if there is some."""
    share: float
    """Of the way from the old weights to the new ones; 0 is none."""


def learn(recordings: Path, model: Path, out: Path, tell: Tell, stopped: threading.Event) -> Learnt:
    """Adapt a model in another process.

    Args:
        recordings: as `asr.training.adapt.adapt`.
        model: the folder of the model to begin with.
        out: the folder of the new one.
        tell: who is told how far it is.
        stopped: ends it, when it is set.

    Raises:
        AsrError: if it cannot be done, the process dies, or it was stopped.
    """
    context = multiprocessing.get_context("spawn")  # threads of a server are not forked safely
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_adapt, args=(theirs, recordings, model, out))
    process.start()
    theirs.close()
    try:
        while not stopped.is_set():
            if not ours.poll(GLANCE):
                continue
            message = ours.recv()
            if isinstance(message, Learnt):
                return message
            if isinstance(message, AsrError):
                raise message
            tell(*message)
    except EOFError:
        raise AsrError("the process that learns has died; the server's log says why") from None
    finally:
        process.terminate()
        process.join()
        ours.close()
    raise AsrError("learning was stopped")


def _adapt(pipe: Connection, recordings: Path, model: Path, out: Path) -> None:
    """Adapt, in the process: tell how far it is, and at last what came of it, or what is wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    end_with_parent()
    if hasattr(os, "nice"):
        os.nice(PATIENT)
    from asr.training.adapt import adapt

    with contextlib.suppress(BrokenPipeError):  # the server is gone
        try:
            found = adapt(recordings, model, out, progress=_Told(pipe))
        except AsrError as error:
            pipe.send(AsrError(str(error)))
            return
        general = None if found.general is None else Change.of(found.general)
        pipe.send(Learnt(Change.of(found.own), general, found.share))


class _Told:
    """Progress through a pipe: epochs count, all else is short."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._share, self._doing, self._total = pipe, 0.0, "preparing", 0.0

    def say(self, line: str) -> None:
        """Lines are for the command line."""

    def bar(self, doing: str, total: float | None, *, unit: str = "") -> AbstractContextManager["_Told"]:
        self._total = total or 0.0 if doing.startswith("epoch") else 0.0
        self.update(0.0, doing)
        return nullcontext(self)

    def update(self, done: float, doing: str | None = None) -> None:
        self._doing = doing.partition("  ")[0] if doing else self._doing  # without figures
        if self._total:
            self._share = max(self._share, min(1.0, done / self._total))
        self._pipe.send((self._share, self._doing))
