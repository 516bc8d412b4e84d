"""`asr calibrate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.options import Device
from asr.cli.output import TerminalProgress, show
from asr.cli.tables import reliability
from asr.data.cuts import load_cuts
from asr.transcription.calibrate import calibrated, cross_validated, draw_reliability, judged, outcomes
from asr.transcription.confidence import save_calibration
from asr.transcription.transcribe import Transcriber


@dataclass(frozen=True)
class Calibrate:
    """Fit a model's confidences to utterances that it was not trained on, and store the fit.

    The utterances have transcripts. It prints how far confidences are from the truth, before and
    after, and what luck alone would show. The figures of the fit's own utterances are by five-fold
    cross-validation.
    """

    manifest: Annotated[Positional[Path], arg(metavar="MANIFEST")]
    """A lhotse cut manifest, such as dev.jsonl.gz."""
    model: Annotated[Path, arg(help="A model folder; confidence.json and reliability.png are written there.")]
    test: Path | None = None
    """A manifest to judge the fit on; the picture shows this one then."""
    device: Device = "auto"

    def run(self) -> None:
        cuts, test_cuts = load_cuts(self.manifest), load_cuts(self.test) if self.test else []
        transcriber, progress = Transcriber.load(self.model, device=self.device), TerminalProgress()
        words, utterances = outcomes(transcriber, cuts, progress)
        calibration = calibrated(words, utterances)
        name = self.manifest.name.split(".")[0]
        shown = [cross_validated(f"{name} words", words), cross_validated(f"{name} utterances", utterances)]
        rows = list(shown)
        if self.test is not None:
            name = self.test.name.split(".")[0]
            words, utterances = outcomes(transcriber, test_cuts, progress)
            shown = [
                judged(f"{name} words", words, calibration.words),
                judged(f"{name} utterances", utterances, calibration.utterances),
            ]
            rows += shown
        save_calibration(self.model, calibration)
        draw_reliability(shown, self.model / "reliability.png")
        show(reliability(rows))
        print(self.model / "reliability.png")
