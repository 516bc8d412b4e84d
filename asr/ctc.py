"""Connectionist temporal classification (Graves et al. 2006): the loss, and how many frames a transcript needs.

What happens in the corner cases:

    more tokens than frames    no path exists: the utterance has no loss and no gradient, and is reported as infeasible
    no tokens                  one path, all blank: the loss is -sum(log_probs[:, blank])
    a single frame             paths for no or one token; two or more are infeasible
    a frame without finite     the loss or the gradient is not finite; the trainer skips that step
    log-probs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.units import Frames

BLANK = 0


@dataclass(frozen=True)
class CtcLoss:
    """The loss of each utterance of a batch."""

    values: Tensor
    """(B,), negative log-likelihood in nats; 0 where infeasible."""
    feasible: Tensor
    """(B,), bool: whether the frames suffice for the tokens."""


def minimum_frames(tokens: Sequence[int]) -> Frames:
    """Count the frames that a token sequence needs: one a token, and a blank between equal neighbours."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> CtcLoss:
    """Score transcripts against log-probs, each utterance on the whole of its frames.

    Args:
        log_probs: (B, T, V), float32 or float64; token 0 is the blank.
        lengths: (B,), valid frames.
        targets: (B, U), tokens, padded with anything.
        target_lengths: (B,), valid tokens.
    """
    positions = torch.arange(targets.shape[1], device=targets.device)
    valid = positions < target_lengths[:, None]
    repeats = (targets[:, 1:] == targets[:, :-1]) & valid[:, 1:]
    feasible = target_lengths + repeats.sum(dim=1) <= lengths
    # An infeasible utterance is scored without tokens, so that its discarded gradient is finite: 0 x inf would be NaN.
    scored_lengths = torch.where(feasible, target_lengths, 0)
    values = F.ctc_loss(log_probs.transpose(0, 1), targets, lengths, scored_lengths, blank=BLANK, reduction="none")
    return CtcLoss(torch.where(feasible, values, 0.0), feasible)
