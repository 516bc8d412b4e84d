"""`asr train`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.output import progress_of
from asr.cli.parse import NO_PREFIX
from asr.ranks import Ranks
from asr.training.settings import TrainConfig
from asr.training.train import train


@dataclass(frozen=True)
class Train:
    """Train a recogniser on prepared manifests; the same command goes on after a kill."""

    data: Annotated[Positional[Path], arg(metavar="DATA")]
    """Folder with train.jsonl.gz and dev.jsonl.gz."""
    out: Path
    """Run folder; the best model is in its best/."""
    config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)

    def run(self, ranks: Ranks) -> None:
        best = train(self.config, self.data, self.out, progress_of(ranks), ranks)
        if ranks.first:
            print(f"best model: {best}")
