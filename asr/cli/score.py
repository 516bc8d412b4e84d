"""`asr score`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.output import TerminalProgress, show_assessment
from asr.cli.parse import NO_PREFIX
from asr.scoring.assess import ScoreOptions, assess, read_test_set


@dataclass(frozen=True)
class Score:
    """Compare transcript files, paired by utterance id.

    It prints error rates with 95 % intervals, and which system is better.
    """

    reference: Annotated[Positional[Path], arg(metavar="REFERENCE")]
    """The reference: `id text` (Kaldi), TRN, STM, or JSON lines (NeMo manifests, lhotse cuts)."""
    hypotheses: Annotated[Positional[tuple[Path, ...]], arg(metavar="HYPOTHESES ...")]
    """What was recognised, in any of these forms, or in CTM; a file for each system."""
    plain: bool = False
    """The files hold a text a line without ids: pair them by line number."""
    details: Path | None = None
    """A manifest of the same ids, or Kaldi's utt2spk: adds speaker, duration, audio."""
    options: Annotated[ScoreOptions, NO_PREFIX] = field(default_factory=ScoreOptions)

    def run(self) -> None:
        references, systems = read_test_set(
            self.reference, self.hypotheses, plain=self.plain, details=self.details, costs=self.options.costs
        )
        name = self.hypotheses[0].name if len(systems) == 1 else self.reference.name
        show_assessment(name, assess(references, systems, self.options, TerminalProgress()))
