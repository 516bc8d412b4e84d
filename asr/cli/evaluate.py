"""`asr evaluate`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.options import Device, Engine, ModelFolder, Search
from asr.cli.output import progress_of, show_assessment
from asr.cli.parse import NO_PREFIX
from asr.data.cuts import load_cuts
from asr.ranks import Ranks
from asr.scoring.assess import ScoreOptions, assess
from asr.scoring.transcripts import read_transcripts, write_texts
from asr.transcription.evaluate import evaluate


@dataclass(frozen=True)
class Evaluate:
    """Decode the utterances of a manifest and score them against their transcripts."""

    manifest: Annotated[Positional[Path], arg(metavar="MANIFEST")]
    """A lhotse cut manifest, such as test.jsonl.gz."""
    model: ModelFolder = None
    hypotheses: Path | None = None
    """Also write the hypotheses, as Kaldi text, for `asr score`."""
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
    device: Device = "auto"
    engine: Engine = "torch"
    options: Annotated[ScoreOptions, NO_PREFIX] = field(default_factory=ScoreOptions)

    def run(self, ranks: Ranks) -> None:
        progress, name = progress_of(ranks), self.manifest.name.split(".")[0]
        cuts = load_cuts(self.manifest)
        transcriber = self.search.transcriber(self.model, self.device, self.engine)
        evaluation = evaluate(transcriber, cuts, progress=progress, ranks=ranks)
        if not ranks.first:
            return
        if self.hypotheses is not None:
            write_texts(self.hypotheses, evaluation.hypotheses)
        references = read_transcripts(self.manifest)
        show_assessment(name, assess(references, {name: evaluation.hypotheses}, self.options, progress))
