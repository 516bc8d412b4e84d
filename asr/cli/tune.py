"""`asr tune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.options import Device, Search
from asr.cli.output import TerminalProgress, show
from asr.cli.tables import trials
from asr.data.cuts import load_cuts
from asr.decoding.tune import keep, tune
from asr.errors import ConfigError
from asr.scoring.score import summary_line


@dataclass(frozen=True)
class Tune:
    """Find the decoding weights of language models on dev; keep both in the model for `--lm`."""

    manifest: Annotated[Positional[Path], arg(metavar="MANIFEST")]
    """A lhotse cut manifest, such as dev.jsonl.gz; never that of the test set."""
    model: Annotated[
        Path,
        arg(help="A model folder. It gets decoding.json and copies of the language models and the second recogniser."),
    ]
    lm: tuple[Path, ...]
    """An n-gram file (ARPA or KenLM binary), the folder of a recurrent language model, or both."""
    second: Path | None = None
    """A second recogniser's model folder, say of characters beside one of words; it counts too."""
    beam: int = 50
    """Hypotheses to keep."""
    device: Device = "auto"

    def run(self) -> None:
        if not self.lm:
            raise ConfigError("--lm: no language model was named")
        cuts = load_cuts(self.manifest)
        transcriber = Search(self.lm, self.beam, self.second).transcriber(self.model, self.device)
        assert transcriber.decoder is not None
        tuning = tune(transcriber.recogniser, transcriber.decoder, cuts, TerminalProgress())
        keep(self.model, self.lm, self.second, tuning.config)
        show(trials(tuning))
        name = self.manifest.name.split(".")[0]
        print(summary_line(f"{name}, greedy:", tuning.greedy))
        print(summary_line(f"{name}, tuned:", tuning.tuned))
        print(self.model / "decoding.json")
