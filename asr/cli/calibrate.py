"""`asr calibrate`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.audio.folder import find_recordings
from asr.cli.options import Device, Search
from asr.cli.output import TerminalProgress, complain, show
from asr.cli.parse import NO_PREFIX
from asr.cli.tables import rejections, reliability
from asr.data.cuts import LazyCut, load_cuts
from asr.decoding.commands import Commands, save_rejection
from asr.files import without_gz
from asr.transcription.calibrate import calibrated, cross_validated, draw_reliability, judged, outcomes
from asr.transcription.confidence import save_calibration
from asr.transcription.rejection import HOUR, draw_rejection, fit_rejection, listen, overhear
from asr.transcription.transcribe import Transcriber


@dataclass(frozen=True)
class Calibrate:
    """Fit a model's confidences to utterances that it was not trained on, and store the fit.

    The utterances have transcripts. It prints how far confidences are from the truth, before and
    after, and what luck alone would show. The figures of the fit's own utterances are by five-fold
    cross-validation. With --commands it fits the threshold of commands instead.
    """

    manifest: Annotated[Positional[Path], arg(metavar="MANIFEST")]
    """A lhotse cut manifest, such as dev.jsonl.gz. With --commands, recordings do as well."""
    model: Annotated[Path, arg(help="A model folder; confidence.json and reliability.png are written there.")]
    test: Path | None = None
    """A manifest to judge the fit on; the picture shows this one then."""
    false_accepts: float = 1.0
    """With --commands: how many of them an hour of other speech may have."""
    device: Device = "auto"
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)

    def run(self) -> None:
        cuts = [] if self.search.commands else load_cuts(self.manifest)
        test_cuts = load_cuts(self.test) if self.test else []
        transcriber = self.search.transcriber(self.model, self.device)
        if transcriber.commands is not None:
            self._reject(transcriber, transcriber.commands, test_cuts)
        else:
            self._calibrate(transcriber, cuts, test_cuts)

    def _calibrate(self, transcriber: Transcriber, cuts: Sequence[LazyCut], test_cuts: Sequence[LazyCut]) -> None:
        """Fit and store the confidences."""
        progress = TerminalProgress()
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

    def _reject(self, transcriber: Transcriber, commands: Commands, test_cuts: Sequence[LazyCut]) -> None:
        """Fit and store the threshold of commands."""
        progress = TerminalProgress()
        if without_gz(self.manifest).suffix == ".jsonl":
            other = listen(transcriber, commands, load_cuts(self.manifest), progress)
        else:
            other = overhear(transcriber, commands, [f.path for f in find_recordings([self.manifest])], progress)
        rejection = fit_rejection(commands, other, self.false_accepts)
        if self.false_accepts * other.seconds < HOUR:
            complain(
                f"{other.seconds / 60:.1f} minutes of other speech are too short to measure {self.false_accepts:g} false "
                "accepts an hour; the threshold is above all that was heard"
            )
        save_rejection(self.model, rejection)
        trials = {self.manifest.name: other}
        if self.test is not None:
            trials[self.test.name] = test = listen(transcriber, commands, test_cuts, progress)
            if test.commands and test.others:
                draw_rejection(test, rejection.threshold, self.model / "commands.png")
                print(self.model / "commands.png")
        show(rejections(rejection, trials))
