"""What the loader's priority costs a training beside other busy programs.

    python -m benchmarks.loader_priority --data runs/an4/data

Trains on AN4 with two workers and one loader, in three kinds of company. The first is none. The
second is two busy processes of the same session. The third is two of another session (`setsid`).
Systems with automatic task groups schedule that one as a group of its own.

Priorities take turns, and every turn is repeated. So a noisy neighbour meets all of them. Prints
medians.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch
import tyro

from asr.data import batches
from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import LazyCut, load_cuts, perturb_speeds
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import Tokenizer, train_tokenizer
from asr.training.objective import Transcription
from asr.training.trainer import Trainer
from asr.units import Seconds
from recipes.an4 import CHARACTERS

Company: TypeAlias = Literal["none", "same session", "other session"]

NICENESS = (None, 0, 5, 10, 19)
"""None loads in the training process itself."""
BUSY = "while True: pass"


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    data: Path
    """Folder with AN4's train.jsonl.gz."""
    rounds: int = 3
    """Turns of each priority."""
    steps: int = 12
    """Batches of a turn."""
    hidden: int = 96
    """Units of each of the model's two layers.

    The smaller, the more there is to load for each second of training.
    """


@dataclass(frozen=True)
class Turn:
    """What was measured of some steps."""

    rate: float
    """Seconds of audio a second."""
    waited: float
    """Share of the time in which the training process waits for a batch."""


@contextmanager
def company(kind: Company) -> Iterator[None]:
    """Keep two processes busy."""
    count = 0 if kind == "none" else 2
    command = [sys.executable, "-c", BUSY]
    processes = [subprocess.Popen(command, start_new_session=kind == "other session") for _ in range(count)]
    try:
        time.sleep(0.2)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def turn(
    trainer: Trainer, tokenizer: Tokenizer, cuts: list[LazyCut], epoch: int, niceness: int | None, steps: int
) -> Turn:
    """Train some steps."""
    config = trainer.config
    perturbed = perturb_speeds(cuts, config.augment.speeds, seed=0, epoch=epoch)
    plan = plan_batches(perturbed, config.batch_seconds, seed=epoch)[: steps + 1]
    batches.NICENESS = niceness or 0
    loaded = load_batches(
        plan, tokenizer, sample_rate=config.features.sample_rate, loaders=0 if niceness is None else 1
    )
    trainer.step([next(loaded)], learning_rate=1e-4)  # the loader has started
    audio: Seconds = 0.0
    waited: Seconds = 0.0
    started = before = time.perf_counter()
    for batch in loaded:
        waited += time.perf_counter() - before
        audio += float(batch.num_samples.sum()) / config.features.sample_rate
        trainer.step([batch], learning_rate=1e-4)
        before = time.perf_counter()
    seconds = before - started
    return Turn(audio / seconds, waited / seconds)


def main(arguments: Arguments) -> None:
    """Print a table: a row a priority, rate and share of waiting for each company."""
    cuts = load_cuts(arguments.data / "train.jsonl.gz")
    config = replace(
        CHARACTERS, acoustic=replace(CHARACTERS.acoustic, hidden=arguments.hidden, layers=2, intermediate=()), threads=2
    )
    torch.manual_seed(0)
    tokenizer = train_tokenizer(config.tokenizer, (cut.text for cut in cuts))
    recogniser = Recogniser(config.recogniser, tokenizer)
    trainer = Trainer(config, recogniser, Transcription(config, recogniser.acoustic))
    companies: tuple[Company, ...] = ("none", "same session", "other session")
    found: dict[tuple[int | None, Company], list[Turn]] = {}
    for number in range(arguments.rounds):
        for kind in companies:
            for niceness in NICENESS:
                with company(kind):
                    measured = turn(trainer, tokenizer, cuts, number, niceness, arguments.steps)
                found.setdefault((niceness, kind), []).append(measured)
                print(f"  {kind}, nice {niceness}: {measured}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    trainer.workers.close()
    print("| loader | " + " | ".join(f"{kind}: x real time | waiting" for kind in companies) + " |")
    for niceness in NICENESS:
        cells = []
        for kind in companies:
            turns = found[niceness, kind]
            cells.append(f"{statistics.median(one.rate for one in turns):.0f}")
            cells.append(f"{100 * statistics.median(one.waited for one in turns):.0f} %")
        name = "in the training process" if niceness is None else f"nice {niceness}"
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
