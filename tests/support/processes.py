"""Processes to be killed.

They are forked from this one, so that they start at once, each in a session of its own.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


def begin(log: Path, function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Call a function in another process; what it prints goes to a file."""
    process = get_context("fork").Process(target=_run, args=(log, function, arguments))
    process.start()
    return process


def _run(log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file  # pytest has put its own there
        function(*arguments)


def die(*_: object) -> None:
    """Be killed, as by the system."""
    os.kill(os.getpid(), signal.SIGKILL)


def members(session: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:  # it has just ended
            continue
        state, _parent, _group, theirs, *_ = rest.split()
        if int(theirs) == session and state != "Z":
            found.append(int(name.split()[0]))
    return found


def gone(session: int, within: float = 20.0) -> bool:
    """Whether no process of a session is alive any more, soon."""
    deadline = time.monotonic() + within
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def died(process: BaseProcess) -> bool:
    """Whether a process was killed, and took all that it had started along."""
    process.join(120)
    return process.exitcode == -signal.SIGKILL and process.pid is not None and gone(process.pid)
