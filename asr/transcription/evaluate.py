"""Recordings with transcripts -> word error rate with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from asr.data.cuts import LazyCut
from asr.decoding.parallel import Scored
from asr.model.ctc import ctc_loss
from asr.progress import SILENT, Progress
from asr.ranks import ALONE, Ranks
from asr.recogniser.emissions import emitted
from asr.scoring.score import Score, score
from asr.transcription.transcribe import Transcriber

DECODED_AT_ONCE = 1 << 23
"""Log-probs that wait for a beam search on all cores: so many numbers, and at most a batch more."""


@dataclass(frozen=True)
class Evaluation:
    """What a recogniser made of a set of utterances."""

    score: Score
    references: dict[str, str]
    hypotheses: dict[str, str]
    loss: float
    """CTC loss in nats a token, over the utterances whose frames suffice for their tokens."""

    @property
    def metrics(self) -> dict[str, float]:
        """For the log of a training that is judged by it."""
        wer = self.score.wer
        return {
            "dev_loss": self.loss,
            "wer": wer.value,
            "wer_low": wer.low,
            "wer_high": wer.high,
            "cer": self.score.cer.value,
        }

    @property
    def rank(self) -> tuple[float, float, float]:
        """What the best epoch is chosen by, less is better: WER, then CER, then loss.

        WERs above 1 count as 1, that of an empty text, and there the loss decides before the CER.
        Noise has some letters right by luck, and a model that has learnt much may still give
        nothing but blanks.
        """
        wer, cer = self.score.wer.value, self.score.cer.value
        return (wer, cer, self.loss) if wer < 1 else (1.0, self.loss, cer)


def evaluate(
    transcriber: Transcriber,
    cuts: Sequence[LazyCut],
    *,
    loaders: int = 1,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Decode every utterance and score it against its transcript.

    Log-probs are kept of some minutes of sound at a time, however many there are. Of several ranks
    each decodes its share of the batches, and all get the whole result.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    recogniser = transcriber.recogniser
    patience = DECODED_AT_ONCE if transcriber.decoder else 0
    batches: list[tuple[dict[str, str], float, int]] = []
    hypotheses: dict[str, str] = {}
    waiting: dict[str, Scored] = {}
    for batch, emissions in emitted(recogniser, cuts, "decoding", progress, loaders=loaders, ranks=ranks):
        scored = transcriber.scored(emissions.utterances(), batch.sounds())
        waiting |= zip(batch.ids, scored, strict=True)
        if sum(utterance.log_probs.size for utterance in waiting.values()) >= patience:
            hypotheses |= zip(waiting, transcriber.texts(list(waiting.values())), strict=True)
            waiting = {}
        targets = batch.to(recogniser.device)
        losses = ctc_loss(emissions.log_probs, emissions.lengths, targets.tokens, targets.num_tokens)
        references = dict(zip(batch.ids, batch.texts, strict=True))
        batches.append((references, float(losses.values.sum()), int(targets.num_tokens[losses.feasible].sum())))
    hypotheses |= zip(waiting, transcriber.texts(list(waiting.values())), strict=True)
    return _evaluation(ranks.collect(batches), ranks.gather(hypotheses))


def _evaluation(batches: Sequence[tuple[dict[str, str], float, int]], found: Sequence[dict[str, str]]) -> Evaluation:
    """Put batches together, of each its references, its loss and for how many tokens that is."""
    references = dict(chain.from_iterable(texts.items() for texts, _, _ in batches))
    decoded = dict(chain.from_iterable(texts.items() for texts in found))
    hypotheses = {name: decoded[name] for name in references}
    loss, tokens = sum(loss for _, loss, _ in batches), sum(count for _, _, count in batches)
    return Evaluation(score(references, hypotheses), references, hypotheses, loss / max(1, tokens))
