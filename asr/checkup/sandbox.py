"""A process for what may crash or hang: a library that does not fit the processor, a driver."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from asr.checkup.finding import without_names
from asr.child import end_with_parent
from asr.errors import AsrError
from asr.units import Seconds

_SIGNS = {
    "SIGILL": "; this processor lacks an instruction: install a build for it",
    "SIGKILL": "; perhaps for want of memory",
    "SIGBUS": "; perhaps for want of shared memory",
}
"""What a signal hints at."""


class SandboxError(Exception):
    """What was called failed, died or hung; the text says how, without personal names."""


class Sandbox:
    """Calls functions in another process, which begins when it is needed and after each death.

    It prints nothing. What it was called with and what it returns are pickled.
    """

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: Callable[..., Any], *arguments: Any, limit: Seconds) -> Any:
        """Call a function that stands in a module.

        Raises:
            SandboxError: if it fails, if the process dies, or if it takes longer than `limit`.
        """
        if self._pipe is None:
            self._begin()
        assert self._pipe is not None
        try:
            self._pipe.send((function, arguments))
            if not self._pipe.poll(limit):
                self._process.kill()
                self.close()
                raise SandboxError(f"did not end within {limit:g} s")
            succeeded, answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            raise SandboxError(_death(code)) from None
        if not succeeded:
            raise SandboxError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.join(5)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process = self._pipe = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads, and libraries half loaded
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()


def _serve(pipe: Connection) -> None:
    """Answer calls until the other end is closed, or its process gone."""
    end_with_parent()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            function, arguments = pipe.recv()
            try:
                answer = True, function(*arguments)
            except Exception as error:
                answer = False, told(error)
            pipe.send(answer)


def told(error: Exception) -> str:
    """An error in a line; one that nobody foresaw with its place in this package."""
    text = str(error).strip().split("\n")[0]
    if isinstance(error, AsrError):
        return without_names(text)
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "asr" in Path(frame.filename).parts and frame.filename != __file__]
    place = f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""
    return f"{type(error).__name__}: {without_names(text)}{place}"


def _death(code: int | None) -> str:
    """What a process that is gone died of."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"died of {name}{_SIGNS.get(name, '')}"
    return f"ended with code {code}"
