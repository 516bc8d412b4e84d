"""`asr gradients`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from tyro.conf import Positional, arg

from asr.cli.options import Device
from asr.cli.output import show
from asr.cli.tables import reaches
from asr.config import POSITIVE, SEED, at_least, check
from asr.data.cuts import load_cuts
from asr.model.shape import AcousticConfig, Cell
from asr.recogniser.model_folder import load_model
from asr.training.gradients import fresh, inspect, save
from asr.workers import choose_device


@dataclass(frozen=True)
class Gradients:
    """Measure how far gradients reach through time on real utterances; recommend a BPTT segment.

    Each layer is measured. Without --model, fresh networks of tanh RNN, GRU and LSTM are measured
    side by side.
    """

    manifest: Annotated[Positional[Path], arg(metavar="MANIFEST")]
    """A lhotse cut manifest, such as dev.jsonl.gz; its longest utterances are taken."""
    model: tuple[Path, ...] = ()
    """Model folders, measured side by side."""
    out: Path = Path("gradients")
    """Folder for gradients.json and gradients.png."""
    distance: float = 4.0
    """How far back and ahead to look, in seconds."""
    layers: int = 3
    """Layers of the fresh networks."""
    hidden: int = 256
    """Units of one direction of the fresh networks."""
    gain: float = 1.0
    """Scales the fresh networks' recurrent matrices, whose spectral radius is about 0.58."""
    seed: int = 0
    """Of the fresh networks' weights."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        check(self, distance=POSITIVE, layers=at_least(1), hidden=at_least(1), seed=SEED)

    def run(self) -> None:
        cuts, device = load_cuts(self.manifest), choose_device(self.device)
        if self.model:
            recognisers = [(str(folder), load_model(folder, device)) for folder in self.model]
        else:
            shapes = [AcousticConfig(cell=cell, layers=self.layers, hidden=self.hidden) for cell in get_args(Cell)]
            recognisers = [
                (f"fresh {shape.cell}", fresh(shape, cuts, gain=self.gain, seed=self.seed).to(device))
                for shape in shapes
            ]
        inspections = [inspect(name, recogniser, cuts, distance=self.distance) for name, recogniser in recognisers]
        save(inspections, self.out)
        show(reaches(inspections))
        print(self.out / "gradients.png")
