"""Where the work is done: a device, or on a CPU the processes that share a batch.

Recurrent layers are many small operations. Threads in a kernel would wait for one another at the
end of each operation. Threads of one process would share its memory management and Python's lock.
So each worker is a process, forked once. Its kernels have one thread, and parameters lie in shared
memory.
"""

import contextlib
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asr.child import Child, send
from asr.errors import AsrError, ConfigError

if TYPE_CHECKING:  # imported where it is needed: programs without it read this module too
    import torch
    from torch import Tensor

S = TypeVar("S")
T = TypeVar("T")

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux tells what a control group, such as a container, may use."""
OWN_GROUP = Path("/proc/self/cgroup")


class Workers(Generic[T]):
    """As many workers as there are cores to use, this process one of them.

    An accelerator is driven by this process alone. Workers keep what they inherit when they are
    forked, here. Only tensors in shared memory follow this process later. From then on, PyTorch's
    CPU kernels in this process use one thread. Elsewhere than on Linux, processes cannot be forked
    safely. There this process does all shares in turn, with kernels of several threads.

    Args:
        function: called with a worker's number, from 0, and its share.
        device: where the work is done.
        count: how many, from `num_workers`.
    """

    def __init__(self, function: Callable[[int, Any], T], device: "torch.device", count: int) -> None:
        import torch

        self.count = count
        self._threads = torch.get_num_threads()
        self._function = function
        self._children: list[Child] = []
        if device.type != "cpu" or sys.platform != "linux":
            return
        torch.set_num_threads(1)
        self._children = [Child(_serve, function, number) for number in range(1, self.count)]

    def run(self, shares: Sequence[Any]) -> list[T]:
        """Let each worker do its share, one for each, and return their results in that order.

        Raises:
            AsrError: if a worker has died.
        """
        here = len(shares) - len(self._children)
        try:
            for child, share in zip(self._children, shares[here:], strict=True):
                child.send(share)
            answers = [_answer(self._function, number, share) for number, share in enumerate(shares[:here])]
            answers += [child.receive() for child in self._children]
        except (EOFError, OSError):
            raise AsrError(
                "a worker process died, perhaps for want of memory; lower --threads or --batch-seconds"
            ) from None
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def close(self) -> None:
        """Let the forked workers go, and give this process's kernels their threads back."""
        import torch

        torch.set_num_threads(self._threads)
        for child in self._children:
            child.end()


def _answer(function: Callable[[int, Any], Any], number: int, share: Any) -> Any:
    """The function's result, or its error. All answers are collected before one is raised."""
    try:
        return function(number, share)
    except Exception as error:
        return error


def _serve(pipe: Connection, function: Callable[[int, Any], Any], number: int) -> None:
    """Do shares until the other end of the pipe is closed."""
    while True:
        send(pipe, _answer(function, number, pipe.recv()))


def sum_in_pairs(parts: Sequence[list["Tensor"]]) -> list["Tensor"]:
    """Add up lists of tensors, in place: neighbours, then neighbours of these sums, and so on.

    If groups of two, or of four and so on, are summed first, the bits are the same. The sum is in
    the first list.
    """
    import torch

    step = 1
    while step < len(parts):
        for first in range(0, len(parts) - step, 2 * step):
            torch._foreach_add_(parts[first], parts[first + step])
        step *= 2
    return parts[0]


def num_workers(device: "torch.device", wanted: int | None, processes: int = 1) -> int:
    """Count the workers to have.

    On a CPU it is as many as are wanted, or this process's share of the cores that it may use.
    Elsewhere it is one.
    """
    if device.type != "cpu":
        return 1
    return wanted or max(1, num_cores() // processes)


def choose_device(name: str) -> "torch.device":
    """Turn "cpu", "cuda" or "auto" into a device that works.

    "auto" is CUDA where there is one, else the CPU. Processes that torchrun started on one machine
    have a CUDA device each.

    Raises:
        ConfigError: if there is no such device here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.empty(0, device=name).device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        return device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"there is no device {name} here; take cpu, or auto") from None


def num_cores() -> int:
    """Count the cores that this process may use: by its affinity, and by its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, math.ceil(core_quota() or cores))


def core_quota() -> float | None:
    """How many cores' time this process and others of its container may take; None for no limit.

    `docker run --cpus 2` sets it. More processes than that would wait for one another.
    """
    quotas = []
    for text in group_limits("cpu.max"):
        quota, period = text.split()
        quotas += [int(quota) / int(period)] if quota != "max" else []
    for quota, period in zip(
        group_limits("", "cpu/cpu.cfs_quota_us"), group_limits("", "cpu/cpu.cfs_period_us"), strict=False
    ):
        quotas += [int(quota) / int(period)] if int(quota) > 0 else []
    return min(quotas, default=None)


def group_limits(name: str, older: str = "") -> list[str]:
    """What a Linux control group's file says, of this process's group and of those around it.

    Args:
        name: of the file, in groups of version 2; "" for none.
        older: of the file below the groups of version 1.
    """
    try:
        groups = OWN_GROUP.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return []
    own = next((line.removeprefix("0::/") for line in groups if line.startswith("0::/")), "")
    files = [GROUPS / inside / name for inside in (own, *map(str, Path(own).parents))] if name else []
    texts = []
    for file in dict.fromkeys([*files, *([GROUPS / older] if older else [])]):
        with contextlib.suppress(OSError):  # another version, or the root, which has no limits
            texts.append(file.read_text(encoding="utf-8").strip())
    return texts


def map_ahead(function: Callable[[S], T], items: Iterable[S], jobs: int, *, ahead: int | None = None) -> Iterator[T]:
    """Call a function of each item, several at the same time, and give what it returns in order.

    Items are taken in the caller's thread, and only a few before they are needed. What came before
    an item that cannot be taken is given all the same. The function runs in threads, which pays
    where it lets go of Python's lock, as matrix products do.

    Args:
        function: is called with an item.
        items: any number.
        jobs: how many at the same time.
        ahead: how many items may be under way or wait for the caller; None is `jobs`. One job
            without it takes no thread.
    """
    if jobs == 1 and ahead is None:
        yield from map(function, items)
        return
    most, waiting, faults = ahead or jobs, deque[Future[T]](), list[Exception]()
    pool = ThreadPoolExecutor(jobs)

    def begun() -> Iterator[Future[T]]:
        try:
            yield from (pool.submit(function, item) for item in items)
        except Exception as fault:
            faults.append(fault)

    try:
        for future in begun():
            waiting.append(future)
            while len(waiting) > 1 and (len(waiting) > most or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        for fault in faults:
            raise fault
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
