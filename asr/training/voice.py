"""Utterances of one voice and of others -> what tells them apart: logistic regression."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from asr.audio.features import Floats
from asr.audio.log_mel_numpy import NumpyLogMel
from asr.data.batches import load_batches
from asr.data.cuts import LazyCut
from asr.recogniser.recogniser import Recogniser
from asr.recogniser.voices import Voice, describe

MOST = 400
"""Utterances of each kind; more tell no more."""
PENALTY = 0.01
"""Of the squared weights, of standardised features."""


def learn_voice(recogniser: Recogniser, own: Sequence[LazyCut], others: Sequence[LazyCut]) -> Voice:
    """Learn to tell a voice from others.

    Args:
        recogniser: whose features count.
        own: utterances of the voice, at least one.
        others: of other people, at least one.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    kinds = [_described(recogniser, cuts[:MOST]) for cuts in (own, others)]
    features = torch.from_numpy(np.concatenate(kinds)).double()
    mean, deviation = features.mean(dim=0), features.std(dim=0, unbiased=False) + 1e-6
    inputs = F.pad((features - mean) / deviation, (0, 1), value=1.0)
    sizes = [len(kind) for kind in kinds]
    targets = torch.tensor([1.0] * sizes[0] + [0.0] * sizes[1]).double()
    shares = torch.cat([torch.full((size,), 0.5 / size) for size in sizes]).double()  # both kinds count the same
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        errors = F.binary_cross_entropy_with_logits(inputs @ weights, targets, weight=shares, reduction="sum")
        penalised: torch.Tensor = errors + PENALTY * weights[:-1].square().sum()
        penalised.backward()  # type: ignore[no-untyped-call]
        return penalised

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    scaled = weights.detach()[:-1] / deviation
    return Voice(torch.cat([scaled, weights.detach()[-1:] - mean @ scaled]).float().numpy())


def share_taken(voice: Voice, recogniser: Recogniser, cuts: Sequence[LazyCut]) -> float:
    """Which share of utterances, at least one, is taken for the voice's.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    return float(np.mean([voice(log_mel) for log_mel in _log_mels(recogniser, cuts[:MOST])]))


def _described(recogniser: Recogniser, cuts: Sequence[LazyCut]) -> Floats:
    return np.stack([describe(log_mel) for log_mel in _log_mels(recogniser, cuts) if len(log_mel)])


def _log_mels(recogniser: Recogniser, cuts: Sequence[LazyCut]) -> Iterator[Floats]:
    features = NumpyLogMel(recogniser.config.features, ahead=recogniser.config.level_ahead)
    rate = recogniser.config.features.sample_rate
    batches = load_batches([[cut] for cut in cuts], recogniser.tokenizer, sample_rate=rate, loaders=0)
    return (features(batch.sounds()[0]) for batch in batches)
