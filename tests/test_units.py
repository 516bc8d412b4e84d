"""Rounding between seconds, samples and frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.units import num_frames, seconds_to_samples, subsampled

lengths = st.integers(0, 400)
sizes = st.integers(1, 60)


@unhurried
@given(lengths, sizes, sizes)
def test_frames_are_the_windows_that_fit_whole(num_samples, window, hop):
    starts = [start for start in range(0, num_samples, hop) if start + window <= num_samples]
    assert num_frames(num_samples, window=window, hop=hop) == len(starts)


@pytest.mark.parametrize(("window", "hop"), [(0, 1), (1, 0), (-400, 160), (400, -160)])
def test_windows_and_hops_must_be_positive(window, hop):
    with pytest.raises(ValueError, match=f"got {window} and {hop}"):
        num_frames(1000, window=window, hop=hop)


@unhurried
@given(lengths, st.integers(1, 8))
def test_subsampling_keeps_the_first_and_every_nth_frame(frames, factor):
    assert subsampled(frames, factor) == len(range(frames)[::factor])


@unhurried
@given(lengths)
def test_subsampling_twice_by_two_is_subsampling_by_four(frames):
    assert subsampled(subsampled(frames, 2), 2) == subsampled(frames, 4)


@unhurried
@given(st.integers(0, 10**9), st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]))
def test_a_whole_number_of_samples_survives_the_way_through_seconds(samples, rate):
    assert seconds_to_samples(samples / rate, rate) == samples


def test_halves_round_up():
    assert [seconds_to_samples(eighths / 8, 4) for eighths in range(6)] == [0, 1, 1, 2, 2, 3]
