"""The goal of an adaptation: few errors on the recordings, little of general speech forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass

from asr.data.cuts import LazyCut
from asr.decoding.decoder import Decoder
from asr.progress import Progress
from asr.recogniser.engine import Engine
from asr.recogniser.recogniser import Recogniser
from asr.recogniser.voices import ByVoice, Voice
from asr.scoring.score import summary_line
from asr.training.goal import Judgement, Purpose
from asr.training.objective import acoustic_of
from asr.training.selection import some
from asr.training.trainer import Trainer
from asr.transcription.evaluate import Evaluation, evaluate
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

JUDGED: Seconds = 300.0
"""Most that is decoded of each set to judge by."""
ALLOWED = 0.01
"""What general speech may lose in word error rate without counting; more counts as much as own."""


@dataclass(frozen=True)
class Judge:
    """What models are compared by: recordings and general speech that are not trained on."""

    own: Sequence[LazyCut]
    general: Sequence[LazyCut]
    before: float
    """The base model's word error rate on general speech."""
    progress: Progress
    decoder: Decoder | None = None
    """With the language model; None decodes greedily."""
    others: tuple[Recogniser, Voice] | None = None
    """The base model, if it goes on reading other voices than this one."""

    @classmethod
    def of(
        cls,
        base: Recogniser | None,
        own: Sequence[LazyCut],
        general: Sequence[LazyCut],
        progress: Progress,
        decoders: tuple[Decoder | None, Decoder | None] = (None, None),
        voice: Voice | None = None,
    ) -> "Judge":
        """Choose as much as is judged by, and see what the base model makes of general speech.

        Args:
            base: the base model, if its tokens are kept.
            own: the recordings.
            general: general speech.
            progress: is told how far it is.
            decoders: the base model's, and the one to judge with.
            voice: whose utterances the base model does not read any more.
        """
        general = [] if base is None else some(general, JUDGED)
        before = 0.0
        if base is not None and general:
            known = Transcriber(base, decoders[0])
            before = evaluate(known, general, loaders=0, progress=progress).score.wer.value
        others = None if base is None or voice is None else (base, voice)
        return cls(some(own, JUDGED) or own, general, before, progress, decoders[1], others)

    def engine(self, recogniser: Recogniser) -> Engine:
        """What reads, if this is the adapted model."""
        return recogniser if self.others is None else ByVoice(recogniser, *self.others)

    def __call__(self, recogniser: Recogniser) -> tuple[float, float, Evaluation, Evaluation | None]:
        """Judge a model: errors, loss (less is better of both), and what it made of either."""
        transcriber = Transcriber(self.engine(recogniser), self.decoder)
        own = evaluate(transcriber, self.own, loaders=0, progress=self.progress)
        general = evaluate(transcriber, self.general, loaders=0, progress=self.progress) if self.general else None
        lost = 0.0 if general is None else max(0.0, general.score.wer.value - self.before - ALLOWED)
        loss = own.loss + (0.0 if general is None else general.loss)
        return min(own.score.wer.value, 1.0) + lost, loss, own, general


@dataclass(frozen=True)
class AdaptationGoal:
    """The goal of few errors on the recordings, with little of general speech forgotten."""

    trainer: Trainer
    judged_by: Judge

    @property
    def recogniser(self) -> Recogniser:
        """The averaged model."""
        return self.trainer.recogniser.with_acoustic(acoustic_of(self.trainer.averaged))

    @property
    def purpose(self) -> Purpose:
        """For the model card."""
        return Purpose(
            title="A speech recogniser on its way to a speaker",
            model=f" with CTC over {self.recogniser.tokenizer.size - 1} tokens, "
            f"{self.recogniser.num_parameters / 1e6:.1f} M parameters",
            data="speech, from another model's weights",
            measure="greedy decoding, no language model",
            commands=("asr transcribe RECORDING... --model FOLDER",),
        )

    def judge(self) -> Judgement:
        """Decode both sets."""
        errors, loss, own, general = self.judged_by(self.recogniser)
        metrics = own.metrics | {"dropped_share": 0.0}  # which is not looked for
        line = summary_line("dev", own.score)
        if general is not None:
            metrics["general_wer"] = general.score.wer.value
            line += f"  general {100 * (general.score.wer.value - self.judged_by.before):+.1f}"
        return Judgement((errors,), loss, metrics, line, silent=not any(own.hypotheses.values()))
