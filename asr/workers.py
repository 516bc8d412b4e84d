"""Threads that each compute their own share of a batch, with kernels of one thread.

On two cores this trains faster than kernels of two threads do: recurrent layers are many small operations, each of
which would end with one thread waiting for the other, and wait far longer when a third program has taken a core.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from asr.errors import ConfigError

T = TypeVar("T")


class Workers:
    """As many workers as there are cores to use; a single one, the calling thread, for an accelerator.

    From then on, PyTorch's CPU kernels in this process use one thread.

    Args:
        device: where the work is done.
        count: workers on a CPU; None takes one a core that this process may use.
    """

    def __init__(self, device: torch.device, count: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.count = (count or cores) if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            torch.set_num_threads(1)
            self._pool = ThreadPoolExecutor(self.count, "worker", initializer=torch.set_num_threads, initargs=(1,))

    def map(self, function: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
        """Apply a function to each item, results in the items' order, whoever finishes first."""
        if self._pool is None:
            return list(map(function, *arguments))
        return list(self._pool.map(function, *arguments))


def choose_device(name: str) -> torch.device:
    """Turn "cpu", "cuda" or "auto" (CUDA where there is one, else the CPU) into a device that works.

    Raises:
        ConfigError: if there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"there is no device {name} here; take cpu, or auto") from None
