"""Connectionist temporal classification (Graves et al. 2006): the loss and its frames.

What happens in the corner cases:

    more tokens than frames    no path exists: the utterance has no loss and no gradient, and
                               is reported as infeasible
    no tokens                  one path, all blank: the loss is -sum(log_probs[:, blank])
    a single frame             paths for no or one token; two or more are infeasible
    a frame without finite     the loss or the gradient is not finite; the trainer skips that
    log-probs                  step

PyTorch's loss keeps the whole lattice, T x (2 U + 1) states, twice: 8 GB at 20 minutes of
characters. Above a stated size the lattice is checkpointed in time instead. Of T columns only every
sqrt(T)-th is stored. A stretch between two of them is computed again when the backward variable
runs through it. The work still grows with the square of the length. A band around the diagonal
leaves out paths that run far ahead of an even pace or far behind it. It is off unless it is asked
for.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.model.labels import BLANK
from asr.units import Frames

NEGLIGIBLE = -200.0
"""Log of a share of the paths that counts as none. The exp of much smaller ones is slow."""
LARGEST_LATTICE = 1 << 26
"""States, B x T x (2 U + 1), of which PyTorch keeps all; a larger lattice is checkpointed."""


@dataclass(frozen=True)
class CtcLoss:
    """The loss of each utterance of a batch."""

    values: Tensor
    """(B,), negative log-likelihood in nats; 0 where infeasible."""
    feasible: Tensor
    """(B,), bool: whether the frames suffice for the tokens."""


def ctc_loss(
    log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, *, band: Frames | None = None
) -> CtcLoss:
    """Score transcripts against log-probs, each utterance on the whole of its frames.

    Args:
        log_probs: (B, T, V), float32 or float64; token 0 is the blank.
        lengths: (B,), valid frames.
        targets: (B, U), tokens, padded with anything.
        target_lengths: (B,), valid tokens.
        band: how many frames a path may be early or late, in a checkpointed lattice. It is compared
            with a path that spends the same time on each token. None allows every path. The widest
            band of a batch is allowed to all.
    """
    positions = torch.arange(targets.shape[1], device=targets.device)
    valid = positions < target_lengths[:, None]
    repeats = (targets[:, 1:] == targets[:, :-1]) & valid[:, 1:]
    feasible = target_lengths + repeats.sum(dim=1) <= lengths
    # An infeasible utterance is scored without tokens. Its discarded gradient is then finite, where
    # 0 x inf would be NaN.
    scored_lengths = torch.where(feasible, target_lengths, 0)
    if log_probs.shape[0] * log_probs.shape[1] * (2 * targets.shape[1] + 1) > LARGEST_LATTICE:
        values: Tensor = _CheckpointedCtc.apply(log_probs, lengths, targets, scored_lengths, band)
    else:
        values = F.ctc_loss(log_probs.transpose(0, 1), targets, lengths, scored_lengths, blank=BLANK, reduction="none")
    return CtcLoss(torch.where(feasible, values, 0.0), feasible)


class _CheckpointedCtc(torch.autograd.Function):
    """Negative log-likelihoods, (B,), from a lattice of S = 2 U + 1 states a frame.

    The states are blank, token, blank, ..., blank. Sums are float64: at 90,000 frames float32 would
    round a log-likelihood to a hundredth.
    """

    @staticmethod
    def forward(
        ctx: Any, log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, band: Frames | None
    ) -> Tensor:
        states = _Lattice(log_probs.detach(), lengths, targets, target_lengths, band)
        every = math.isqrt(max(0, log_probs.shape[1] - 1)) + 1
        column = states.first()
        columns = [column]
        for frame in range(1, log_probs.shape[1]):
            column = states.forwards(column, frame)
            if frame % every == 0:
                columns.append(column)
        log_likelihood = (column + states.ends).logsumexp(dim=1)
        ctx.every, ctx.states, ctx.columns = every, states, columns
        ctx.save_for_backward(log_likelihood)
        return -log_likelihood.to(log_probs.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        states, every = ctx.states, ctx.every
        (log_likelihood,) = ctx.saved_tensors
        log_probs = states.log_probs
        found = log_probs.exp()  # as torch has it: with the gradient of log_softmax it comes to the same
        beta = states.ends
        for start in range((log_probs.shape[1] - 1) // every * every, -1, -every):
            stretch = range(start, min(start + every, log_probs.shape[1]))
            columns = [ctx.columns[start // every]]
            for frame in stretch[1:]:
                columns.append(states.forwards(columns[-1], frame))
            for frame in reversed(stretch):
                if frame + 1 < log_probs.shape[1]:
                    beta = states.backwards(beta, frame + 1)
                live = states.reachable(frame)
                share = columns.pop()[:, live] + beta[:, live] - log_likelihood[:, None]  # of paths, through each state
                used = torch.zeros_like(log_probs[:, frame], dtype=share.dtype)
                found[:, frame] -= used.scatter_add_(1, states.tokens[:, live], share.clamp(min=NEGLIGIBLE).exp())
        valid = torch.arange(log_probs.shape[1], device=found.device) < states.lengths[:, None]
        return found.masked_fill(~valid.unsqueeze(-1), 0.0) * gradients[0][:, None, None], None, None, None, None


class _Lattice:
    """The states of a batch and the moves between them, in logarithms.

    Graves et al. 2006, section 4.1.
    """

    def __init__(
        self, log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, band: Frames | None
    ) -> None:
        batch, size = targets.shape
        self.log_probs, self.lengths, self.band = log_probs, lengths, band
        self._shortest = int(lengths.min())
        self._sizes = 2 * target_lengths + 1
        self.tokens = targets.new_full((batch, 2 * size + 1), BLANK)
        position = torch.arange(2 * size + 1, device=targets.device)
        inside = position < 2 * target_lengths[:, None] + 1
        self.tokens[:, 1::2] = targets
        self.tokens = self.tokens.where(inside, BLANK)
        skips = torch.zeros_like(inside)
        skips[:, 2:] = (self.tokens[:, 2:] != BLANK) & (self.tokens[:, 2:] != self.tokens[:, :-2])
        self.skip = self._allowed(skips)
        """(B, S), 0 where a path may come from two states before, else -inf."""
        self.ends = self._allowed(inside & (position >= 2 * target_lengths[:, None] - 1))
        """(B, S), 0 where a path may end."""
        self._starts = self._allowed(inside & (position < 2))

    def _allowed(self, where: Tensor) -> Tensor:
        return torch.zeros(where.shape, dtype=torch.float64, device=where.device).masked_fill(~where, -math.inf)

    def _emitted(self, frame: Frames, states: slice) -> Tensor:
        return self.log_probs[:, frame].double().gather(1, self.tokens[:, states])

    def reachable(self, frame: Frames) -> slice:
        """The states within the band that are reached by `frame` and can still reach the end.

        It covers every utterance of the batch.
        """
        lowest = self._sizes - 2 * (self.lengths - frame)
        highest = self._sizes.clamp(max=2 * frame + 2)
        if self.band is not None:
            passed, whole = self.lengths.clamp(max=frame + 1), self.lengths.clamp(min=1)
            lowest = lowest.maximum((passed - self.band) * self._sizes // whole - 1)
            highest = highest.minimum((passed + self.band) * self._sizes // whole + 1)
        return slice(int(lowest.clamp(min=0).min()), int(highest.max()))

    def first(self) -> Tensor:
        """The forward variable of frame 0, (B, S)."""
        emitted = self._emitted(0, slice(None))
        return torch.where((self.lengths > 0)[:, None], self._starts + emitted, self._starts)

    def forwards(self, column: Tensor, frame: Frames) -> Tensor:
        """The forward variable of `frame` from that of the frame before.

        Beyond an utterance's end it stays.
        """
        states = self.reachable(frame)
        below = max(0, states.start - 2)
        window = F.pad(column[:, below : states.stop], (2 - (states.start - below), 0), value=-math.inf)
        moved = torch.logaddexp(window[:, 2:], window[:, 1:-1])
        moved = torch.logaddexp(moved, window[:, :-2] + self.skip[:, states])
        return self._placed(moved + self._emitted(frame, states), states, frame, column)

    def backwards(self, column: Tensor, frame: Frames) -> Tensor:
        """The backward variable of the frame before `frame`, from that of `frame`.

        Beyond an utterance's end it stays.
        """
        states = self.reachable(frame - 1)
        wide = slice(states.start, min(states.stop + 2, column.shape[1]))
        after, missing = column[:, wide] + self._emitted(frame, wide), states.stop + 2 - wide.stop
        after, skipping = (F.pad(part, (0, missing), value=-math.inf) for part in (after, after + self.skip[:, wide]))
        moved = torch.logaddexp(torch.logaddexp(after[:, :-2], after[:, 1:-1]), skipping[:, 2:])
        return self._placed(moved, states, frame, column)

    def _placed(self, moved: Tensor, states: slice, frame: Frames, column: Tensor) -> Tensor:
        result = torch.full_like(column, -math.inf)
        result[:, states] = moved
        return result if frame < self._shortest else torch.where((frame < self.lengths)[:, None], result, column)


def divergence(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Measure how far two views of the same utterances disagree.

    Each view learns from the other one's distribution, which itself gets no gradient from that.
    This is consistency-regularised CTC (Yao et al. 2024, equation 4).

    Args:
        log_probs: (2 B, T, V): the first views of all utterances, then their second ones.
        lengths: (2 B,), valid frames.

    Returns:
        Mean of the two Kullback-Leibler divergences, in nats, summed over utterances and frames.
    """
    one, other = log_probs.chunk(2)
    valid = torch.arange(one.shape[1], device=one.device) < lengths[: len(one), None]
    both = ((one, other.detach()), (other, one.detach()))
    return torch.stack([(taught.exp() * (taught - pupil)).sum(dim=2)[valid].sum() for pupil, taught in both]).mean()
