"""`asr adapt`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.options import Device, ModelFolder
from asr.cli.output import TerminalProgress, show
from asr.cli.tables import adaptation
from asr.recogniser.bundled import bundled_model
from asr.training.adapt import adapt


@dataclass(frozen=True)
class Adapt:
    """Teach a trained model a voice, a microphone, names: from minutes of one's own recordings.

    It chooses its settings by itself and takes about five minutes. At the end it tells the word
    error rate before and after, on recordings that it kept apart, and what general speech has lost.
    The same command goes on after a kill.
    """

    recordings: Annotated[Positional[Path], arg(metavar="RECORDINGS")]
    """Folder of recordings with transcripts, as `asr record` makes it, or of manifests."""
    out: Path
    """Folder of the adapted model."""
    model: ModelFolder = None
    general: Path | None = None
    """General speech with transcripts, to tell other voices by; none is what the model brings."""
    rehearsal: float | None = None
    """Weight of staying like the base model; none is 0 with general speech, else 0.3."""
    epochs: int | None = None
    """Passes over the recordings; none takes as many as fit into about five minutes."""
    device: Device = "auto"
    threads: int | None = None
    """One-thread processes that share a batch; none takes one a core."""
    seed: int = 0
    """Of every draw."""

    def run(self) -> None:
        adapted = adapt(
            self.recordings,
            self.model or bundled_model(),
            self.out,
            general=self.general,
            rehearsal=self.rehearsal,
            epochs=self.epochs,
            device=self.device,
            threads=self.threads,
            seed=self.seed,
            progress=TerminalProgress(),
        )
        show(adaptation(adapted))
        search = " --lm" if adapted.searched else ""
        print(f"adapted model: {adapted.folder}")
        print(f"try it: asr transcribe RECORDING --model {shlex.quote(str(adapted.folder))}{search}")
