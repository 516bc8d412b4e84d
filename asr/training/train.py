"""Training a recogniser: manifests in, a run folder with its best model out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.data.cuts import LazyCut, load_cuts
from asr.data.splits import lacking
from asr.errors import ConfigError, DataError
from asr.model.reading import Full, Truncated
from asr.progress import SILENT, Progress
from asr.ranks import ALONE, Ranks
from asr.recogniser.bundled import model_named
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.scoring.score import summary_line
from asr.text.pronunciation import read_pronunciations
from asr.text.tokenizer import train_tokenizer
from asr.training.goal import Judgement, Purpose
from asr.training.gradients import inspect
from asr.training.objective import Transcription, acoustic_of
from asr.training.run import run, usable_device
from asr.training.selection import fitting, long_enough
from asr.training.settings import TrainConfig
from asr.training.trainer import Trainer
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber

JUDGED = 200
"""Training utterances that stand for dev in a final training without one."""


def train(config: TrainConfig, data: Path, out: Path, progress: Progress = SILENT, ranks: Ranks = ALONE) -> Path:
    """Train on `data/train.jsonl.gz`, choose on `data/dev.jsonl.gz`, write the run to `out`.

    With `final`, train on both, or on train alone if there is no dev. The same call after a kill
    goes on from the last checkpoint. After the end it returns at once.

    Args:
        config: the settings.
        data: folder with the manifests that `asr prepare` wrote.
        out: run folder, as `run` has it.
        progress: who is told how far it is.
        ranks: the processes that train together.

    Returns:
        The best model's folder, `out/best`.

    Raises:
        DataError: if manifests or audio cannot be read, or nothing is left to train on.
        ConfigError: if `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row.
    """
    cuts, dev_cuts = load_cuts(data / "train.jsonl.gz"), _load_dev(config, data)
    cuts = long_enough(cuts, config, progress)
    if config.final:
        cuts += long_enough(dev_cuts, config, progress) if dev_cuts else []
        dev_cuts = dev_cuts or cuts[:JUDGED]
    for note in lacking((cut.text for cut in cuts), {"dev": [cut.text for cut in dev_cuts]}):
        progress.say(f"note: {note}")
    device = usable_device(config)
    torch.manual_seed(config.seed)
    tokenizer = ranks.once(lambda: train_tokenizer(config.tokenizer, (cut.text for cut in cuts)))
    cuts = fitting(cuts, tokenizer, config, progress)
    recogniser = Recogniser(config.recogniser, tokenizer).to(device)
    dictionary = None if config.pronunciations is None else read_pronunciations(Path(config.pronunciations))
    objective = Transcription(config, recogniser.acoustic, dictionary, teacher_of(config, recogniser))
    trainer = Trainer(config, recogniser, objective, ranks)
    return run(trainer, WordErrorGoal(trainer, config, dev_cuts, progress), cuts, dev_cuts, out, progress)


def _load_dev(config: TrainConfig, data: Path) -> list[LazyCut]:
    """Read dev; none is needed for a final training, which trains on it too."""
    manifest = data / "dev.jsonl.gz"
    return [] if config.final and not manifest.exists() else load_cuts(manifest)


def teacher_of(config: TrainConfig, recogniser: Recogniser) -> Recogniser | None:
    """Find the model that training should stay like; None if it need not.

    Raises:
        ConfigError: if its tokens are others.
        ModelError: if it cannot be used.
    """
    if not config.rehearsal or config.init is None:
        return None
    other = load_model(model_named(config.init), recogniser.device)
    if other.tokenizer.pieces != recogniser.tokenizer.pieces:
        raise ConfigError(
            "rehearsal needs the tokens of init, and the training texts have others; leave it out, or adapt"
        )
    return other


@dataclass(frozen=True)
class WordErrorGoal:
    """The goal of a low word error rate on dev."""

    trainer: Trainer
    config: TrainConfig
    dev_cuts: Sequence[LazyCut]
    progress: Progress

    @property
    def recogniser(self) -> Recogniser:
        """The averaged model."""
        return self.trainer.recogniser.with_acoustic(acoustic_of(self.trainer.averaged))

    @property
    def purpose(self) -> Purpose:
        """For the model card."""
        return Purpose(
            title="A speech recogniser",
            model=f" with CTC over {self.recogniser.tokenizer.size - 1} {self.config.tokenizer.units}, "
            f"{self.recogniser.num_parameters / 1e6:.1f} M parameters",
            data="speech",
            measure="greedy decoding, no language model; the interval is a 95 % bootstrap over utterances",
            commands=("asr transcribe RECORDING... --model FOLDER", "asr evaluate MANIFEST --model FOLDER"),
        )

    def judge(self) -> Judgement:
        """Decode dev greedily, and see how much of the gradient does not reach over a segment."""
        evaluation = evaluate(
            Transcriber(self.recogniser),
            self.dev_cuts,
            loaders=self.config.loaders,
            progress=self.progress,
            ranks=self.trainer.ranks,
        )
        wer, cer = evaluation.score.wer, evaluation.score.cer
        metrics = evaluation.metrics | {"dropped_share": self.trainer.ranks.once(self._dropped_share)}
        untaught = wer.value >= 1
        errors, loss, name = [1.0] if untaught else [wer.value, cer.value], evaluation.loss, "dev"
        if self.config.final:
            errors, name = [-float(self.trainer.position.epoch)], "dev (trained on)"  # the last is the best
        silent = not any(evaluation.hypotheses.values())
        line = f"{name} loss {evaluation.loss:.3f}  {summary_line(name, evaluation.score)}"
        return Judgement(tuple(errors), loss, metrics, line, silent=silent, untaught=untaught)

    def _dropped_share(self) -> float:
        """The largest share of any direction's gradient beyond a BPTT segment or chunk."""
        bptt, frame = self.trainer.bptt, self.trainer.recogniser.config.frame
        if isinstance(bptt, Full):
            return 0.0
        segment = bptt.segment if isinstance(bptt, Truncated) else bptt.chunk
        try:
            found = inspect("", self.recogniser, self.dev_cuts, distance=2 * segment * frame, probes=16)
        except DataError:  # no utterance of two frames
            return 0.0
        return max(reach.dropped(segment) for reach in found.reaches)
