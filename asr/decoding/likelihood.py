"""How probable token sequences are, given the log-probs of an utterance.

This is the forward algorithm of CTC (Graves et al. 2006, section 4.1), for many sequences at once
and without a gradient. It keeps one frame's column, so memory does not grow with the frames.

Of the column it computes only the part that matters. A first, narrow pass finds a lower bound of
each sum. What is below that bound by more than rounding at one frame cannot reach it later, since
no factor exceeds 1. So the second pass leaves it out, and its sums are exact.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.model.ctc import BLANK, minimum_frames

NARROW = 100.0
"""Nats below a frame's best prefix at which the first pass drops one."""
ROUNDING = 40.0
"""Nats below a sum at which a part of it is lost in float64's rounding."""
TRIM = 16
"""Frames between two looks at which prefixes matter."""


@torch.no_grad()
def log_likelihoods(log_probs: Tensor, sequences: Sequence[Sequence[int]]) -> list[float]:
    """Sum over all CTC paths of each sequence: ln P(tokens | audio).

    Args:
        log_probs: (T, V) of one utterance, on the CPU.
        sequences: of tokens, without blanks.

    Returns:
        Of each sequence its sum, minus infinity where the frames do not suffice for its tokens.
    """
    sums = torch.full((len(sequences),), -math.inf, dtype=torch.float64)
    possible = [number for number, tokens in enumerate(sequences) if minimum_frames(tokens) <= len(log_probs)]
    if possible:
        columns = _Columns([sequences[number] for number in possible], log_probs.shape[1])
        bounds = columns.sums(log_probs, None)
        negligible = ROUNDING + math.log(columns.size * max(1, len(log_probs)))
        sums[possible] = columns.sums(log_probs, bounds - negligible)
    return sums.tolist()


class _Columns:
    """The prefixes of N sequences of at most U tokens: row u is that of u tokens.

    A prefix is two sums, as in a prefix beam search: over its paths that end in a blank, and over
    those that end in its last token.

    Args:
        sequences: of tokens.
        vocabulary: V, how many tokens there are.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], vocabulary: int) -> None:
        self._lengths = torch.tensor([len(tokens) for tokens in sequences])
        self.size = 1 + int(self._lengths.max())
        # Row 0 has no last token, nor has a row beyond a sequence's end. V stands there, an
        # impossible token.
        self._tokens = torch.full((self.size, len(sequences)), vocabulary)
        for column, tokens in enumerate(sequences):
            self._tokens[1 : 1 + len(tokens), column] = torch.tensor(tokens, dtype=torch.long)
        self._skip = torch.ones_like(self._tokens, dtype=torch.bool)
        """(U + 1, N): whether a token may follow the one before without a blank between them."""
        self._skip[1:] = self._tokens[1:] != self._tokens[:-1]

    def sums(self, log_probs: Tensor, floor: Tensor | None) -> Tensor:
        """Go through the frames.

        Args:
            log_probs: (T, V).
            floor: (N,), of each sequence; its shortest and longest prefixes are left out while they
                are below. None takes `NARROW` below the best one of the frame.

        Returns:
            (N,), each a lower bound of ln P(tokens | audio).
        """
        blank_last = torch.full(self._tokens.shape, -math.inf, dtype=torch.float64)
        token_last = blank_last.clone()
        blank_last[0] = 0.0
        low, high = 0, 1  # the rows that matter; all others are empty
        for frame, scores in enumerate(log_probs):
            if frame % TRIM == 0:
                totals = torch.logaddexp(blank_last[low:high], token_last[low:high])
                least = totals.amax(dim=0) - NARROW if floor is None else floor
                alive = (totals >= least).any(dim=1).nonzero().flatten().tolist() or [0]
                for rows in (slice(low, low + alive[0]), slice(low + alive[-1] + 1, high)):
                    blank_last[rows] = token_last[rows] = -math.inf
                low, high = low + alive[0], low + alive[-1] + 1
            top = min(high + 1, self.size)
            row = F.pad(scores.double(), (0, 1), value=-math.inf)
            blanks, tokens = blank_last[low:top], token_last[low:top]
            totals = torch.logaddexp(blanks, tokens)
            before = torch.where(self._skip[low + 1 : top], totals[:-1], blanks[:-1])
            tokens[1:] = torch.logaddexp(tokens[1:], before)
            tokens += row.expand(top - low, -1).gather(1, self._tokens[low:top])
            torch.add(totals, row[BLANK], out=blanks)
            high = top
        ends = self._lengths[None]
        return torch.logaddexp(blank_last.gather(0, ends), token_last.gather(0, ends))[0]
