"""How long a training's first batch takes, and how much memory, for manifests of up to a million.

    python -m benchmarks.scale --json scale.json

Each manifest is synthetic: lines as `asr prepare` writes them, of utterances of 2 to 15 seconds
that all name one file. Each is measured in a process of its own, which reads it, draws the speeds
of an epoch, plans its batches and loads the first one. Times are the processor's unless the clock
is named, and begin after the imports. Linux alone tells the peak of memory.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import tyro
from lhotse import MonoCut, Recording, SupervisionSegment

from asr.audio.augment import AugmentConfig
from asr.audio.features import FeatureConfig
from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import load_cuts, perturb_speeds
from asr.text.tokenizer import CharacterTokenizer
from benchmarks.measure import peak_kilobytes, report

WORDS = ("a", "and", "but", "for", "from", "had", "his", "one", "said", "she", "the", "there", "which", "who", "you")


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    lines: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """Of each manifest."""
    batch_seconds: float = 96.0
    json: Path | None = None
    """A file for the figures."""
    manifest: Path | None = None
    """Measure this one here; for the processes that this program starts."""


def synthetic(count: int, audio: Path) -> Iterator[str]:
    """Lines of a manifest."""
    draw = random.Random(0)
    rate, longest = 16_000, 15.0
    soundfile.write(audio, np.random.default_rng(0).normal(0, 0.1, int(longest * rate)), rate)
    recording = Recording.from_file(audio)
    for number in range(count):
        name = f"speaker-{number % 977:04d}/utterance-{number:07d}"
        duration = round(draw.uniform(2.0, longest), 2)
        text = " ".join(draw.choices(WORDS, k=round(3 * duration)))
        spoken = SupervisionSegment(name, name, 0.0, duration, text=text, language="en", speaker=str(number % 977))
        cut = MonoCut(name, 0.0, duration, 0, recording=recording, supervisions=[spoken]).to_dict()
        cut["recording"]["id"] = name
        yield json.dumps(cut) + "\n"


def measure(manifest: Path, batch_seconds: float) -> dict[str, float]:
    """From a manifest to a first batch."""
    before, passed, times = peak_kilobytes(), time.perf_counter(), [time.process_time()]
    cuts = load_cuts(manifest)
    times.append(time.process_time())
    faster = perturb_speeds(cuts, AugmentConfig().speeds, seed=0, epoch=0)
    plan = plan_batches(faster, batch_seconds, seed=0)
    times.append(time.process_time())
    tokenizer, rate = CharacterTokenizer(" abcdefghijklmnopqrstuvwxyz"), FeatureConfig().sample_rate
    next(load_batches(plan, tokenizer, sample_rate=rate, loaders=1))
    passed = time.perf_counter() - passed
    read, planned = (after - begun for begun, after in pairwise(times))
    peak = peak_kilobytes()
    return {
        "utterances": len(cuts),
        "read, s": read,
        "plan, s": planned,
        "to the first batch, s by the clock": passed,
        "peak, MB": peak / 1000,
        "of that, libraries": before / 1000,
    }


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    if arguments.manifest is not None:
        print(json.dumps(measure(arguments.manifest, arguments.batch_seconds)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.lines:
            manifest = Path(folder) / f"{count}.jsonl.gz"
            with gzip.open(manifest, "wt", compresslevel=6) as file:
                file.writelines(synthetic(count, Path(folder) / "audio.flac"))
            options = ["--manifest", str(manifest), "--batch-seconds", str(arguments.batch_seconds)]
            command = [sys.executable, "-m", "benchmarks.scale", *options]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            manifest.unlink()
    report("From a manifest to a first batch", rows, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
