"""How many times as fast two or more ranks train as one.

    torchrun --nproc-per-node 2 -m benchmarks.ranks --data runs/an4/data

One rank alone and all together take the same steps in turn, each rank with one worker of one
thread. So a noisy neighbour meets both. Batches are read before the clock starts. The model and the
batches are those of the AN4 recipe.

On a machine with more to do than cores, two processes get twice the time of one, whatever they do
with it. There only the seconds of sound for a second of a processor's time can be believed. They
tell what it costs to share a step.
"""

import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from asr.data.batches import Batch, load_batches, plan_batches
from asr.data.cuts import load_cuts
from asr.ranks import ALONE, Ranks, joined
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import Tokenizer, train_tokenizer
from asr.training.objective import Transcription
from asr.training.trainer import Trainer
from asr.units import Seconds
from recipes.an4 import CHARACTERS


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    data: Path
    """Folder with AN4's train.jsonl.gz."""
    rounds: int = 5
    """Turns of either."""
    steps: int = 4
    """Batches of a turn."""


def trainer_of(tokenizer: Tokenizer, ranks: Ranks) -> Trainer:
    """The recipe's model in training, with one worker a rank."""
    torch.manual_seed(0)
    config = replace(CHARACTERS, threads=1, loaders=0)
    recogniser = Recogniser(config.recogniser, tokenizer)
    return Trainer(config, recogniser, Transcription(config, recogniser.acoustic), ranks)


def timed(trainer: Trainer, batches: list[Batch]) -> tuple[Seconds, Seconds]:
    """How long steps take, and how much of a processor's time."""
    began, used = time.perf_counter(), time.process_time()
    for batch in batches:
        trainer.step([batch], learning_rate=1e-4)
    return time.perf_counter() - began, time.process_time() - used


def main(arguments: Arguments, ranks: Ranks) -> None:
    """Print the ratio of the rates, and what it costs to add gradients up."""
    cuts = load_cuts(arguments.data / "train.jsonl.gz")
    tokenizer = train_tokenizer(CHARACTERS.tokenizer, (cut.text for cut in cuts))
    alone, shared = trainer_of(tokenizer, ALONE), trainer_of(tokenizer, ranks)
    plan = plan_batches(cuts, CHARACTERS.batch_seconds, seed=0)[: arguments.steps]
    audio = sum(cut.duration for batch in plan for cut in batch)
    rate = CHARACTERS.features.sample_rate
    whole, ours = (
        list(load_batches(part, tokenizer, sample_rate=rate, loaders=0))
        for part in (plan, [shared.dealt(batch) for batch in plan])
    )
    gradients = [torch.randn_like(parameter) for parameter in shared.parameters]
    for trainer, batches in ((alone, whole), (shared, ours)):
        trainer.step(batches[:1], learning_rate=1e-4)  # warms up
    found: list[tuple[float, ...]] = []
    for _ in range(arguments.rounds):
        single = ranks.once(lambda: timed(alone, whole))
        all_took = ranks.gather(timed(shared, ours))
        ranks.gather(None)
        began = time.perf_counter()
        ranks.add_up(gradients)
        crossing = time.perf_counter() - began
        took, used = max(one for one, _ in all_took), sum(two for _, two in all_took)
        found.append((audio / single[0], audio / took, audio / single[1], audio / used, 1000 * crossing))
    if not ranks.first:
        return
    one, many, one_used, many_used, crossing = zip(*found, strict=True)
    megabytes = 4 * sum(gradient.numel() for gradient in gradients) / 1e6
    middle = statistics.median
    print(
        f"gradient of {megabytes:.1f} MB, added up in {middle(crossing):.0f} ms ({min(crossing):.0f} to {max(crossing):.0f})"
    )
    for count, rates, used in ((1, one, one_used), (ranks.count, many, many_used)):
        print(
            f"ranks {count}: {middle(rates):6.1f} s of sound a second, {middle(used):6.1f} a second of processors' time"
        )
    ratios = [[a / b for a, b in zip(*pair, strict=True)] for pair in ((many, one), (many_used, one_used))]
    print(f"ratio {middle(ratios[0]):.2f} ({min(ratios[0]):.2f} to {max(ratios[0]):.2f})", end="; ")
    print(f"for the same processors' time {middle(ratios[1]):.2f}")
    cores = len(os.sched_getaffinity(0))
    print(f"load {os.getloadavg()[0]:.1f} on {cores} cores, {arguments.rounds} turns of {arguments.steps} steps")


if __name__ == "__main__":
    with joined() as together:
        main(tyro.cli(Arguments, description=__doc__), together)
