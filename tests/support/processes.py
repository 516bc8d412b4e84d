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
import torch

KILLED = -signal.SIGKILL
"""An exit code."""

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


def begin(log: Path, function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Call a function in another process; what it prints goes to a file."""
    process = get_context("fork").Process(target=_run, args=(log, function, arguments))
    process.start()
    return process


def _run(log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setsid()
    torch.set_num_threads(1)
    torch.set_num_threads = lambda _: None  # the threads of kernels are not forked: more than one would be waited for
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file  # pytest has put its own there
        function(*arguments)


def at_call(owner: Any, name: str, times: int, action: Callable[[], Any]) -> None:
    """Do something before so manieth call of a function in this process; forks do not count."""
    original, process, calls = getattr(owner, name), os.getpid(), 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == times and os.getpid() == process:
            action()
        return original(*arguments, **options)

    setattr(owner, name, counted)


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


def gone(session: int, within: float = 30.0) -> bool:
    """Whether no process of a session is alive any more, soon."""
    deadline = time.monotonic() + within
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ended(process: BaseProcess, within: float = 240.0) -> str | int:
    """How a process ended: its exit code, or what is wrong, as that it left somebody behind."""
    process.join(within)
    late = process.is_alive()
    process.kill()
    process.join()
    assert process.pid is not None and process.exitcode is not None
    if late:
        return "it did not end"
    return process.exitcode if gone(process.pid) else f"it left {len(members(process.pid))} processes behind"
