"""How probable token sequences are, given log-probs.

This is the forward algorithm of CTC (Graves et al. 2006, section 4.1), for many sequences at once
and without a gradient. It keeps one frame's column, so memory does not grow with the frames.

Columns hold probabilities, scaled every few frames: products and sums alone, ten times as fast as
sums of logarithms. Of a column only the part that matters is computed: what lies 500 nats below its
largest number is left out. A sum is exact if that could not reach it, since no factor exceeds 1.
The few others are computed again with logarithms, and whole.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.model.labels import BLANK, LogProbs, minimum_frames
from asr.units import Frames

NARROW = 500.0
"""Nats below a column's largest number at which one is left out."""
ROUNDING = 40.0
"""Nats below a sum at which a part of it is lost in float64's rounding."""
TRIM: Frames = 4
"""Frames between two looks at which numbers matter."""

_Floats: TypeAlias = npt.NDArray[np.float64]


def log_likelihoods(log_probs: LogProbs, sequences: Sequence[Sequence[int]]) -> list[float]:
    """Sum over all CTC paths of each sequence: ln P(tokens | audio).

    Args:
        log_probs: (T, V) of one utterance.
        sequences: of tokens, without blanks.

    Returns:
        Of each sequence its sum, minus infinity where the frames do not suffice for its tokens.
    """
    return each_log_likelihood([log_probs] * len(sequences), sequences)


def each_log_likelihood(windows: Sequence[LogProbs], sequences: Sequence[Sequence[int]]) -> list[float]:
    """Sum over all CTC paths of each sequence in a window of its own.

    Args:
        windows: (T, V) each; the same one for all is not copied.
        sequences: of tokens, without blanks.
    """
    found = np.full(len(sequences), -math.inf)
    possible = [n for n, tokens in enumerate(sequences) if minimum_frames(tokens) <= len(windows[n])]
    for scaled in (True, False):
        if not possible:
            break
        columns = _Columns([windows[n] for n in possible], [sequences[n] for n in possible])
        sums, exact = columns.scaled() if scaled else columns.logarithms()
        found[possible] = sums
        possible = [n for n, is_exact in zip(possible, exact, strict=True) if not is_exact]
    return found.tolist()


class _Columns:
    """The prefixes of N sequences of at most U tokens: row u is that of u tokens.

    A prefix is two sums, as in a prefix beam search: over its paths that end in a blank, and over
    those that end in its last token.

    Args:
        windows: (T, V) of each sequence.
        sequences: of tokens.
    """

    def __init__(self, windows: Sequence[LogProbs], sequences: Sequence[Sequence[int]]) -> None:
        self._lengths = np.array(list(map(len, sequences)))
        self._frames = np.array(list(map(len, windows)))
        self.size = 1 + int(self._lengths.max())
        # In row 0, without a last token, the blank stands; beyond an end an impossible token.
        vocabulary = windows[0].shape[1]
        self._tokens = np.full((self.size, len(sequences)), vocabulary)
        self._tokens[0] = BLANK
        for column, tokens in enumerate(sequences):
            self._tokens[1 : 1 + len(tokens), column] = tokens
        self._skip = np.ones(self._tokens.shape, bool)
        """(U + 1, N): whether a token may follow the one before without a blank between them."""
        self._skip[1:] = self._tokens[1:] != self._tokens[:-1]
        self._is_shared = all(window is windows[0] for window in windows)
        if self._is_shared:
            self._scores = np.full((len(windows[0]), vocabulary + 1), -math.inf)
            self._scores[:, :-1] = windows[0]
        else:
            self._scores = np.full((int(self._frames.max()), self.size, len(windows)), -math.inf)
            for column, (window, tokens) in enumerate(zip(windows, sequences, strict=True)):
                self._scores[: len(window), : 1 + len(tokens), column] = window[:, [BLANK, *tokens]]

    def _emitted(self, row: _Floats, low: int, top: int) -> _Floats:
        """What a frame says of rows from `low` up to `top`; its first number is the blank's."""
        return row[self._tokens[low:top]] if self._is_shared else row[low:top]

    def scaled(self) -> tuple[_Floats, npt.NDArray[np.bool_]]:
        """(N,), sums from probabilities, and whether they are exact."""
        scores = np.exp(self._scores)
        blank_last = np.zeros(self._tokens.shape)
        token_last = np.zeros(self._tokens.shape)
        blank_last[0] = 1.0
        scale = np.zeros(len(self._lengths))
        largest = np.zeros(len(self._lengths))
        sums = np.full(len(self._lengths), -math.inf)
        ends = set(self._frames.tolist())
        low, high = 0, 1  # the rows that matter; all others are empty
        with np.errstate(divide="ignore", under="ignore"):
            if 0 in ends:
                sums[self._frames == 0] = 0.0
            for frame, row in enumerate(scores):
                if frame % TRIM == 0:
                    totals = blank_last[low:high] + token_last[low:high]
                    peak = totals.max(axis=0)
                    peak[peak == 0] = 1.0
                    alive = np.flatnonzero((totals > math.exp(-NARROW) * peak).any(axis=1))
                    first, last = (int(alive[0]), int(alive[-1])) if len(alive) else (0, 0)
                    for left_out in (slice(low, low + first), slice(low + last + 1, high)):
                        blank_last[left_out] = token_last[left_out] = 0.0
                    low, high = low + first, low + last + 1
                    blank_last[low:high] /= peak
                    token_last[low:high] /= peak
                    scale += np.log(peak)
                    np.maximum(largest, scale, out=largest)
                top = min(high + 1, self.size)
                blanks, tokens = blank_last[low:top], token_last[low:top]
                totals = blanks + tokens
                tokens[1:] += np.where(self._skip[low + 1 : top], totals[:-1], blanks[:-1])
                tokens *= self._emitted(row, low, top)
                np.multiply(totals, row[0], out=blanks)
                high = top
                if frame + 1 in ends:
                    ended = np.flatnonzero(self._frames == frame + 1)
                    rows = self._lengths[ended]
                    sums[ended] = np.log(blank_last[rows, ended] + token_last[rows, ended]) + scale[ended]
        lost = largest - NARROW + math.log(self.size * (1 + len(scores))) + ROUNDING
        return sums, sums > lost

    def logarithms(self) -> tuple[_Floats, npt.NDArray[np.bool_]]:
        """(N,), sums from logarithms of all prefixes, which are exact."""
        blank_last = np.full(self._tokens.shape, -math.inf)
        token_last = blank_last.copy()
        blank_last[0] = 0.0
        sums = np.full(len(self._lengths), -math.inf)
        sums[self._frames == 0] = 0.0
        for frame, row in enumerate(self._scores):
            totals = np.logaddexp(blank_last, token_last)
            before = np.where(self._skip[1:], totals[:-1], blank_last[:-1])
            token_last[1:] = np.logaddexp(token_last[1:], before)
            token_last += self._emitted(row, 0, self.size)
            blank_last = totals + row[0]
            ended = np.flatnonzero(self._frames == frame + 1)
            rows = self._lengths[ended]
            sums[ended] = np.logaddexp(blank_last[rows, ended], token_last[rows, ended])
        return sums, np.ones(len(sums), bool)
