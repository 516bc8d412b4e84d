"""How many seconds of audio a second the AN4 recipe trains on, beside a bare loop.

    python -m benchmarks.training_speed --source corpora/an4

The recipe's rate is over whole epochs and counts everything but dev evaluation: reading, speed
perturbation, features, masks, BPTT, CTC, clipping, AdamW, averaging.

The bare loop only runs forward and backward passes of PyTorch's own LSTM, on random numbers with
PyTorch's own threads. It has the recipe's shape: 3 x 256 with summed directions. The two alternate,
so that a noisy neighbour meets both.
"""

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor, nn

from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import load_cuts, perturb_speeds
from asr.data.prepare import prepare
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import train_tokenizer
from asr.training.objective import Transcription
from asr.training.trainer import Trainer
from asr.units import subsampled
from recipes.an4 import CHARACTERS as CONFIG

ROUNDS = 3
BARE_STEPS = 20
SECONDS = 3
"""Of each utterance of the bare loop's batches, which hold as many seconds as the recipe's."""
WARM_UP = 6


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    source: Path | None = None
    """AN4's folder; without it, it is downloaded."""


class BareLayers(nn.Module):
    """Three bidirectional LSTM layers whose directions are summed, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(256, 256, batch_first=True, bidirectional=True) for _ in range(3))

    def step(self, inputs: Tensor) -> None:
        for layer in self.layers:
            inputs = layer(inputs)[0].unflatten(-1, (2, -1)).sum(-2)
        inputs.sum().backward()


def main(arguments: Arguments) -> None:
    """Print both rates and their ratio, the median of several epochs."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        prepare("an4", Path(folder), source=arguments.source, check="header")
        cuts = load_cuts(Path(folder) / "train.jsonl.gz")
    tokenizer = train_tokenizer(CONFIG.tokenizer, (cut.text for cut in cuts))
    recogniser = Recogniser(CONFIG.recogniser, tokenizer)
    trainer = Trainer(CONFIG, recogniser, Transcription(CONFIG, recogniser.acoustic))
    bare = BareLayers()
    utterances = round(CONFIG.batch_seconds / SECONDS)
    frames = subsampled(round(SECONDS / CONFIG.features.hop), CONFIG.acoustic.subsampling)
    rates: list[tuple[float, float]] = []
    for epoch in range(ROUNDS + 1):  # the first warms up
        plan = plan_batches(
            perturb_speeds(cuts, CONFIG.augment.speeds, seed=0, epoch=epoch), CONFIG.batch_seconds, seed=epoch
        )
        plan = plan if epoch else plan[:WARM_UP]
        audio = sum(cut.duration for cuts in plan for cut in cuts)
        torch.set_num_threads(1)
        started = time.perf_counter()
        for batch in load_batches(plan, tokenizer, sample_rate=CONFIG.features.sample_rate, loaders=CONFIG.loaders):
            trainer.step([batch], learning_rate=1e-4)
        recipe = audio / (time.perf_counter() - started)
        torch.set_num_threads(cores)
        inputs = torch.randn(utterances, frames, 256, requires_grad=True)
        started = time.perf_counter()
        for _ in range(BARE_STEPS):
            bare.step(inputs)
        rates.append((recipe, BARE_STEPS * utterances * SECONDS / (time.perf_counter() - started)))
    recipes, bares = zip(*rates[1:], strict=True)
    ratio = statistics.median(a / b for a, b in rates[1:])
    print(f"recipe  {statistics.median(recipes):6.1f} s of audio a second ({min(recipes):.1f} to {max(recipes):.1f})")
    print(f"bare    {statistics.median(bares):6.1f} s of audio a second ({min(bares):.1f} to {max(bares):.1f})")
    print(f"ratio   {ratio:6.2f}  ({cores} cores, {ROUNDS} epochs)")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
