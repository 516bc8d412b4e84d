"""`asr calibrate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.audio.folder import find_recordings
from asr.cli.options import Device
from asr.cli.output import TerminalProgress, complain, show
from asr.cli.tables import rejections, reliability
from asr.data.cuts import load_cuts
from asr.decoding.commands import save_rejection
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
    commands: Path | None = None
    """Fit instead which phrases of this grammar are rejected, to speech that holds none of them."""
    false_accepts: float = 1.0
    """With --commands: how many of them an hour of other speech may have."""
    device: Device = "auto"

    def run(self) -> None:
        if self.commands is not None:
            self._reject(self.commands)
        else:
            self._calibrate()

    def _calibrate(self) -> None:
        """Fit and store the confidences."""
        cuts, test_cuts = load_cuts(self.manifest), load_cuts(self.test) if self.test else []
        transcriber, progress = Transcriber.load(self.model, device=self.device, engine="torch"), TerminalProgress()
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

    def _reject(self, grammar: Path) -> None:
        """Fit and store the threshold of commands."""
        test_cuts, progress = load_cuts(self.test) if self.test else [], TerminalProgress()
        transcriber = Transcriber.load(self.model, commands=grammar, device=self.device, engine="torch")
        commands = transcriber.commands
        assert commands is not None
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
