"""`asr learning-curve`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.output import TerminalProgress, show
from asr.cli.parse import NO_PREFIX
from asr.cli.tables import curve
from asr.errors import ConfigError
from asr.training.learning_curve import by_adapting, extrapolated, from_scratch, learning_curve, save_curve
from asr.training.settings import TrainConfig


@dataclass(frozen=True)
class LearningCurve:
    """Say how much more speech would help: train on an eighth, a quarter, half and all of it.

    It scores each model, draws word error rates with their intervals against minutes, and states
    what more speech would give, as a range. It takes some three times as long as the training of
    all alone; the same command goes on after a kill.
    """

    data: Annotated[Positional[Path], arg(metavar="DATA")]
    """Folder of manifests, as `asr prepare` writes."""
    out: Path
    """Folder for the models, curve.json and curve.png."""
    adapt: Path | None = None
    """Adapt this model instead of training from scratch; the settings are then chosen for it."""
    general: Path | None = None
    """With --adapt: general speech that should not be forgotten."""
    more: tuple[float, ...] = (0.5, 2.0, 10.0)
    """Hours of more speech to tell of."""
    config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)

    def run(self) -> None:
        if any(hours <= 0 for hours in self.more):
            raise ConfigError(f"--more must be positive hours, got {' '.join(map(str, self.more))}")
        progress = TerminalProgress()
        teach = from_scratch(self.config, progress)
        if self.adapt is not None:
            teach = by_adapting(self.adapt, general=self.general, device=self.config.device, progress=progress)
        points = learning_curve(self.data, self.out, teach, progress)
        ranges = extrapolated(points, [points[-1].minutes + 60 * hours for hours in self.more])
        save_curve(points, ranges, self.out)
        show(curve(points, ranges))
        print(self.out / "curve.png")
