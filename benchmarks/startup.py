"""How long commands take to start: `asr --help`, and a short file with each engine.

    python -m benchmarks.startup a.wav --model runs/an4/best --json startup.json

Each is a process of its own. The core's seconds are user and system time of that process.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import report


def main() -> None:
    """Start each command several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    transcribe = ["transcribe", str(options.recording), "--model", str(options.model), "--engine"]
    commands = {"--help": ["--help"], "transcribe --help": ["transcribe", "--help"]}
    commands |= {f"transcribe, {engine}": [*transcribe, engine] for engine in ("onnx", "int8", "torch")}
    rows = []
    for name, arguments in commands.items():
        found = [started(arguments) for _ in range(options.rounds)]
        spent, passed = (statistics.median(each) for each in zip(*found, strict=True))
        rows.append({"command": f"asr {name}", "core s": spent, "wall s": passed})
    report("start-up", rows, options.json)


def started(arguments: list[str]) -> tuple[float, float]:
    """Seconds of a core and of the wall that a command takes."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, began = spent(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "asr", *arguments], check=True, capture_output=True)
    return spent() - before, time.perf_counter() - began


if __name__ == "__main__":
    main()
