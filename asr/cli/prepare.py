"""`asr prepare`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.output import TerminalProgress, show
from asr.cli.parse import NO_PREFIX
from asr.cli.tables import preparation
from asr.corpora import Options
from asr.data.prepare import prepare
from asr.data.recording import Check
from asr.text.normalise import TextForm


@dataclass(frozen=True)
class Prepare:
    """Turn a corpus into checked manifests: train, dev and test."""

    corpus: Annotated[Positional[str], arg(metavar="CORPUS")]
    """A corpus by its name (data/README.md), folder, collection, or lhotse:NAME."""
    out: Path
    """Folder for the manifests."""
    source: Path | None = None
    """The corpus on disk. Without it, it is downloaded from its own home."""
    downloads: Path = Path("data")
    """Where downloads are kept."""
    text: TextForm = "basic"
    """basic: lower case without punctuation; verbatim: as it is."""
    check: Check = "decode"
    """Whether every recording is decoded once, or only its header read."""
    options: Annotated[Options, NO_PREFIX] = field(default_factory=Options)

    def run(self) -> None:
        prepared = prepare(
            self.corpus,
            self.out,
            source=self.source,
            downloads=self.downloads,
            options=self.options,
            text_form=self.text,
            check=self.check,
            progress=TerminalProgress(),
        )
        show(preparation(prepared))
