import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from asr.errors import ConfigError
from asr.scoring.interval import Rate, bootstrap, share_below_zero
from asr.scoring.score import score

unhurried = settings(deadline=None, max_examples=60)  # a busy machine is no failure


def test_samples_without_any_reference_tell_nothing():
    rate = bootstrap([0, 1, 2], [1, 0, 4], samples=400)
    assert rate.value == 3 / 5
    assert 0 <= rate.low < rate.value < rate.high < math.inf


def test_a_rate_over_no_reference_is_zero_or_infinite():
    assert bootstrap([0, 0], [0, 0]) == Rate(0.0, 0.0, 0.0)
    assert bootstrap([0, 1], [0, 0]) == Rate(math.inf, math.inf, math.inf)


COUNTED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=12)


@unhurried
@given(COUNTED, st.integers(1, 60), st.integers(0, 3))
def test_the_interval_holds_the_value(counted, samples, seed):
    errors, lengths = zip(*counted, strict=True)
    rate = bootstrap(errors, lengths, samples=samples, seed=seed)
    assert rate.low <= rate.value <= rate.high
    assert rate.value == (sum(errors) / sum(lengths) if sum(lengths) else math.inf if sum(errors) else 0.0)


@unhurried
@given(COUNTED, st.integers(0, 3))
def test_the_interval_is_that_of_the_textbook(counted, seed):
    """Bootstrap-t computed sample by sample, on the same draws.

    For few wrong units the limit of Fay & Feuer holds where it is higher.
    """
    errors, lengths = (np.array(side, dtype=float) for side in zip(*counted, strict=True))
    units, samples = len(errors), 80
    if units == 1 or not lengths.all():
        return

    def estimate(e, n):
        residuals = e - e.sum() / n.sum() * n
        return e.sum() / n.sum(), math.sqrt((residuals**2).sum()) / n.sum()

    value, deviation = estimate(errors, lengths)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(units, size=(samples, units))
    distances = []
    for row in drawn:
        rate, its_deviation = estimate(errors[row], lengths[row])
        if its_deviation < 1e-9:
            distances.append(0.0 if abs(rate - value) < 1e-12 else math.copysign(math.inf, rate - value))
        else:
            distances.append((rate - value) / its_deviation)
    distances.sort()
    low, high = value - distances[-3] * deviation, value - distances[2] * deviation
    found = bootstrap(errors, lengths, samples=samples, seed=seed)
    if deviation > 1e-9 and math.isfinite(low):
        assert found.low == pytest.approx(max(0, min(low, value)), abs=1e-6)
    if deviation > 1e-9 and math.isfinite(high):
        worst, spread = errors.max(), deviation**2 * lengths.sum() ** 2 + errors.max() ** 2
        fay_feuer = gamma(a=(errors.sum() + worst) ** 2 / spread, scale=spread / (errors.sum() + worst)).ppf(0.975)
        limit = fay_feuer / lengths.sum() if 2 * np.count_nonzero(errors) <= units else value
        assert found.high == pytest.approx(max(high, limit), rel=1e-6 if high > 1.02 * limit else 0.01)


@pytest.mark.parametrize(("wrong", "exact"), [(0, 3.689), (1, 5.572), (2, 7.225)])
def test_few_wrong_utterances_have_garwoods_limit(wrong, exact):
    """The upper 97.5 % limits of a Poisson mean (Garwood 1936).

    Utterances have ten words and one error at most.
    """
    rate = bootstrap([1] * wrong + [0] * (200 - wrong), [10] * 200)
    assert rate.value == wrong / 2000
    assert 0 <= rate.low < 0.0001
    assert rate.high == pytest.approx(exact / 2000, rel=0.01)


def test_samples_whose_spread_is_only_rounding_do_not_blow_up_the_interval():
    for seed in range(20):
        assert bootstrap([1, 0, 0, 3, 0, 1, 0], [3, 7, 9, 9, 11, 3, 13], seed=seed).high < 5


def test_differences_may_be_negative_and_rates_have_their_bounds():
    assert bootstrap([-1, 0, 0, -2, 1] * 20, [5] * 100, least=-math.inf).high < 0
    assert bootstrap([1, 0], [1, 1], most=1.0).high == 1.0
    assert bootstrap([1, 0], [1, 1]).high > 1.0


