"""Log-probs -> the tokens of the best path, and where they are."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from asr.model.best_path import Spike
from asr.model.labels import BLANK, LogProbs


@dataclass(frozen=True)
class BestPath:
    """What the best path of an utterance emits."""

    tokens: tuple[int, ...]
    spikes: tuple[Spike, ...]
    """Where each token is."""


def collapse(path: list[int]) -> list[int]:
    """Merge repeats, then drop blanks: a path's labels (Graves et al. 2006, section 3.1)."""
    return [token for before, token in zip([BLANK, *path], path, strict=False) if token not in (before, BLANK)]


def greedy(log_probs: LogProbs) -> BestPath:
    """Decode by the best path: each frame's best token, collapsed.

    See Graves et al. 2006, section 3.2. The spikes are those that aligning the tokens would find,
    since no path at all is better.

    Args:
        log_probs: (T, V), of one utterance; without a frame there are no tokens.
    """
    if not len(log_probs):
        return BestPath((), ())
    log_probs = np.asarray(log_probs)
    path = log_probs.argmax(axis=1)
    scores = log_probs[np.arange(len(path)), path]
    borders = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    runs = [(int(path[start]), start, stop) for start, stop in pairwise(borders) if path[start] != BLANK]
    spikes = (Spike(start, stop, float(scores[start:stop].mean(dtype=np.float64))) for _, start, stop in runs)
    return BestPath(tuple(token for token, _, _ in runs), tuple(spikes))
