"""Peaks that were cut off are restored, however the samples come."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import noise

from asr.audio.declip import HIGHEST, LONGEST, Declipper, declipped, longest, restored
from asr.audio.reader import open_recording
from asr.audio.waveform import from_array, load

RATE = 16_000


def voice(seconds=1.0, rate=RATE):
    """Noise below about 2 kHz that grows and fades twice a second, (N,), its peak 1."""
    size = round(seconds * rate)
    smooth = np.convolve(np.random.default_rng(0).standard_normal(size), np.hanning(16), "same")
    smooth *= np.sin(2 * np.pi * 2 * np.arange(size) / rate)
    return (smooth / np.abs(smooth).max()).astype(np.float32)


def cut_off(waveform, gain):
    """As 16 bits hold it, which know no 1."""
    return (np.clip(np.round(waveform * gain * 2**15), -(2**15), 2**15 - 1) / 2**15).astype(np.float32)


def repaired(waveform, rate=RATE):
    return restored(waveform[:, None], longest(rate))[:, 0]


@pytest.mark.parametrize("gain", [1.5, 3.0, 6.0])
def test_most_of_what_was_cut_off_comes_back(gain):
    whole = gain * voice()
    cut = cut_off(voice(), gain)
    error, before = (np.sum(np.square(each - whole)) for each in (repaired(cut), cut))
    assert error < before / 2


@pytest.mark.parametrize(
    "waveform",
    [
        voice(),
        0.9 * cut_off(voice(), 4.0),
        np.where(np.arange(8_000) == 4_000, 1.0, 0.5 * voice(0.5)).astype(np.float32),
        np.sign(voice(0.5)) * np.float32(1.0),
        np.ones(1_000, np.float32),
        np.tile(np.float32([0.1, 0.2, 1.0, 0.2]), 100),
        3.0 * cut_off(voice(), 4.0),
        np.zeros(0, np.float32),
        np.ones(1, np.float32),
    ],
    ids=[
        "whole",
        "turned down since",
        "click",
        "square wave",
        "DC",
        "single samples",
        "above full scale",
        "none",
        "one",
    ],
)
def test_what_is_no_cut_peak_stays(waveform):
    np.testing.assert_array_equal(repaired(waveform), waveform)


def test_a_parabola_comes_back_but_for_its_slopes():
    """A cubic through the slopes beside it is the parabola itself, if they were not differences."""
    time = np.linspace(-1, 1, 2_001)
    whole = (1.5 - time**2).astype(np.float32)
    cut = np.minimum(whole, 1).astype(np.float32)
    found = restored(cut[:, None], len(cut))[:, 0]
    np.testing.assert_allclose(found, whole, atol=2e-3)
    assert np.abs(cut - whole).max() > 0.4


def test_what_is_restored_lies_beyond_full_scale_and_nothing_else_changes():
    cut = cut_off(voice(), 8.0)
    found, is_cut = repaired(cut), np.abs(cut) >= 0.95
    np.testing.assert_array_equal(found[~is_cut], cut[~is_cut])
    assert (np.abs(found[is_cut]) >= np.abs(cut[is_cut])).all()
    assert np.abs(found).max() <= HIGHEST
    assert (np.sign(found) == np.sign(cut)).all()


def test_doing_it_again_changes_nothing():
    once = repaired(cut_off(voice(), 4.0))
    np.testing.assert_array_equal(repaired(once), once)


def test_what_stays_at_full_scale_for_longer_than_a_voice_does_is_left():
    cut = np.concatenate([np.float32([0.2, 0.5]), np.ones(round(LONGEST * RATE)), np.float32([0.5, 0.2])])
    assert (repaired(cut.astype(np.float32)) > 1).any()
    longer = np.insert(cut, 5, 1.0).astype(np.float32)
    np.testing.assert_array_equal(repaired(longer), longer)


@given(cuts=st.lists(st.integers(0, 2_000), max_size=40), gain=st.floats(1.2, 20), seed=st.integers(0, 9))
def test_pieces_give_the_whole(cuts, gain, seed):
    cut = cut_off(np.stack([voice(0.125), noise(2_000, seed=seed)], axis=1), gain)
    declipper, places = Declipper(RATE), [0, *sorted(cuts), len(cut)]
    pieces = [declipper.accept(cut[a:b]) for a, b in pairwise(places)]
    np.testing.assert_array_equal(np.concatenate([*pieces, declipper.finish()]), restored(cut, longest(RATE)))


def test_nothing_waits_where_nothing_is_cut_off_and_10_ms_at_most_elsewhere():
    declipper, given = Declipper(RATE), 0
    for sample in 0.5 * voice(0.1):
        assert len(declipper.accept(sample.reshape(1, 1))) == 1
    declipper = Declipper(RATE)
    for taken, sample in enumerate(np.concatenate([cut_off(voice(0.5), 20.0), np.ones(5_000, np.float32)]), 1):
        given += len(declipper.accept(sample.reshape(1, 1)))
        assert taken - given <= round(LONGEST * RATE) + 1


def test_a_recording_that_changes_its_channels_or_rate_loses_nothing():
    cut = cut_off(voice(0.1), 5.0)
    blocks = [(cut[:, None], RATE), (np.stack([cut, cut], axis=1), RATE), (cut[:, None], 8_000)]
    found = list(declipped(blocks))
    for count, (samples, rate) in enumerate(blocks, 1):
        kind = (rate, samples.shape[1]) if count < 3 else (8_000, 1)
        same = [block for block, now in found if (now, block.shape[1]) == kind]
        np.testing.assert_array_equal(np.concatenate(same), restored(samples, longest(rate)))
    assert list(declipped([])) == []


def test_every_way_to_read_gives_the_same_peaks(tmp_path):
    cut = cut_off(voice(3.0), 4.0)
    soundfile.write(tmp_path / "a.wav", cut, RATE, subtype="PCM_16")
    whole = load(tmp_path / "a.wav", sample_rate=RATE)
    np.testing.assert_array_equal(whole, repaired(cut))
    np.testing.assert_array_equal(from_array(cut, RATE, RATE), whole)
    np.testing.assert_array_equal(from_array((cut * 2**15).astype(np.int16), RATE, RATE), whole)
    with open_recording(tmp_path / "a.wav") as recording:
        np.testing.assert_array_equal(np.concatenate(list(recording.blocks(0.001))), whole)
        for start in (0.0101, 1.0, 1.0001, 1.0002, 2.5):
            stretch = np.concatenate(list(recording.blocks(start=start)))
            np.testing.assert_array_equal(stretch, whole[round(start * RATE) :])


def test_each_channel_is_restored_before_they_are_averaged(tmp_path):
    cut = cut_off(voice(), 4.0)
    soundfile.write(tmp_path / "a.wav", np.stack([cut, 0.25 * cut], axis=1), RATE, subtype="FLOAT")
    expected = (repaired(cut) + 0.25 * cut) / 2
    np.testing.assert_allclose(load(tmp_path / "a.wav", sample_rate=RATE), expected, atol=1e-6)
