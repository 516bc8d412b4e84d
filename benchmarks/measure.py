"""What benchmarks share: times of this process, under stated conditions, as a table and as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LIBRARIES = ("numpy", "torch", "onnxruntime", "flashlight-text")


def conditions() -> dict[str, Any]:
    """Where and with what is measured, and how busy the machine is with other work."""
    found: dict[str, Any] = {"python": platform.python_version(), "processor": processor()}
    found["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS")
    if hasattr(os, "getloadavg"):
        found["load"] = round(os.getloadavg()[0], 1)
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def seconds(function: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median of the processor's and of the wall's seconds, over several calls.

    The first is what a process costs, whatever else the machine does.
    """
    spent, passed = [], []
    for _ in range(rounds):
        before, began = time.process_time(), time.perf_counter()
        function()
        spent.append(time.process_time() - before)
        passed.append(time.perf_counter() - began)
    return statistics.median(spent), statistics.median(passed)


def in_turn(
    steps: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """The processor's seconds of each step, over rounds in which all take their turn.

    So a noisy machine meets them all. A first round warms up, and does not count.
    """
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            before = clock()
            step()
            if number:
                spent[name].append(clock() - before)
    return spent


def added_up(found: Mapping[str, Sequence[float]], audio: float) -> list[dict[str, Any]]:
    """Rows of steps each of which does what the ones before it do, and one thing more.

    Args:
        found: of each step its seconds, from `in_turn`.
        audio: seconds of sound that a step works on.
    """
    spent = [1000 * statistics.median(times) / audio for times in found.values()]
    return [
        {"what": name, "ms a second of audio": now, "of that, this": now - before}
        for name, now, before in zip(found, spent, [0.0, *spent[:-1]], strict=True)
    ]


def peak_kilobytes(process: int | str = "self") -> int:
    """The most memory that a process has had resident by now (Linux); 0 once it has ended.

    `getrusage` would count the process, too, from which it was forked.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def report(title: str, rows: Sequence[dict[str, Any]], path: Path | None) -> None:
    """Print a table and its conditions, and write both as JSON."""
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    found = conditions()
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    if path is not None:
        path.write_text(json.dumps({"title": title, "conditions": found, "rows": rows}, indent=2) + "\n", "utf-8")
