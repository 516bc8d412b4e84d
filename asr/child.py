"""A process beside this one, with a pipe between them. It ends when this one does, however that is.

A child that waits for its parent's pipe to close may wait for ever: every process forked later
holds that pipe too. One that writes into a pipe that nobody empties never looks whether its parent
lives. So three things hold here, each enough alone in most cases.

- Linux kills a child with the thread that forked it (`PR_SET_PDEATHSIG`).
- A thread of the child looks for its parent each second, on every system.
- Processes forked later close their copies of this process's ends of pipes.
"""

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import connection, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

LOOK_EVERY = 1.0
"""Seconds from one look for the parent to the next."""


class Child:
    """A process that runs a function, and a pipe to it.

    It is forked on Linux, where it inherits everything; elsewhere it is spawned, and gets its
    arguments pickled. Ctrl-C and SIGTERM are its parent's to handle: they often reach a whole group
    of processes, and the parent has work to save.

    Args:
        function: called in the child with its end of the pipe and the arguments.
        arguments: what it needs.

    Raises:
        OSError: if there can be no more processes.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._pipe, theirs = context.Pipe()
        util.register_after_fork(self, Child._forget)
        in_main_thread = threading.current_thread() is threading.main_thread()
        process = context.Process(target=_live, args=(function, theirs, arguments, in_main_thread), daemon=True)
        process.start()
        theirs.close()
        # Before multiprocessing waits for children at exit; also when nobody refers to this one.
        self._finalizer = util.Finalize(self, _end, args=(process, self._pipe), exitpriority=1)

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            OSError: if the child has died.
        """
        send(self._pipe, message)

    def receive(self) -> Any:
        """Wait for a message.

        Raises:
            EOFError: if the child has died, or has ended.
        """
        try:
            return self._pipe.recv()
        except OSError:
            raise EOFError from None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._finalizer()

    def _forget(self) -> None:
        """In a process forked later: the pipe is not its own."""
        self._pipe.close()


def send(pipe: Connection, message: Any) -> None:
    """Send by value: torch's own way of sending tensors would open a file descriptor for each."""
    pipe.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def _end(process: BaseProcess, pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.join()


def _live(
    function: Callable[..., None], pipe: Connection, arguments: tuple[Any, ...], forked_by_main_thread: bool
) -> None:
    """The child's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if forked_by_main_thread:  # another thread may end before its process does
        _die_with_parent()
    end_with_parent()
    with contextlib.suppress(EOFError, OSError):  # the pipe is closed: nobody wants more
        function(pipe, *arguments)


def end_with_parent() -> None:
    """Let this process, which `multiprocessing` has begun, end soon after its parent."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Ask Linux for a SIGKILL when the parent dies."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _watch_parent() -> None:
    """End this process, whatever it does, when the parent is gone.

    A sibling may hold the parent's sentinel open. The number of the parent tells it, but on
    Windows, where sentinels cannot be held.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    while os.getppid() == parent.pid and not connection.wait([parent.sentinel], LOOK_EVERY):
        pass
    os._exit(1)
