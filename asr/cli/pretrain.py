"""`asr pretrain`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.output import progress_of
from asr.cli.parse import NO_PREFIX
from asr.ranks import Ranks
from asr.training.pretrain import pretrain
from asr.training.settings import PretrainConfig


@dataclass(frozen=True)
class Pretrain:
    """Learn from audio without transcripts, by forecasting it.

    `asr train --init RUN/best` goes on from there.
    """

    sources: Annotated[Positional[tuple[Path, ...]], arg(metavar="SOURCE ...")]
    """Audio files, folders of them, and lhotse cut manifests. Transcripts in them are not read."""
    out: Path
    """Run folder; the pretrained model is in its best/."""
    dev: tuple[Path, ...] = ()
    """Likewise, to choose the best epoch by. Without it a twentieth of the pieces is held out."""
    config: Annotated[PretrainConfig, NO_PREFIX] = field(default_factory=PretrainConfig)

    def run(self, ranks: Ranks) -> None:
        best = pretrain(self.config, self.sources, self.dev, self.out, progress_of(ranks), ranks)
        if ranks.first:
            print(f"pretrained model: {best}")
