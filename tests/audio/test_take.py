"""A reading: when it is over, what is kept of it, and what is wrong with it."""

import numpy as np
import pytest
from support.tiny import RATE, noise

from asr.audio.take import ENDS_AFTER, GIVES_UP_AFTER, LONGEST, MARGIN, faults, read_aloud

TEXT = "the quick brown dog and the lazy fox"


def speech(seconds=2.5, *, level=0.1, seed=1):
    """Syllables: noise that comes and goes four times a second."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (noise(len(time), seed=seed, level=level) * np.abs(np.sin(2 * np.pi * 2 * time))).astype(np.float32)


def reading(before=1.0, spoken=None, after=3.0, *, floor=3e-4):
    spoken = speech() if spoken is None else spoken
    parts = [np.zeros(round(before * RATE)), spoken, np.zeros(round(after * RATE))]
    samples = np.concatenate(parts)
    return (samples + noise(len(samples), level=floor)).astype(np.float32)


def blocks(samples, size=1600):
    return (samples[start : start + size] for start in range(0, len(samples), size))


def test_it_ends_when_it_has_been_quiet_for_a_while():
    samples, given = reading(after=60), 0

    def counted():
        nonlocal given
        for block in blocks(samples):
            given += len(block)
            yield block

    taken = read_aloud(counted(), RATE)
    assert given / RATE == pytest.approx(1.0 + 2.5 + ENDS_AFTER, abs=0.2)
    assert len(taken) / RATE == pytest.approx(2.5 + 2 * MARGIN, abs=0.1)
    start = int(np.flatnonzero(samples == taken[0])[0])
    assert start / RATE == pytest.approx(1.0 - MARGIN, abs=0.05)
    assert np.array_equal(taken, samples[start : start + len(taken)])


def test_a_pause_within_a_sentence_does_not_end_it():
    spoken = np.concatenate([speech(1.0), np.zeros(RATE), speech(1.0, seed=2)])
    assert len(read_aloud(blocks(reading(spoken=spoken)), RATE)) / RATE == pytest.approx(3.0 + 2 * MARGIN, abs=0.1)


def test_silence_and_endless_sound_end_too():
    assert len(read_aloud(blocks(noise(20 * RATE, level=3e-4)), RATE)) == pytest.approx(GIVES_UP_AFTER * RATE, abs=RATE)
    endless = reading(spoken=speech(60))
    assert len(read_aloud(blocks(endless), RATE)) == pytest.approx(LONGEST * RATE, abs=1.5 * RATE)
    assert len(read_aloud(iter(()), RATE)) == 0


def test_a_good_reading_has_no_fault():
    assert faults(read_aloud(blocks(reading()), RATE), RATE, TEXT) == []
    assert faults(read_aloud(blocks(reading(spoken=speech(8))), RATE), RATE, TEXT) == []


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (reading(spoken=np.clip(speech(level=2.0), -1, 1)), "clipped"),
        (reading(spoken=speech(level=0.004), floor=1e-5), "too quiet"),
        (reading(floor=0.02), "noisy"),
        (reading(before=0.0), "beginning is cut off"),
        (reading(spoken=speech(0.6)), "too short for its text"),
        (noise(3 * RATE, level=3e-4), "nothing was heard"),
        (np.zeros(3 * RATE, dtype=np.float32), "nothing was heard"),
        (np.zeros(0, dtype=np.float32), "nothing was heard"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_is_found_by_itself(samples, fault):
    (found,) = faults(samples, RATE, TEXT)
    assert fault in found


def test_a_click_is_no_speech():
    samples = reading()
    samples[RATE // 4 : RATE // 4 + 100] = 0.9
    assert len(read_aloud(blocks(samples), RATE)) / RATE == pytest.approx(2.5 + 2 * MARGIN, abs=0.1)
