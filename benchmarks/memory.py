"""The most memory that commands take: transcribing short and long recordings, and training.

    python -m benchmarks.memory
    python -m benchmarks.memory --manifest DATA/test.jsonl.gz --model MODEL --hours 0.1667 1 10

Each command is a process of its own; its peak is that of all of it, as Linux tells it. `asr
transcribe` writes all its forms. A recording is utterances of a manifest joined in random order,
with pauses of 0.3 to 2 s of faint noise, or the package's sample again and again. `asr train` takes
its default settings, one thread, and a few batches of the sample. What a step takes that is of one
long utterance, `python -m benchmarks.bptt` tells.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import tyro

from asr.audio.waveform import Waveform
from asr.text.formats import FORMATS
from asr.units import Seconds
from benchmarks.measure import peak_kilobytes, report
from benchmarks.package import RATE, sound, with_graphs

UTTERANCES = 40
LONGEST: Seconds = 12.0
"""Of those that are trained on."""
MINUTE: Seconds = 60.0


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    manifest: Path | None = None
    """Whose utterances are joined."""
    model: Path | None = None
    """A model folder with what `asr export --int8` writes; None is the package's."""
    hours: tuple[float, ...] = (1 / 6, 1)
    """Of each recording."""
    engines: tuple[str, ...] = ("torch", "onnx", "int8")
    seed: int = 0
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as name:
        rows = [trained(Path(name))]
    with with_graphs(arguments.model) as model, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for hours in arguments.hours:
            with soundfile.SoundFile(folder / "long.flac", "w", RATE, 1) as file:
                for waveform in parts(arguments, hours):
                    file.write(waveform)
            for engine in arguments.engines:
                command = ["transcribe", file.name, "--model", str(model), "--engine", engine, "--greedy"]
                found = measured([*command, "--out", name, "--format", *FORMATS])
                words = sum(1 for _ in (folder / "long.ctm").open())
                rows.append({"command": f"asr transcribe, {engine}", "sound": f"{hours:.3g} h, {words} words"} | found)
    report("Peak memory", rows, arguments.json)


def parts(arguments: Arguments, hours: float) -> Iterable[Waveform]:
    """The sound of a recording."""
    if arguments.manifest is None:
        minute = sound(MINUTE)
        return (minute for _ in range(round(60 * hours)))
    from benchmarks.long import Utterances

    said = Utterances.read(arguments.manifest, RATE)
    draw = np.random.default_rng(arguments.seed)
    return (waveform for _, waveform in said.joined(3600 * hours, draw, pauses=True))


def trained(folder: Path) -> dict[str, Any]:
    """An epoch of a few utterances, as `asr train` does it by itself."""
    for number in range(UTTERANCES):
        seconds = LONGEST * (1 + number % 4) / 4
        soundfile.write(folder / f"{number}.wav", sound(seconds), RATE)
        (folder / f"{number}.txt").write_text(f"all is well and nothing is lost {number % 10}\n")
    data = str(folder / "data")
    prepare = [sys.executable, "-m", "asr", "prepare", "folder", "--source", str(folder), "--out", data]
    subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
    found = measured(["train", data, "--out", str(folder / "run"), "--epochs", "1", "--threads", "1"])
    return {"command": "asr train", "sound": "defaults"} | found


def measured(command: list[str]) -> dict[str, float]:
    """The peak of a command, and what it took of a core."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "asr", *command], **quiet)
    done, peak = 0, 0.0
    while not done:
        time.sleep(0.05)
        peak = max(peak, peak_kilobytes(process.pid) / 1000)
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
    if status:
        sys.exit(f"asr {' '.join(command)} has failed")
    return {"peak MB": peak, "core s": usage.ru_utime + usage.ru_stime}


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
