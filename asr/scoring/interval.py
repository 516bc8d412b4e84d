"""How sure one may be of a rate: bootstrap intervals.

The method: all units are drawn anew, with replacement, `samples` times (Bisani & Ney 2004,
"Bootstrap estimates for confidence intervals in ASR performance evaluation"). Of each sample its
distance from the rate of all is kept, in the sample's own standard errors (Efron & Tibshirani 1993,
chapter 12.5). The ratio's standard error is by linearisation (Cochran 1977, chapter 6). Errors
crowd in few utterances, so samples with a low rate also have too small an error. Plain percentiles
overlook that: at 50 utterances they hold the true rate 91 times in 100, this interval 95 times
(`benchmarks/score_coverage.py`).

Few errors: fewer than 20 wrong units among as many or more right ones do not tell how bad the next
could be. The upper limit is then at least Fay & Feuer's (1997, "Confidence intervals for directly
standardized rates"). It is a gamma distribution's, as if one more unit were as bad as the worst.
Where all are equally bad it is the exact Poisson limit (Garwood 1936). So a test set without an
error has an upper limit above zero. A rate that is bounded above has a lower limit likewise, by the
units that are right.

Odd cases: errors inside one unit may depend on each other; units may not. A difference, whose units
may be negative, has such limits only where many samples have no spread at all (three or fewer wrong
units). One unit alone has no spread, nor have units of one rate: the interval is the value.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError

_DRAWS_AT_ONCE = 100_000  # bounds the bootstrap's memory to a few MB
_TAIL = 0.025
_FEW = 20
_EXACT = 1e-12  # share of a count by which rounding may make it differ from what the rate has it be
_ROUNDING = 1e-6
_Z = 1.959964  # the normal distribution's 97.5 % point

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with its 95 % interval, as fractions: low <= value <= high."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Give `value`, `low` and `high`; JSON has no infinity, so an infinite one is null."""
        fields = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in fields.items()}


def bootstrap(
    errors: npt.ArrayLike,
    lengths: npt.ArrayLike,
    *,
    samples: int = 1000,
    seed: int = 0,
    least: float = 0.0,
    most: float = math.inf,
) -> Rate:
    """Estimate a rate over units drawn independently, with its 95 % bootstrap-t interval.

    The head of this module says how.

    Args:
        errors: (units,) numbers.
        lengths: (units,) reference lengths. A rate over no reference is 0 without errors and
            infinite with any.
        samples: how often to draw.
        seed: of the random generator.
        least: no rate is smaller; differences of rates may be negative.
        most: no rate is larger.

    Raises:
        ConfigError: if `samples` is not positive.
        ValueError: if there are no units, or the two arrays differ in length.
    """
    counts, sizes = np.asarray(errors, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    units = len(counts)
    if units == 0 or counts.shape != sizes.shape:
        raise ValueError(f"one error count and one length a unit, got {counts.shape} and {sizes.shape}")
    if samples < 1:
        raise ConfigError(f"samples: {samples} is not allowed; bootstrap intervals need 1 or more, 1000 is usual")
    total, size = float(counts.sum()), float(sizes.sum())
    if size == 0:
        value = math.inf if total else 0.0
        return Rate(value, value, value)
    value = total / size
    expected = value * sizes
    residuals = np.where(np.isclose(counts, expected, rtol=_EXACT, atol=0.0), 0.0, counts - expected)
    if units == 1 or (not residuals.any() and value not in (0.0, most)):
        return Rate(value, value, value)
    moments = np.stack([sizes, residuals, residuals**2, residuals * sizes, sizes**2], axis=1)  # (units, 5)
    deviation, least_distance, most_distance = _distances(moments, samples, seed)
    low, high = value - most_distance * deviation, value - least_distance * deviation
    variance = float((residuals**2).sum())
    highest = _gamma_limit(counts, variance) / size
    if not (deviation and math.isfinite(high)):
        high = highest
    elif least == 0 and _are_few(counts):
        high = max(high, highest)
    right = None if math.isinf(most) else most * sizes - counts
    lowest = -highest if right is None else most - _gamma_limit(right, variance) / size
    if not (deviation and math.isfinite(low)):
        low = lowest
    elif right is not None and _are_few(right):
        low = min(low, lowest)
    # A handful of samples can all fall to one side of the value. The value belongs to its interval
    # all the same.
    return Rate(value, max(least, min(value, float(low))), min(most, max(value, float(high))))


def _distances(moments: npt.NDArray[np.float64], samples: int, seed: int) -> tuple[float, float, float]:
    """Give a rate's standard error, and the limits of 95 % of the samples' distances from it.

    The distances are in each sample's own standard errors.
    """
    # (samples,) each; a sample without any reference tells nothing: its distance is set to zero
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = float(_spread(moments.sum(axis=0, keepdims=True))[1][0])
        sums = np.concatenate([draw @ moments for draw in _draws(len(moments), samples, seed)])
        differences, deviations = _spread(sums)
        deviations[deviations < _ROUNDING * deviation] = 0.0  # all units drawn have one rate: no spread
        distances = np.nan_to_num(differences / deviations, nan=0.0, posinf=math.inf, neginf=-math.inf)
    distances.sort()
    outside = int(samples * _TAIL)  # order statistics, not interpolated ones, since some can be infinite
    return deviation, float(distances[outside]), float(distances[-1 - outside])


def share_below_zero(differences: npt.ArrayLike, *, samples: int = 1000, seed: int = 0) -> float:
    """Share of bootstrap samples whose differences add up to less than zero; zero counts half."""
    values = np.asarray(differences, dtype=np.float64)
    sums = np.concatenate([draw @ values for draw in _draws(len(values), samples, seed)])
    return float((sums < 0).mean() + (sums == 0).mean() / 2)


def _draws(units: int, samples: int, seed: int) -> Iterator[Floats]:
    """How often each unit is drawn, (some samples, units) at a time."""
    generator = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // units)
    for start in range(0, samples, rows):
        shape = (min(rows, samples - start), units)
        drawn = generator.integers(units, size=shape) + units * np.arange(shape[0])[:, None]
        yield np.bincount(drawn.ravel(), minlength=shape[0] * units).reshape(shape).astype(np.float64)


def _spread(sums: Floats) -> tuple[Floats, Floats]:
    """How far each sample's rate is from the rate of all, and the standard error of that.

    Both are up to a constant factor.

    Args:
        sums: (samples, 5), of lengths, residuals against the rate of all, and their squares and
            products.
    """
    length, residual, square, product, length_square = sums.T
    difference = residual / length
    return difference, np.sqrt(
        np.maximum(0, square - 2 * difference * product + difference**2 * length_square)
    ) / length


def _are_few(counts: Floats) -> bool:
    """Whether too few units have any, to know how much one can have."""
    having = int(np.count_nonzero(counts))
    return having < _FEW and 2 * having <= len(counts)


def _gamma_limit(counts: Floats, variance: float) -> float:
    """The most errors that a test set of this kind holds in 97.5 of 100 draws.

    Args:
        counts: (units,) errors of each.
        variance: of their sum, as the units' own spread has it.
    """
    worst = float(np.abs(counts).max()) or 1.0
    mean = float(np.abs(counts).sum()) + worst
    shape = mean**2 / (variance + worst**2)
    return mean * (1 - 1 / (9 * shape) + _Z / (3 * math.sqrt(shape))) ** 3  # Wilson & Hilferty 1931
