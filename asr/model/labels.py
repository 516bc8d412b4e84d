"""What decoders know of CTC: its blank, and the frames that tokens need."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.units import Frames

BLANK = 0
IMPOSSIBLE = -1e4
"""Stands for ln 0 where infinities are not taken."""

LogProbs: TypeAlias = npt.NDArray[np.floating[Any]]
"""(T, V), log-softmax over tokens of one utterance: what leaves a model."""


def minimum_frames(tokens: Sequence[int]) -> Frames:
    """Count the frames that tokens need: one a token, and a blank between equal neighbours."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))
