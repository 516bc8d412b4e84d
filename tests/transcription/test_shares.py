"""An archive in shares: processes that die lose nothing, and nothing is done for ever."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import AsrError
from asr.transcription.archive import Job
from asr.transcription.shares import EACH, LARGEST, TRIES, hand_out, shares
from asr.transcription.transcript import Transcript


def job(number: int) -> Job:
    return Job(Path(f"{number}.wav"), Path(str(number)))


class Mortal:
    """Processes that die as they are told: by chance, or of a recording.

    Some never start, as on a full cluster.
    """

    def __init__(self, draw=None, deadly=(), *, stillborn=0, never=0):
        self.draw, self.deadly, self.stillborn, self.never = draw, set(deadly), stillborn, never
        self.started, self.busy, self.deaths = 0, {}, Counter()

    def start(self):
        self.started += 1
        return self.started

    def give(self, process, share):
        assert process not in [other for other, _ in self.busy.values()], "it has one share in hand"
        key = (process, len(self.busy), share)
        self.busy[key] = process, share
        return key

    def answer(self, waiting):
        assert set(waiting) == set(self.busy)
        able = [key for key in waiting if key[0] > self.never]
        key = self.draw(st.sampled_from(able)) if self.draw else able[0]
        process, share = self.busy.pop(key)
        deadly = self.deadly & set(share)
        by_chance = share and sum(self.deaths.values()) < 5 and self.draw and self.draw(st.booleans())
        if deadly or by_chance or process <= self.stillborn:
            self.deaths.update(deadly)
            return key, None
        return key, [Transcript(str(one.path), one.stem, None) for one in share]


@unhurried
@given(st.data())
def test_each_recording_is_answered_for_once_and_only_the_deadly_are_given_up(data):
    everything = [job(number) for number in range(data.draw(st.integers(1, 150)))]
    sizes = [(one, data.draw(st.integers(0, 9))) for one in everything]
    count = data.draw(st.integers(1, 4))
    deadly = data.draw(st.sets(st.sampled_from(everything), max_size=2))
    processes = Mortal(data.draw, deadly)
    found = list(hand_out(shares(sizes, count), processes, count))
    assert sorted(one.name for one in found) == sorted(str(one.path) for one in everything)
    given_up = {one.stem for one in found if one.error is not None}
    assert {one.stem for one in deadly} <= given_up
    if not any(processes.deaths[one] < TRIES for one in deadly):
        assert all(processes.deaths[one] <= 2 * TRIES for one in deadly)


def test_no_other_recording_of_a_share_is_given_up():
    everything = [job(number) for number in range(10)]
    processes = Mortal(deadly=everything[3:4])
    found = list(hand_out([tuple(everything)], processes, 2))
    assert [one.stem for one in found if one.error] == [Path("3")]
    assert "3.wav: each of the 3 processes that read it ended" in str(next(one.error for one in found if one.error))
    assert processes.deaths[everything[3]] == 2 * TRIES


def test_a_process_that_does_not_start_keeps_no_work_from_others():
    everything = [job(number) for number in range(10)]
    found = list(hand_out([(one,) for one in everything], Mortal(never=3), 4))
    assert len(found) == 10


def test_processes_that_die_at_once_are_not_started_for_ever():
    processes = Mortal(stillborn=1000)
    with pytest.raises(AsrError, match="process after process ended before it had read the model"):
        list(hand_out([(job(1),)], processes, 2))
    assert processes.started <= 2 + 2 * TRIES
    assert len(list(hand_out([(job(1),)], Mortal(stillborn=4), 2))) == 1


@unhurried
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 8))
def test_shares_hold_everything_once_the_largest_first(sizes, count):
    everything = [(job(number), size) for number, size in enumerate(sizes)]
    found = shares(everything, count)
    assert sorted(one.stem for share in found for one in share) == sorted(one.stem for one, _ in everything)
    size = dict(everything)
    flat = [size[one] for share in found for one in share]
    assert flat == sorted(sizes, reverse=True)
    most = sum(sizes) / (EACH * count)
    for share in found:
        assert 1 <= len(share) <= LARGEST
        assert len(share) == 1 or sum(size[one] for one in share) <= most