@pytest.mark.parametrize(("right", "exact"), [(0, 3.689), (1, 5.572)])
def test_a_bounded_rate_near_its_bound_has_a_lower_limit_likewise(right, exact):
    rate = bootstrap([1] * (200 - right) + [0] * right, [1] * 200, most=1.0)
    assert rate.low == pytest.approx(1 - exact / 200, abs=0.001)
    assert rate.high == 1.0 if not right else rate.value < rate.high <= 1.0


def test_about_95_in_100_intervals_hold_the_true_rate():
    """50 utterances, errors crowded in few.

    `benchmarks/score_coverage.py` measures this with more repetitions.
    """
    generator, held = np.random.default_rng(11), 0
    for seed in range(400):
        lengths = generator.geometric(1 / 8, size=50)
        errors = generator.binomial(lengths, generator.beta(0.5, 3.5, size=50))
        rate = bootstrap(errors, lengths, samples=400, seed=seed)
        held += rate.low <= 0.125 <= rate.high
    assert 0.925 * 400 <= held <= 0.98 * 400


def test_the_share_below_zero_is_half_for_no_difference_and_all_for_a_sure_one():
    assert share_below_zero([0, 0, 0]) == 0.5
    assert share_below_zero([-1, -2, -1]) == 1.0
    assert share_below_zero([1, -1] * 50, samples=4000) == pytest.approx(0.5, abs=0.03)


def test_the_interval_of_equal_utterances_is_a_point():
    assert bootstrap([1] * 40, [4] * 40) == Rate(0.25, 0.25, 0.25)


@pytest.mark.parametrize(("errors", "lengths"), [([15, 15], [11, 11]), ([34 / 9, 68 / 9], [4, 8])])
def test_rates_that_differ_by_rounding_alone_are_equal(errors, lengths):
    rate = bootstrap(errors, lengths)
    assert rate.low == rate.value == rate.high == pytest.approx(errors[0] / lengths[0])


@pytest.mark.parametrize("units", [300, 3000])
def test_the_interval_is_the_binomials_where_words_fail_independently(units):
    """With one word an utterance the bootstrap draws a binomial, whose spread is known."""
    rate = bootstrap([1] * (units // 5) + [0] * (units - units // 5), [1] * units, samples=4000)
    half = 1.96 * math.sqrt(0.2 * 0.8 / units)
    assert rate.value == 0.2
    assert rate.low == pytest.approx(0.2 - half, abs=0.12 * half)
    assert rate.high == pytest.approx(0.2 + half, abs=0.12 * half)


def test_errors_that_crowd_in_few_utterances_widen_the_interval():
    spread = bootstrap([1] * 100, [10, 11] * 50)
    crowded = bootstrap([10] * 10 + [0] * 90, [10, 11] * 50)
    assert spread.value == crowded.value
    assert crowded.high - crowded.low > 5 * (spread.high - spread.low)


def test_more_of_the_same_narrows_the_interval_by_the_square_root():
    generator = np.random.default_rng(3)
    errors, lengths = generator.integers(0, 4, size=50), generator.integers(4, 20, size=50)
    once = bootstrap(errors, lengths, samples=4000)
    nine_times = bootstrap(np.tile(errors, 9), np.tile(lengths, 9), samples=4000)
    assert nine_times.value == once.value
    assert (once.high - once.low) / (nine_times.high - nine_times.low) == pytest.approx(3, rel=0.12)


def test_the_seed_decides_the_interval():
    generator = np.random.default_rng(4)
    errors, lengths = generator.integers(0, 4, size=200), generator.integers(4, 20, size=200)
    assert bootstrap(errors, lengths, seed=1) == bootstrap(errors, lengths, seed=1)
    assert bootstrap(errors, lengths, seed=1) != bootstrap(errors, lengths, seed=2)


def test_drawing_in_parts_changes_nothing(monkeypatch):
    generator = np.random.default_rng(6)
    errors, lengths = generator.integers(0, 4, size=30), generator.integers(4, 20, size=30)
    whole = bootstrap(errors, lengths, samples=101)
    monkeypatch.setattr("asr.scoring.interval._DRAWS_AT_ONCE", 70)  # two samples at once, and one left over
    assert bootstrap(errors, lengths, samples=101) == whole


def test_samples_must_be_positive_and_arrays_fit():
    with pytest.raises(ConfigError, match="samples: 0 "):
        score({"u": "a"}, {"u": "a"}, samples=0)
    with pytest.raises(ValueError, match="one length a unit"):
        bootstrap([1, 2], [3])
    with pytest.raises(ValueError, match="one length a unit"):
        bootstrap([], [])
