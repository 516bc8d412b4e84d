"""How probable each of many phrases is, given the log-probs of an utterance: a tree of prefixes.

This is the forward algorithm of CTC (Graves et al. 2006, section 4.1), as in `likelihood`, for
thousands of phrases that begin alike. What they have in common is computed once.

A first, narrow pass finds a lower bound of the best phrase's sum. A prefix that is below that bound
by more than rounding cannot reach it later, since no factor exceeds 1. So the second pass leaves it
out, and the sum of the best phrase is exact, as are those that come near it.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.decoding.likelihood import ROUNDING
from asr.model.labels import BLANK

NARROW = 30.0
"""Nats below a frame's best prefix at which the first pass drops one."""

_Array = npt.NDArray[np.float64]


class PhraseTree:
    """The prefixes of token sequences, each once.

    Args:
        sequences: of tokens, without blanks; none is empty.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        nodes: dict[tuple[int, int], int] = {}
        tokens, parents, ends = [-1], [0], []
        for sequence in sequences:
            node = 0
            for token in sequence:
                if (node, token) not in nodes:
                    nodes[node, token] = len(tokens)
                    tokens.append(token)
                    parents.append(node)
                node = nodes[node, token]
            ends.append(node)
        self._tokens, self._parents, self._ends = (np.asarray(each, dtype=np.intp) for each in (tokens, parents, ends))
        self._skips = self._tokens != self._tokens[self._parents]
        """Whether a token may follow the one before without a blank between them."""

    def __len__(self) -> int:
        """Count the prefixes, the empty one among them."""
        return len(self._tokens)

    def log_likelihoods(self, log_probs: npt.NDArray[np.floating]) -> _Array:
        """Sum over all CTC paths of each sequence: ln P(tokens | audio).

        Args:
            log_probs: (T, V) of one utterance.

        Returns:
            (N,): the largest is exact. One that is smaller by 20 nats is still exact to millionths.
            Others are lower bounds, minus infinity among them.
        """
        if not len(log_probs) or not len(self._ends):
            return np.full(len(self._ends), -math.inf)
        frames = np.concatenate([log_probs.astype(np.float64), np.full((len(log_probs), 1), -math.inf)], axis=1)
        bound = float(self._sums(frames, None).max())
        return self._sums(frames, bound - ROUNDING - math.log(len(self) * len(frames)))

    def _sums(self, frames: _Array, floor: float | None) -> _Array:
        """Go through the frames.

        Args:
            frames: (T, V + 1); of the last column, which stands for no token, minus infinity.
            floor: prefixes below it are left out. None takes `NARROW` below the frame's best one.
        """
        blank_last = np.full(len(self), -math.inf)
        token_last, totals = blank_last.copy(), blank_last.copy()
        blank_last[0] = totals[0] = 0.0
        alive = np.zeros(len(self), dtype=bool)
        alive[0] = True
        for scores in frames:
            alive |= alive[self._parents]
            nodes = np.flatnonzero(alive)
            parents = self._parents[nodes]
            before = np.where(self._skips[nodes], totals[parents], blank_last[parents])
            tokens = np.logaddexp(token_last[nodes], before) + scores[self._tokens[nodes]]
            blanks = totals[nodes] + scores[BLANK]
            both = np.logaddexp(blanks, tokens)
            least = both.max() - NARROW if floor is None else floor
            kept = both >= least
            for array, values in ((blank_last, blanks), (token_last, tokens), (totals, both)):
                array[nodes] = np.where(kept, values, -math.inf)
            alive[nodes] = kept
        return totals[self._ends]
