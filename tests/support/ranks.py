"""Processes that work together, as torchrun starts them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.distributed.run
from torch.distributed import TCPStore

from asr import cli, ranks
from asr.ranks import Ranks

PATIENCE = 120.0
"""What hangs is ended after so many seconds."""


def together(count: int, work: Callable[[Ranks], Any], folder: Path, **constants: float) -> list[tuple[int, str]]:
    """Fork as many ranks, which join one another and do some work.

    Nobody ends the others when one fails. That torchrun does, too, is not needed.

    Args:
        count: how many.
        work: what each does.
        folder: for what each says.
        constants: of `asr.ranks`, to be other than they are.

    Returns:
        Each rank's exit code, negative if a signal ended it, and what it said on standard error.
    """
    keeper, port = _keep_store()
    environment = {
        **{"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "TORCHELASTIC_USE_AGENT_STORE": True},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
    }
    said = [folder / f"said-{number}" for number in range(count)]
    children = []
    for number in range(count):
        if (child := os.fork()) == 0:
            os.environ.update({name: str(value) for name, value in {**environment, "RANK": number}.items()})
            vars(ranks).update(constants)
            _work(work, said[number])
        children.append(child)
    codes = [ended(child) for child in children]
    os.kill(keeper, signal.SIGKILL)
    os.waitpid(keeper, 0)
    assert None not in codes, ("a rank hangs", codes, [path.read_text() for path in said])
    return [(code, path.read_text()) for code, path in zip(codes, said, strict=True) if code is not None]


def _keep_store() -> tuple[int, int]:
    """Fork a process that keeps the store, as torchrun's agent does; gives its number and port.

    The store has a thread, and a process with threads should not fork ranks.
    """
    read, write = os.pipe()
    if (keeper := os.fork()) == 0:
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        os.write(write, f"{store.port}\n".encode())
        signal.pause()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return keeper, int(pipe.readline())


def _work(work: Callable[[Ranks], Any], said: Path) -> None:
    """Do it, and leave the test at once, whatever happens."""
    code = 99
    try:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        with cli.exit_codes(), ranks.joined() as joined:
            work(joined)
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, patience: float = PATIENCE) -> int | None:
    """Wait for a child's end, and give its exit code; one that hangs is killed, and has none."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def torchrun(count: int, *program: object, options: Sequence[object] = ()) -> "subprocess.Popen[str]":
    """Start `torchrun --nproc-per-node COUNT PROGRAM`, whose output can be read."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", count, "--rdzv-backend", "c10d"]
    where = ["--rdzv-endpoint", "127.0.0.1:0", *options]
    command = [sys.executable, *launcher, *where, *program]
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, command)), stdout=pipe, stderr=pipe, text=True, start_new_session=True)


ENTRY = """import sys
from asr.cli import main
sys.argv[0] = "asr"
try:
    main()
except SystemExit as stop:  # for torchrun of a process that was forked, 0 is an exception, too
    if stop.code:
        raise
"""


class Torchrun:
    """`torchrun ... -m asr ARGUMENTS` of forks of this process, which need not import anything.

    Only the way in which processes begin is another than from a shell.

    Args:
        folder: for what is said.
        options: torchrun's.
        arguments: asr's.
        prepare: is called first, in the launcher.
    """

    def __init__(
        self, folder: Path, options: Sequence[object], arguments: Sequence[object], prepare: Callable[[], None] = int
    ) -> None:
        folder.mkdir()
        self._entry, self._out, self._err = folder / "entry.py", folder / "out", folder / "err"
        self._entry.write_text(ENTRY)
        launched = [*options, "--run-path", "--start-method", "fork", self._entry, *arguments]
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._launch(list(map(str, launched)), prepare)

    def _launch(self, launched: list[str], prepare: Callable[[], None]) -> None:
        code = 1
        try:
            os.setsid()
            for descriptor, path in ((1, self._out), (2, self._err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            warnings.simplefilter("ignore")  # torchrun's own
            prepare()
            torch.distributed.run.main(launched)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @property
    def ranks(self) -> list[int]:
        """The processes of the ranks, in their order."""
        return sorted(descendants(self.pid))

    @property
    def printed(self) -> str:
        return self._out.read_text()

    @property
    def said(self) -> str:
        return self._err.read_text()

    def poll(self) -> int | None:
        """Its exit code, once there is one."""
        if self.code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if found else None
        return self.code

    def finish(self, patience: float = PATIENCE) -> int | None:
        """Wait for the end, and give the exit code; None if it hangs. All ranks have ended then."""
        if self.code is None:
            self.code = ended(self.pid, patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.code


def descendants(process: int) -> set[int]:
    """The processes that a process has started, and those that these have started."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}
