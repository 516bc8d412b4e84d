"""Training a recogniser: manifests in, a run folder with its best model out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse.cut import Cut

from asr.data.cuts import load_cuts, text_of
from asr.errors import DataError
from asr.model.acoustic import AcousticModel
from asr.model.bptt import Full, Truncated
from asr.progress import SILENT, Progress
from asr.recogniser.model_folder import save_model
from asr.recogniser.recogniser import Recogniser
from asr.scoring.score import summary_line
from asr.text.tokenizer import train_tokenizer
from asr.training.gradients import inspect
from asr.training.objective import Transcription
from asr.training.run import Judgement, clock, run, trainable, usable_device
from asr.training.settings import TrainConfig
from asr.training.trainer import Trainer
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber


def train(config: TrainConfig, data: Path, out: Path, progress: Progress = SILENT) -> Path:
    """Train on `data/train.jsonl.gz`, choose on `data/dev.jsonl.gz` (or, finally, train on both), write the run to `out`.

    The same call after a kill goes on from the last checkpoint; after the end it returns at once.

    Args:
        config: the settings.
        data: folder with the manifests that `asr prepare` wrote.
        out: run folder, as `run` has it.
        progress: who is told how far it is.

    Returns:
        The best model's folder, `out/best`.

    Raises:
        DataError: if manifests or audio cannot be read, or nothing is left to train on.
        ConfigError: if `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row.
    """
    train_cuts = trainable(load_cuts(data / "train.jsonl.gz"), config, progress)
    dev_cuts = load_cuts(data / "dev.jsonl.gz")
    if config.final:
        train_cuts += trainable(dev_cuts, config, progress)
    device = usable_device(config)
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(config.tokenizer, (text_of(cut) for cut in train_cuts))
    recogniser = Recogniser(config.recogniser, tokenizer).to(device)
    trainer = Trainer(config, recogniser, Transcription(config, recogniser.acoustic))
    return run(
        trainer, Words(trainer, config, train_cuts, dev_cuts, out, progress), train_cuts, dev_cuts, out, progress
    )


@dataclass(frozen=True)
class Words:
    """The goal of a low word error rate on dev."""

    trainer: Trainer
    config: TrainConfig
    train_cuts: Sequence[Cut]
    dev_cuts: Sequence[Cut]
    out: Path
    progress: Progress

    @property
    def recogniser(self) -> Recogniser:
        """The averaged model."""
        assert isinstance(self.trainer.averaged, AcousticModel)
        return self.trainer.recogniser.with_acoustic(self.trainer.averaged)

    def judge(self) -> Judgement:
        """Decode dev greedily, and see how much of the gradient does not reach over a segment."""
        evaluation = evaluate(
            Transcriber(self.recogniser), self.dev_cuts, loaders=self.config.loaders, progress=self.progress
        )
        wer, cer = evaluation.score.wer, evaluation.score.cer
        metrics = {
            "dev_loss": evaluation.loss,
            "wer": wer.value,
            "wer_low": wer.low,
            "wer_high": wer.high,
            "cer": cer.value,
            "dropped_share": self._dropped_share(),
        }
        result: tuple[float, ...] = evaluation.rank
        name = "dev"
        if self.config.final:
            result, name = (-float(self.trainer.position.epoch),), "dev (trained on)"  # the last is the best
        line = f"{name} loss {evaluation.loss:.3f}  {summary_line(name, evaluation.score)}"
        return Judgement(result, metrics, line)

    def keep(self, judgement: Judgement) -> None:
        """Write the model folder."""
        save_model(self.out / "best", self.recogniser, readme=self._card(judgement))

    def _dropped_share(self) -> float:
        """The largest share of the gradient of any layer and direction that lies beyond a BPTT segment or chunk."""
        bptt, frame = self.trainer.bptt, self.trainer.recogniser.config.frame
        if isinstance(bptt, Full):
            return 0.0
        segment = bptt.segment if isinstance(bptt, Truncated) else bptt.chunk
        try:
            found = inspect("", self.recogniser, self.dev_cuts, distance=2 * segment * frame, probes=16)
        except DataError:  # no utterance of two frames
            return 0.0
        return max(reach.dropped(segment) for reach in found.reaches)

    def _card(self, judgement: Judgement) -> str:
        """The model folder's README."""
        config, trainer, train_cuts = self.config, self.trainer, self.train_cuts
        position = trainer.position
        shape = config.acoustic
        hours = sum(cut.duration for cut in train_cuts) / 3600
        return f"""# A speech recogniser

{shape.layers} x {shape.hidden} {"bidirectional " if shape.bidirectional else ""}{shape.cell.upper()} with CTC over \
{trainer.recogniser.tokenizer.size - 1} {config.tokenizer.units}, {trainer.recogniser.num_parameters / 1e6:.1f} M parameters.

- trained on {len(train_cuts)} utterances, {hours:.2f} hours of speech, such as {train_cuts[0].id}: "{text_of(train_cuts[0])}"
- {config.bptt.mode} BPTT, seed {config.seed}, {position.epoch + 1} of {config.epochs} epochs \
({clock(position.seconds)} on {trainer.recogniser.device.type}, {trainer.workers.count} threads)
- {judgement.line}, greedy decoding, no language model; the interval is a 95 % bootstrap over utterances

    asr transcribe RECORDING... --model FOLDER
    asr evaluate MANIFEST --model FOLDER
"""
