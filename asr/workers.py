"""Where the work is done: a device, or on a CPU the processes that share a batch.

Recurrent layers are many small operations. Threads in a kernel would wait for one another at the
end of each operation. Threads of one process would share its memory management and Python's lock.
So each worker is a process, forked once. Its kernels have one thread, and parameters lie in shared
memory.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asr.child import Child, send
from asr.errors import AsrError, ConfigError

if TYPE_CHECKING:  # imported where it is needed: programs without it read this module too
    import torch

S = TypeVar("S")
T = TypeVar("T")


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


def num_workers(device: "torch.device", wanted: int | None) -> int:
    """Count the workers to have.

    On a CPU it is as many as are wanted, or one a core that this process may use. Elsewhere it is
    one.
    """
    if device.type != "cpu":
        return 1
    return wanted or num_cores()


def choose_device(name: str) -> "torch.device":
    """Turn "cpu", "cuda" or "auto" into a device that works.

    "auto" is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: if there is no such device here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"there is no device {name} here; take cpu, or auto") from None


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ahead(function: Callable[[S], T], items: Iterable[S], jobs: int) -> Iterator[T]:
    """Call a function of each item, several at the same time, and give what it returns in order.

    Items are taken in the caller's thread, and only a few before they are needed. The function runs
    in threads, which pays where it lets go of Python's lock, as matrix products do.

    Args:
        function: is called with an item.
        items: any number.
        jobs: how many at the same time; 1 takes no thread.
    """
    if jobs == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            while waiting and (len(waiting) > jobs or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
