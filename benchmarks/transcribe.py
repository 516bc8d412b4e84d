"""What transcribing costs with each engine, everything included: reading, features, search, times.

    python -m benchmarks.transcribe
    python -m benchmarks.transcribe talk.wav --model runs/an4/best --json transcribe.json

A model folder that is given has what `asr export --int8` writes. "x real time" is seconds of sound
by seconds of one core. Several recordings, or the pieces of one, are decoded at the same time on
other cores (`asr transcribe --jobs`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from asr.transcription.transcribe import Transcriber
from asr.units import Seconds
from benchmarks.measure import report, seconds
from benchmarks.package import as_file, with_graphs

MADE_UP: Seconds = 120.0


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    recording: tyro.conf.Positional[Path | None] = None
    """Without one, two minutes of the package's sample."""
    model: Path | None = None
    """None is the package's."""
    lm: Path | None = None
    """An n-gram model, for a beam search of 50; the package's model has its own."""
    rounds: int = 3
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure every engine in one run, greedily and with a beam."""
    torch.set_num_threads(1)
    searches: dict[str, dict[str, Any]] = {"greedy": {"lm": False}}
    if arguments.lm or arguments.model is None:
        searches["beam 50, n-gram"] = {"lm": arguments.lm or True, "beam": 50}
    rows = []
    with with_graphs(arguments.model) as folder, as_file(arguments.recording, MADE_UP) as recording:
        for search, wanted in searches.items():
            for engine in ("torch", "onnx", "int8"):
                model = Transcriber.load(folder, engine=engine, device="cpu", **wanted)
                length = model.transcribe(recording).duration
                spent, passed = seconds(lambda model=model: model.transcribe(recording), arguments.rounds)
                row = {"search": search, "engine": engine, "core s": spent, "wall s": passed}
                rows.append(row | {"x real time": length / spent})
    report(f"{length / 60:.1f} minutes of sound, one thread", rows, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
