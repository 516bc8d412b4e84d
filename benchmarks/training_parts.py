"""What a training step of the AN4 recipe costs beside its recurrent layers, in processor time.

    python -m benchmarks.training_parts --source corpora/an4

Some batches of the recipe, one thread. Each row does what the rows above it do, and one thing more,
so the last column tells what that adds. The rows take turns, so that a noisy machine meets them
all. The first row is `nn.LSTM` on as many random frames, padding included. It is wrong on padding,
and shows the least that these layers can cost. Without an accelerator a loader reads on the same
cores that compute, so reading counts, too.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from asr.data.batches import Batch, load_batches, plan_batches
from asr.data.cuts import load_cuts, perturb_speeds
from asr.data.prepare import prepare
from asr.model.reading import Full
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import train_tokenizer
from asr.training.objective import Transcription
from asr.training.trainer import Trainer
from benchmarks.measure import added_up, in_turn, report
from benchmarks.training_speed import BareLayers
from recipes.an4 import CHARACTERS as CONFIG


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    source: Path | None = None
    """AN4's folder; without it, it is downloaded."""
    batches: int = 8
    rounds: int = 3
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        prepare("an4", Path(folder), source=arguments.source, check="header")
        cuts = load_cuts(Path(folder) / "train.jsonl.gz")
    tokenizer, rate = train_tokenizer(CONFIG.tokenizer, (cut.text for cut in cuts)), CONFIG.features.sample_rate
    recogniser = Recogniser(CONFIG.recogniser, tokenizer)
    objective = Transcription(CONFIG, recogniser.acoustic)
    trainer = Trainer(replace(CONFIG, threads=1), recogniser, objective)
    faster = perturb_speeds(cuts, CONFIG.augment.speeds, seed=0, epoch=0)
    plan = plan_batches(faster, CONFIG.batch_seconds, seed=0)[: arguments.batches]
    batches = list(load_batches(plan, tokenizer, sample_rate=rate, loaders=0))
    augmented = [trainer._augment(batch, {}, 1, torch.Generator()) for batch in batches]
    acoustic, bare, draws = recogniser.acoustic.train(), BareLayers(), torch.Generator()
    with torch.no_grad():
        inputs = [acoustic.subsample(one.log_mel, one.lengths) for one in augmented]

    def padded() -> None:
        for frames, _ in inputs:
            bare.step(frames.requires_grad_())

    def layers() -> None:
        for frames, lengths in inputs:
            (*_, top), _ = acoustic._whole(frames.requires_grad_(), lengths, Full(), draws, None)
            top.sum().backward()

    def outputs() -> None:
        for one in augmented:
            found = acoustic(one.log_mel, one.lengths, trainer.bptt, generator=draws)
            torch.stack([read.sum() for read in (found.log_probs, *found.intermediate)]).sum().backward()

    def losses() -> None:
        for one in augmented:
            objective(one, trainer.bptt, draws).objective.backward()

    def steps(given: Iterable[Batch]) -> None:
        for batch in given:
            trainer.step([batch], learning_rate=1e-5)

    rows = {
        "`nn.LSTM`, 3 x 256": padded,
        "our layers: padding reaches no frame, dropout": layers,
        "convolutions, output layers": outputs,
        "CTC of the last and of an inner layer": losses,
        "features, masks, clipping, AdamW, averaging": lambda: steps(batches),
        "reading, speeds": lambda: steps(load_batches(plan, tokenizer, sample_rate=rate, loaders=0)),
    }
    audio = sum(cut.duration for cuts in plan for cut in cuts)
    table = added_up(in_turn(rows, arguments.rounds), audio)
    report(f"{len(plan)} batches, {audio / 60:.1f} minutes, one thread", table, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
