"""Forced alignment: in which frames the best CTC path of given tokens is in each of them.

The lattice is that of the loss, T frames x S = 2 U + 1 states (blank, token, blank, ..., blank). It
is searched by Viterbi: the forward variable of Graves et al. 2006, section 4.1, with maxima for
sums.

Only every n-th of its columns is stored. Once the state is known in which a stretch of n frames
ends, only 2 n states below it can lead there. So the stretch is computed again in that window and
walked back. With n = (T S / 2)^(1/3) stored columns and window are alike in size. Half an hour, of
45,000 frames and 50,000 states, takes 50 MB, where back-pointers for all states would take 2 GB.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.model.labels import BLANK, LogProbs, minimum_frames
from asr.units import Frames

_Floats: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Spike:
    """Where a token is: frames from `start` up to `stop`, at least one, mostly no more."""

    start: Frames
    stop: Frames
    log_prob: float
    """Mean over these frames, in nats."""


def align(log_probs: LogProbs, tokens: Sequence[int]) -> list[Spike]:
    """Find the best path of a token sequence, a spike a token.

    Args:
        log_probs: (T, V), of one utterance; token 0 is the blank.
        tokens: (U,), without blanks; none gives no spikes.

    Raises:
        ValueError: if a token is the blank, or none of the alphabet. Also if the frames do not
            suffice for the tokens (`labels.minimum_frames`), or no path has a finite score.
    """
    if wrong := [token for token in tokens if not BLANK < token < log_probs.shape[1]]:
        raise ValueError(f"token {wrong[0]} is not one of 1 to {log_probs.shape[1] - 1}")
    if minimum_frames(tokens) > len(log_probs):
        raise ValueError(f"{len(tokens)} tokens need {minimum_frames(tokens)} frames, there are {len(log_probs)}")
    if not tokens:
        return []
    scores = np.asarray(log_probs)
    states = np.full(2 * len(tokens) + 1, BLANK)
    states[1::2] = tokens
    path = _best_path(scores, states)
    borders = path.searchsorted(np.arange(1, len(states)))  # a path never goes back
    return [
        Spike(int(start), int(stop), float(scores[start:stop, token].mean(dtype=np.float64)))
        for token, start, stop in zip(tokens, borders[::2], borders[1::2], strict=True)
    ]


def _best_path(scores: _Floats, states: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(T, V), (S,) -> (T,), the state of each frame."""
    num_frames, num_states = len(scores), len(states)
    skip = np.full(num_states, -math.inf)
    """0 where a path may come from two states before: into a token unlike the one before it."""
    skip[3::2][states[3::2] != states[1:-2:2]] = 0.0
    every = math.ceil((num_frames * num_states / 2) ** (1 / 3))
    # Two dead states stand before the first one. Sums are float64: in half an hour float32 would
    # round by a thousandth.
    column = np.full(num_states + 2, -math.inf)
    column[2:4] = scores[0, states[:2]]
    columns, after = [column.copy()], column.copy()
    for frame in range(1, num_frames):
        # Only states that are reached by now and from which the end is still in reach. Those not
        # yet
        # reached hold -inf. Those left behind are not read any more. So two columns take turns and
        # need no clearing.
        low, high = max(0, num_states - 2 * (num_frames - frame)), min(num_states, 2 * frame + 2)
        _advance(column[low : high + 2], scores[frame, states[low:high]], skip[low:high], after[low + 2 : high + 2])
        column, after = after, column
        if frame % every == 0:
            columns.append(column.copy())
    state = num_states - 1 - int(column[-2] > column[-1])
    if not math.isfinite(column[state + 2]):
        raise ValueError("no path has a finite score")
    path = np.empty(num_frames, dtype=np.int64)
    end = num_frames - 1
    for start in range(end // every * every, -1, -every):
        window = slice(max(0, state - 2 * (end - start)), state + 1)
        emitted = scores[start + 1 : end + 1, states[window]]
        path[start : end + 1] = window.start + _walk(
            columns.pop()[window.start : window.stop + 2], emitted, skip[window]
        )
        end, state = start, int(path[start])
    return path


def _advance(before: _Floats, emitted: _Floats, skip: _Floats, after: _Floats) -> None:
    """Fill the column `after` (S,) from the one `before` it, (2 + S,).

    A path stays, or comes from one state below, or from two.
    """
    np.maximum(before[2:], before[1:-1], out=after)
    np.maximum(after, before[:-2] + skip, out=after)
    after += emitted


def _walk(column: _Floats, emitted: _Floats, skip: _Floats) -> npt.NDArray[np.int64]:
    """Walk a stretch back, from a column (2 + S,) to the last state n frames later, (n, S).

    Returns:
        (n + 1,), its states.
    """
    columns = np.full((len(emitted) + 1, len(column)), -math.inf)
    columns[0] = column
    for before, row, after in zip(columns[:-1], emitted, columns[1:], strict=True):
        _advance(before, row, skip, after[2:])
    states = np.empty(len(columns), dtype=np.int64)
    states[-1] = state = len(skip) - 1
    for frame in range(len(emitted) - 1, -1, -1):
        two, one, stay = columns[frame, state : state + 3]
        two += skip[state]
        if stay < max(one, two):
            state -= 1 if one >= two else 2
        states[frame] = state
    return states
