"""Recordings with transcripts -> word error rate with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from lhotse.cut import Cut

from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.model.ctc import ctc_loss
from asr.progress import SILENT, Progress
from asr.recogniser.emissions import emitted
from asr.recogniser.recogniser import Recogniser
from asr.scoring.score import Score, score


@dataclass(frozen=True)
class Evaluation:
    """What a recogniser made of a set of utterances."""

    score: Score
    references: dict[str, str]
    hypotheses: dict[str, str]
    loss: float
    """CTC loss in nats a token, over the utterances whose frames suffice for their tokens."""

    @property
    def rank(self) -> tuple[float, float, float]:
        """What the best epoch is chosen by, less is better: WER, then CER, then loss.

        WERs above 1 count as 1, which is that of saying nothing: a model that learns to spell first makes more words than there
        are, and is still better than one that has learnt nothing.
        """
        return min(self.score.wer.value, 1.0), self.score.cer.value, self.loss


def evaluate(
    recogniser: Recogniser,
    cuts: Sequence[Cut],
    *,
    loaders: int = 1,
    decoder: Decoder | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Decode every utterance, greedily if there is no decoder, and score it against its transcript.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    references: dict[str, str] = {}
    hypotheses: dict[str, str] = {}
    loss, tokens = 0.0, 0
    for batch, emissions in emitted(recogniser, cuts, "decoding", progress, loaders=loaders):
        references.update(zip(batch.ids, batch.texts, strict=True))
        if decoder is None:
            heard = [recogniser.tokenizer.decode(found) for found in greedy(emissions.log_probs, emissions.lengths)]
        else:
            second = decoder.second_log_probs(batch.waveforms, batch.num_samples)
            parts = zip(emissions.log_probs, emissions.lengths.tolist(), second, strict=True)
            heard = [decoder(log_probs[:length], second=other)[0].text for log_probs, length, other in parts]
        hypotheses.update(zip(batch.ids, heard, strict=True))
        targets = batch.to(recogniser.device)
        losses = ctc_loss(emissions.log_probs, emissions.lengths, targets.tokens, targets.num_tokens)
        loss += float(losses.values.sum())
        tokens += int(targets.num_tokens[losses.feasible].sum())
    return Evaluation(score(references, hypotheses), references, hypotheses, loss / max(1, tokens))
