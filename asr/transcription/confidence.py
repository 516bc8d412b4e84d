"""How sure one may be of a text: probabilities of its stretches, calibrated on transcripts.

CTC gives the probability of a token sequence over a stretch of frames, all alignments summed. For a
word the stretch lies between its neighbours' tokens, spaces counted as its own. So it is the
probability that just this word fills the gap. For a segment or an utterance it is that of the whole
text.

The model's probabilities are not frequencies. So Platt's sigmoid (1999, "Probabilistic outputs for
support vector machines") is fitted to their logits, with two numbers for words and two for
utterances.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.config import check, read_settings_or, write_settings
from asr.decoding.likelihood import each_log_likelihood
from asr.model.best_path import Spike
from asr.model.labels import LogProbs
from asr.text.spelling import Spelling

CONFIDENCE_FILE = "confidence.json"
BINS = 10
"""Of equal width, for the calibration error and its picture."""

_LEAST, _MOST = (
    -100.0,
    -1e-6,
)  # log-probabilities; beyond, float32 tells no more, and one outlier would bend the sigmoid
_STRETCHES_AT_ONCE = 64
_LARGEST_PADDED = 1 << 22
"""Numbers that stretches scored at once may have, padding included; a larger one is alone."""
_RIDGE = 1e-9  # keeps Newton's step finite where all logits are alike
_CLOSE = 1e-7


@dataclass(frozen=True)
class Platt:
    """A sigmoid of a scaled and shifted logit; the default changes nothing."""

    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, log_prob: float) -> float:
        """Turn a log-probability into a confidence."""
        logit = self.scale * _logit(log_prob) + self.offset
        return 1 / (1 + math.exp(min(-logit, 700.0)))  # beyond it exp overflows


@dataclass(frozen=True)
class Calibration:
    """What a model folder's `confidence.json` holds."""

    words: Platt = Platt()
    utterances: Platt = Platt()


UNCALIBRATED = Calibration()
"""The model's own probabilities."""


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Write a calibration into its model's folder."""
    write_settings(folder / CONFIDENCE_FILE, calibration)


def load_calibration(folder: Path) -> Calibration:
    """Read a model folder's calibration; one without has `UNCALIBRATED`.

    Raises:
        ModelError: if it is damaged.
    """
    return read_settings_or(UNCALIBRATED, folder / CONFIDENCE_FILE, remedy="write it again with `asr calibrate`")


def stretch_log_probs(
    log_probs: LogProbs, spelling: Spelling, spikes: Sequence[Spike], stretches: Sequence[tuple[int, int]]
) -> list[float]:
    """Score stretches of words against all that the frames between their neighbours could be.

    Args:
        log_probs: (T, V), of one utterance.
        spelling: (U tokens), its text.
        spikes: (U,), where its tokens are.
        stretches: first word and the one after the last, for each; words before the first or after
            the last lend no frames, so (0, number of words) is the whole utterance. (0, 0) of a
            text without words asks for silence.

    Returns:
        Log-probabilities in nats.
    """
    words = spelling.words
    windows, texts = [], []
    for first, after in stretches:
        low = words[first - 1][1].stop if first else 0
        high = words[after][1].start if after < len(words) else len(spikes)
        start = spikes[low - 1].stop if first else 0
        stop = spikes[high].start if after < len(words) else len(log_probs)
        windows.append(log_probs[start:stop])
        texts.append(spelling.tokens[low:high])
    found = [0.0] * len(stretches)
    for part in _alike(windows, texts):
        sums = each_log_likelihood([windows[n] for n in part], [texts[n] for n in part])
        for number, log_prob in zip(part, sums, strict=True):
            found[number] = log_prob if log_prob > -math.inf else 0.0
    return found


def _alike(windows: Sequence[LogProbs], texts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group stretches of like length, so that one beside a long pause does not widen all others.

    What a group holds, log-probs and lattice with their padding, is bounded.
    """
    groups: list[list[int]] = []
    frames = tokens = 0
    for number in sorted(range(len(windows)), key=lambda n: -len(windows[n])):
        frames, tokens = max(frames, len(windows[number])), max(tokens, len(texts[number]))
        size = frames * (windows[number].shape[1] + 2 * tokens + 1)
        most = min(_STRETCHES_AT_ONCE, _LARGEST_PADDED // max(1, size))
        if not groups or len(groups[-1]) >= most:
            groups.append([])
            frames, tokens = len(windows[number]), len(texts[number])
        groups[-1].append(number)
    return groups


def fit(log_probs: Sequence[float], correct: Sequence[bool]) -> Platt:
    """Fit the sigmoid by maximum likelihood to which stretches were right.

    The method is Newton's with halved steps (Lin et al. 2007). Targets are Platt's (section 2.2),
    not 0 and 1: nothing is called certain because few were seen. Where a higher probability does
    not mean right more often, all get the same confidence.
    """
    right = np.asarray(correct, dtype=bool)
    num_right, num_wrong = int(right.sum()), int((~right).sum())
    targets = np.where(right, (num_right + 1) / (num_right + 2), 1 / (num_wrong + 2))
    inputs = np.stack([[_logit(p) for p in log_probs], np.ones(len(right))], axis=1)

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        logits = inputs @ parameters
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    constant = math.log(targets.mean() / (1 - targets.mean()))
    parameters = np.array([0.0, constant])
    for _ in range(50):
        found = 1 / (1 + np.exp(-inputs @ parameters))
        curvature = inputs.T @ (inputs * (found * (1 - found))[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, inputs.T @ (targets - found))
        while loss(parameters + step) > loss(parameters) and np.abs(step).max() > _CLOSE:
            step /= 2
        if np.abs(step).max() <= _CLOSE:
            break
        parameters += step
    scale, offset = parameters.tolist()
    return Platt(scale, offset) if scale > 0 else Platt(0.0, constant)


def calibration_error(confidences: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Measure the expected calibration error (Naeini et al. 2015; Guo et al. 2017, section 2).

    It is the gap of each bin between its mean confidence and the share that is right, averaged over
    all confidences. Without any it is 0.
    """
    sure, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    gaps = np.bincount(_bins(sure), weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / max(1, len(sure)))


def chance_error(confidences: npt.ArrayLike, *, draws: int = 500, seed: int = 0) -> float:
    """Measure the calibration error of luck alone: what perfect confidences show on average."""
    sure = np.asarray(confidences, dtype=float)
    generator = np.random.default_rng(seed)
    return float(np.mean([calibration_error(sure, generator.random(len(sure)) < sure) for _ in range(draws)]))


def _bins(confidences: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.minimum((confidences * BINS).astype(np.int64), BINS - 1)


def _logit(log_prob: float) -> float:
    log_prob = min(max(log_prob, _LEAST), _MOST)
    return log_prob - math.log(-math.expm1(log_prob))
