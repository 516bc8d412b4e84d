"""How long commands take to start: `asr --help`, and a short file with each engine.

    python -m benchmarks.startup
    python -m benchmarks.startup a.wav --model runs/an4/best --json startup.json

Each is a process of its own. The core's seconds are user and system time of that process. The
package's model is read with its language model, too: first as if there were no cache of it.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from asr.units import Seconds
from benchmarks.measure import report
from benchmarks.package import as_file, with_graphs

MADE_UP: Seconds = 3.0


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    recording: tyro.conf.Positional[Path | None] = None
    """Without one, three seconds of the package's sample."""
    model: Path | None = None
    """None is the package's."""
    rounds: int = 5
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Start each command several times."""
    with with_graphs(arguments.model) as model, as_file(arguments.recording, MADE_UP) as recording:
        transcribe = ["transcribe", str(recording)]
        commands = {"--help": ["--help"], "transcribe --help": ["transcribe", "--help"]}
        for engine in ("onnx", "int8", "torch"):
            commands[f"transcribe, {engine}"] = [*transcribe, "--greedy", "--model", str(model), "--engine", engine]
        rows = [row(name, [started(command) for _ in range(arguments.rounds)]) for name, command in commands.items()]
        if arguments.model is None:
            firsts = [started(transcribe, cache=None) for _ in range(arguments.rounds)]
            rows.append(row("transcribe, int8, the language model unpacked", firsts))
            with tempfile.TemporaryDirectory() as cache:
                _, *others = [started(transcribe, cache=cache) for _ in range(1 + arguments.rounds)]
            rows.append(row("transcribe, int8, the language model kept", others))
    report("start-up", rows, arguments.json)


def row(name: str, found: list[tuple[float, float]]) -> dict[str, object]:
    """Medians of a core's seconds and of the wall's."""
    spent, passed = (statistics.median(each) for each in zip(*found, strict=True))
    return {"command": f"asr {name}", "core s": spent, "wall s": passed}


def started(arguments: list[str], *, cache: str | None = None) -> tuple[float, float]:
    """Seconds of a core and of the wall that a command takes, with a cache folder or with none."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, began = spent(), time.perf_counter()
    environment = os.environ | {"XDG_CACHE_HOME": cache or os.devnull}
    subprocess.run([sys.executable, "-m", "asr", *arguments], check=True, capture_output=True, env=environment)
    return spent() - before, time.perf_counter() - began


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
