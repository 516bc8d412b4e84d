"""Recordings with transcripts -> word error rate with an interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from lhotse.cut import Cut

from asr.ctc import ctc_loss
from asr.data import Batch, load_batches, plan_batches
from asr.decode import greedy
from asr.recogniser import Recogniser
from asr.score import Score, score

BATCH_SECONDS = 120.0


@dataclass(frozen=True)
class Evaluation:
    """What a recogniser made of a set of utterances."""

    score: Score
    references: dict[str, str]
    hypotheses: dict[str, str]
    loss: float
    """CTC loss in nats a token, over the utterances whose frames suffice for their tokens."""


def evaluate(recogniser: Recogniser, cuts: Sequence[Cut], *, loaders: int = 1) -> Evaluation:
    """Decode every utterance greedily and score it against its transcript.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    references: dict[str, str] = {}
    hypotheses: dict[str, str] = {}
    loss, tokens = 0.0, 0
    for batch in _batches(recogniser, cuts, loaders):
        emissions = recogniser.emissions(batch.waveforms, batch.num_samples)
        for utterance, text, found in zip(
            batch.ids, batch.texts, greedy(emissions.log_probs, emissions.lengths), strict=True
        ):
            references[utterance] = text
            hypotheses[utterance] = recogniser.tokenizer.decode(found)
        targets = batch.to(recogniser.device)
        losses = ctc_loss(emissions.log_probs, emissions.lengths, targets.tokens, targets.num_tokens)
        loss += float(losses.values.sum())
        tokens += int(targets.num_tokens[losses.feasible].sum())
    return Evaluation(score(references, hypotheses), references, hypotheses, loss / max(1, tokens))


def _batches(recogniser: Recogniser, cuts: Sequence[Cut], loaders: int) -> Iterator[Batch]:
    plan = plan_batches(cuts, BATCH_SECONDS, seed=None)
    rate = recogniser.config.features.sample_rate
    return load_batches(plan, recogniser.tokenizer, sample_rate=rate, loaders=loaders)


def choose_device(name: str) -> torch.device:
    """Turn "auto" into the accelerator that PyTorch finds, or the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
