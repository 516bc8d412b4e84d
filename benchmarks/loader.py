"""What it costs to read, perturb and analyse audio, in the processor's time.

    python -m benchmarks.loader DATA/train.jsonl.gz --seconds 600

Some utterances of a manifest, drawn at random, one thread. Each row does what the rows above it do,
and one thing more, so the last column tells what that adds. The rows take turns. Opus, MP3 and
another sample rate cost in the first row; recordings of 16 kHz in WAV or FLAC cost least there.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import torch
import tyro

from asr.audio.augment import AugmentConfig
from asr.audio.channel import distort
from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel
from asr.data.batches import Batch, Distort, load_batches, plan_batches
from asr.data.cuts import LazyCut, load_cuts, perturb_speeds
from asr.text.tokenizer import CharacterTokenizer
from asr.units import Seconds
from benchmarks.measure import added_up, in_turn, report


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    manifest: tyro.conf.Positional[Path]
    seconds: Seconds = 600.0
    """Of audio."""
    batch_seconds: Seconds = 96.0
    rounds: int = 3
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    cuts = load_cuts(arguments.manifest)
    cuts = random.Random(0).sample(cuts, len(cuts))
    cuts = cuts[: 1 + sum(reached < arguments.seconds for reached in accumulate(cut.duration for cut in cuts))]
    features, augment = FeatureConfig(), AugmentConfig()
    log_mel, tokenizer = LogMel(features), CharacterTokenizer("a")
    faster = perturb_speeds(cuts, augment.speeds, seed=0, epoch=0)
    sent = partial(distort, share=augment.channel, seed=0, epoch=0)

    def loaded(chosen: list[LazyCut], through: Distort | None) -> Iterator[Batch]:
        plan = plan_batches(chosen, arguments.batch_seconds, seed=0)
        return load_batches(plan, tokenizer, sample_rate=features.sample_rate, loaders=0, distort=through)

    def read(chosen: list[LazyCut], through: Distort | None = None) -> None:
        for _ in loaded(chosen, through):
            pass

    def analysed() -> None:
        for batch in loaded(faster, sent):
            log_mel(batch.waveforms, batch.num_samples)

    steps: dict[str, Callable[[], None]] = {
        "read, at the model's rate": lambda: read(cuts),
        f"speeds of {min(augment.speeds)} to {max(augment.speeds)}": lambda: read(faster),
        f"channels, a share of {augment.channel:g}": lambda: read(faster, sent),
        "log-mel features": analysed,
    }
    audio = sum(cut.duration for cut in cuts)
    table = added_up(in_turn(steps, arguments.rounds), audio)
    report(f"{len(cuts)} utterances, {audio / 60:.1f} minutes, one thread", table, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
