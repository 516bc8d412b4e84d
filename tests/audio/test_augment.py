"""Laws of augmentation: repeatable, inside the utterance, and as settings say."""

from collections import Counter
from dataclasses import replace
from itertools import groupby
from math import ceil

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.audio.augment import (
    LIGHT,
    AugmentConfig,
    add_noise,
    draw_speed,
    perturb_sound,
    perturb_tempo,
    spec_augment,
    stretch_time,
    warp_frequencies,
)
from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel
from asr.errors import ConfigError

MELS = 20
configs = st.builds(
    AugmentConfig,
    time_masks_per_second=st.floats(0, 3),
    time_mask_frames=st.integers(0, 40),
    time_mask_share=st.floats(0, 1),
    frequency_masks=st.integers(0, 3),
    frequency_mask_bins=st.integers(0, 30),
)
batches = st.lists(st.integers(0, 120), min_size=1, max_size=4)
seeds = st.integers(0, 2**31)

TIME_ONLY = AugmentConfig(frequency_masks=0)


def masked(lengths, config, seed, *, padding=0):
    """Run on features that are 1 everywhere: (B, T, M) bool, True where masked."""
    log_mel = torch.ones(len(lengths), max(lengths) + padding, MELS)
    generator = torch.Generator().manual_seed(seed)
    return spec_augment(log_mel, torch.tensor(lengths), config, frames_per_second=100, generator=generator) == 0


def runs(row):
    """Lengths of the stretches of True."""
    return [len(list(group)) for value, group in groupby(row.tolist()) if value]


@unhurried
@given(batches, configs, seeds)
def test_the_same_generator_gives_the_same_masks(lengths, config, seed):
    assert torch.equal(masked(lengths, config, seed), masked(lengths, config, seed))


def test_another_seed_gives_other_masks():
    assert not torch.equal(masked([300] * 4, AugmentConfig(), 1), masked([300] * 4, AugmentConfig(), 2))


@unhurried
@given(batches, configs, seeds, st.integers(0, 50))
def test_padding_changes_no_mask(lengths, config, seed, padding):
    plain, padded = masked(lengths, config, seed), masked(lengths, config, seed, padding=padding)
    assert torch.equal(plain, padded[:, : plain.shape[1]])


@unhurried
@given(batches, configs, seeds)
def test_time_masks_lie_inside_the_utterance_and_keep_their_bounds(lengths, config, seed):
    time = masked(lengths, replace(config, frequency_masks=0), seed).all(dim=-1)
    for length, row in zip(lengths, time, strict=True):
        most = ceil(length / 100 * config.time_masks_per_second)
        widest = min(config.time_mask_frames, int(length * config.time_mask_share))
        assert not row[length:].any()
        assert row.sum() <= most * widest


@unhurried
@given(batches, configs, seeds)
def test_frequency_masks_are_as_many_and_as_wide_as_they_may(lengths, config, seed):
    for row in masked(lengths, replace(config, time_masks_per_second=0), seed):
        assert not len(row) or (row == row[0]).all()  # the same band in every frame
        bands = runs(row[0]) if len(row) else []
        assert len(bands) <= config.frequency_masks
        assert sum(bands) <= config.frequency_masks * min(config.frequency_mask_bins, MELS)


def test_one_mask_is_as_wide_as_any_width_up_to_the_bound_and_stands_anywhere():
    config = AugmentConfig(time_masks_per_second=1, time_mask_frames=4, time_mask_share=1, frequency_masks=0)
    time = masked([100] * 3000, config, 0).all(dim=-1)  # one second: one mask
    widths = Counter(int(row.sum()) for row in time)
    assert sorted(widths) == [0, 1, 2, 3, 4]
    assert all(500 < count < 700 for count in widths.values())  # 600 expected, deviation 22
    hits = time[:, 5:95].sum(dim=0)  # each frame is masked in 2 of 98 to 101 places
    assert hits.min() > 25 and hits.max() < 100  # 60 expected, deviation 8


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, 0.8), (1.0, 1.5), (3.0, 0.8)])
def test_a_fraction_of_a_mask_is_a_chance(seconds, rate):
    """Masks of no frame or one, which seldom meet: half of them hide a frame."""
    config = AugmentConfig(time_masks_per_second=rate, time_mask_frames=1, time_mask_share=1, frequency_masks=0)
    found = masked([round(seconds * 100)] * 2000, config, 0).all(dim=-1).sum().item() / 2000
    assert found == pytest.approx(seconds * rate / 2, rel=0.1)


def test_masks_follow_each_utterances_own_length():
    """As much of a short utterance is hidden beside a long one as beside its like."""
    config = replace(TIME_ONLY, time_masks_per_second=2)
    alone = masked([50] * 1000, config, 0).all(dim=-1).float().mean()
    beside = masked([50, 400] * 1000, config, 1).all(dim=-1)[::2, :50].float().mean()
    assert alone == pytest.approx(0.1, abs=0.01) and beside == pytest.approx(0.1, abs=0.01)


def test_masked_values_are_zero_and_all_others_untouched():
    log_mel = torch.randn(2, 200, MELS)
    before = log_mel.clone()
    generator = torch.Generator().manual_seed(3)
    found = spec_augment(log_mel, torch.tensor([200, 90]), AugmentConfig(), frames_per_second=100, generator=generator)
    assert torch.equal(log_mel, before)
    hidden = found != log_mel
    assert hidden.any() and not found[hidden].any()


def test_nothing_to_do_is_nothing_done():
    nothing = AugmentConfig(time_masks_per_second=0, frequency_masks=0)
    assert not masked([100, 0, 1], nothing, 0).any()
    assert not masked([0, 0], TIME_ONLY, 0, padding=10).any()


def test_an_utterances_speed_depends_on_seed_epoch_and_name_alone():
    speeds = (0.9, 1.0, 1.1)
    names = [f"utterance {number}" for number in range(600)]
    drawn = {name: draw_speed(speeds, seed=0, epoch=3, utterance=name) for name in names}
    assert all(draw_speed(speeds, seed=0, epoch=3, utterance=name) == drawn[name] for name in reversed(names))
    for seed, epoch in ((1, 3), (0, 4)):
        other = [draw_speed(speeds, seed=seed, epoch=epoch, utterance=name) for name in names]
        assert 150 < sum(a == b for a, b in zip(other, drawn.values(), strict=True)) < 250  # 200 by chance
    assert all(150 < count < 250 for count in Counter(drawn.values()).values())


def test_speeds_are_the_same_on_every_machine():
    """Known answers: a run continued elsewhere must have the same features."""
    drawn = [draw_speed((0.9, 1.0, 1.1), seed=7, epoch=2, utterance=name) for name in "abcdef"]
    assert drawn == [1.1, 0.9, 0.9, 1.1, 0.9, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"speeds": ()}, "speeds must be one or more factors"),
        ({"speeds": (1.0, 2.5)}, r"speeds must lie in \[0.5, 2\], got \(1.0, 2.5\)"),
        ({"time_mask_share": 1.1}, r"time_mask_share must lie in \[0, 1\], got 1.1"),
        ({"time_masks_per_second": -1.0}, "time_masks_per_second must not be negative"),
        ({"noise": -90.0}, r"noise must lie in \[-80, 0\] dB, got -90.0"),
        ({"frequency_masks": -1}, "frequency_masks must not be negative, got -1"),
    ],
)
def test_settings_outside_their_range_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        AugmentConfig(**fields)


FREQUENCIES = torch.linspace(0.02, 0.98, MELS) ** 2  # not evenly spaced


def test_a_warp_by_one_changes_nothing():
    log_mel = torch.randn(3, 7, MELS, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp_frequencies(log_mel, FREQUENCIES, torch.ones(3)), log_mel)


@unhurried
@given(factors=st.lists(st.floats(0.7, 1.4), min_size=1, max_size=3))
def test_a_spectrum_moves_to_its_frequencies_times_the_factor_and_stays_at_the_top(factors):
    """Known for spectra that are straight lines over frequency.

    Interpolation between bins does not change them.
    """
    frequencies = torch.linspace(0.0, 1.0, 50, dtype=torch.float64)
    warped = warp_frequencies(frequencies.expand(len(factors), 2, 50), frequencies, torch.tensor(factors))
    for row, factor in zip(warped, factors, strict=True):
        moved = frequencies <= 0.6 * min(factor, 1.0)  # 4800 of 8000 Hz, as in the paper
        torch.testing.assert_close(row[0, moved], frequencies[moved] / factor, rtol=0, atol=1e-6)
        assert row[0, -1] == pytest.approx(1.0)
        assert (row[0].diff() > 0).all()
        assert torch.equal(row[0], row[1])


@pytest.mark.parametrize(("field", "value"), [("warp", 0.6), ("stretch", -0.1), ("filter", -1.0)])
def test_a_perturbation_out_of_range_is_named(field, value):
    with pytest.raises(ConfigError, match=rf"augment\.{field}"):
        AugmentConfig(**{field: value})


def frames(*lengths, seed=0):
    """(B, T, M), 0 at padded frames, and their lengths."""
    log_mel = torch.randn(len(lengths), max(lengths), MELS, generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor(lengths)
    return log_mel * (torch.arange(log_mel.shape[1]) < lengths[:, None])[..., None], lengths


@unhurried
@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=4), factor=st.floats(0.5, 2.0), seed=seeds)
@example(lengths=[55], factor=1.1, seed=0)
def test_stretching_keeps_the_ends_and_what_lies_between_them(lengths, factor, seed):
    """Known for straight lines over time, which interpolation between frames does not change."""
    ramp = torch.arange(max(lengths), dtype=torch.float64)[None, :, None].expand(len(lengths), -1, MELS)
    lengths = torch.tensor(lengths)
    ramp = ramp * (ramp < lengths[:, None, None])
    factors = torch.full((len(lengths),), factor)
    stretched, found = stretch_time(ramp, lengths, factors)
    exact = lengths * factors  # in float32, where 55 * 1.1 is a half
    for row, before, after, wanted in zip(stretched, lengths.tolist(), found.tolist(), exact.tolist(), strict=True):
        assert abs(after - wanted) <= 0.5 or (before > 0 and after == 1)
        expected = (
            torch.linspace(0, max(before - 1, 0), after, dtype=torch.float64) if after > 1 else torch.zeros(after)
        )
        torch.testing.assert_close(row[:after], expected[:, None].expand(-1, MELS).double(), rtol=0, atol=1e-6)
        assert (row[after:] == 0).all()


def test_stretching_by_one_changes_nothing_and_each_utterance_has_its_own_factor():
    log_mel, lengths = frames(30, 20)
    same, found = stretch_time(log_mel, lengths, torch.ones(2))
    assert torch.equal(found, lengths)
    torch.testing.assert_close(same, log_mel)
    _, found = stretch_time(log_mel, lengths, torch.tensor([0.5, 2.0]))
    assert found.tolist() == [15, 40]


def test_a_filter_adds_the_same_smooth_curve_of_bounded_gain_to_every_frame():
    """In dB; features were divided by each bin's deviation, and padding stays 0."""
    log_mel, lengths = frames(30, 20)
    deviation = torch.linspace(1, 3, MELS)
    config = replace(LIGHT, filter=6.0)
    draws = torch.Generator().manual_seed(0)
    rest = {"frequencies": FREQUENCIES, "mean": torch.zeros(MELS), "deviation": deviation}
    filtered = perturb_sound(log_mel, lengths, config, **rest, generator=draws)
    assert (filtered[1, 20:] == 0).all()
    gains = [(filtered[row, : lengths[row]] - log_mel[row, : lengths[row]]) * deviation * 4.342945 for row in (0, 1)]
    for gain in gains:
        torch.testing.assert_close(gain, gain[:1].expand_as(gain), rtol=0, atol=1e-4)
        assert 0.5 < gain.abs().max() <= 6.0 + 1e-4
        assert gain[0].diff().abs().max() <= 2 * 6.0 / (MELS - 1) * 4 + 1e-4  # four straight lines from end to end
    assert not torch.allclose(gains[0][0], gains[1][0])


def test_energies_of_sound_and_noise_add_up():
    """On average; and no frame becomes quieter."""
    log_mel = torch.linspace(-6, 0, MELS, dtype=torch.float64).repeat(2, 4000, 1)
    levels = torch.tensor([-2.0, -20.0])[:, None, None].expand(-1, -1, MELS).double()
    noisy = add_noise(log_mel, levels, torch.Generator().manual_seed(0))
    assert (noisy >= log_mel).all()
    added = (noisy.exp() - log_mel.exp()).mean(dim=(1, 2)) / levels[:, 0, 0].exp()
    torch.testing.assert_close(added, torch.ones(2).double(), rtol=0.02, atol=0)
    torch.testing.assert_close(noisy[1], log_mel[1], rtol=0, atol=1e-4)


def test_noise_in_features_has_the_mean_of_noise_in_samples_and_varies_no_less():
    """White noise beside a tone, each bin over time.

    A filter is wider than one line, so its output varies less.
    """
    config = FeatureConfig(sample_rate=8000, num_mels=40)
    features = LogMel(config)
    draws = torch.Generator().manual_seed(0)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(40 * 8000) / 8000)[None]
    white = torch.randn(tone.shape, generator=draws)
    length = torch.tensor([tone.shape[1]])
    in_samples = features(tone + 0.05 * white, length)[0][0]
    clean = features(tone, length)[0]
    noise = features(tone + 0.05 * white, length)[0].exp().mean(dim=1, keepdim=True) - clean.exp().mean(
        dim=1, keepdim=True
    )
    in_features = add_noise(clean, noise.clamp(min=1e-8).log(), draws)[0]
    heard = in_samples.mean(dim=0) > clean[0].mean(dim=0) + 1
    assert heard.sum() > 30  # all but those that the tone reaches
    found, expected = in_features.exp().mean(dim=0)[heard], in_samples.exp().mean(dim=0)[heard]
    torch.testing.assert_close(found / expected, torch.ones_like(found), rtol=0.1, atol=0)
    ratio = in_features.std(dim=0) / in_samples.std(dim=0)
    heard[0] = False  # in which part of the noise is taken for rumble
    assert float(ratio[heard].min()) > 1 and float(ratio[heard].max()) < 3


def test_noise_is_between_the_analysis_floor_and_the_loudest_that_is_allowed():
    """Silence takes on the noise's level, in dB.

    The loudest of its five points was drawn anew for each utterance.
    """
    silence, lengths = torch.full((200, 30, MELS), -80 / 4.342945), torch.full((200,), 30)
    rest = {"frequencies": FREQUENCIES, "mean": torch.zeros(MELS), "deviation": torch.ones(MELS)}
    draws = torch.Generator().manual_seed(0)
    noisy = perturb_sound(silence, lengths, replace(LIGHT, noise=-20.0), **rest, generator=draws)
    levels = noisy.exp().mean(dim=1).log() * 4.342945
    assert float(levels.min()) > -80 and float(levels.max()) < -20 + 3
    assert float(levels[:, 0].std()) > 10 and float(levels.mean()) == pytest.approx(-50, abs=3)


def test_half_of_the_utterances_are_lowered_as_beside_a_louder_voice_but_not_below_the_floor():
    """By 0 to 10 dB, drawn evenly, the same in all frames and bins."""
    speech, lengths = torch.full((400, 3, MELS), -40 / 4.342945), torch.full((400,), 3)
    speech[:, :, 0] = -75 / 4.342945
    rest = {"frequencies": FREQUENCIES, "mean": torch.full((MELS,), -9.0), "deviation": torch.full((MELS,), 3.0)}
    draws = torch.Generator().manual_seed(0)
    found = perturb_sound((speech + 9) / 3, lengths, replace(LIGHT, level=10.0), **rest, generator=draws)
    decibels = (found * 3 - 9) * 4.342945
    drops = -40 - decibels[:, 0, 1]
    torch.testing.assert_close(decibels[:, :, 1:], (-40 - drops)[:, None, None].expand(400, 3, MELS - 1))
    torch.testing.assert_close(decibels[:, :, 0], (-75 - drops).clamp(min=-80)[:, None].expand(400, 3))
    assert float((drops > 1e-3).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert 9 < float(drops.max()) < 10.001 and float(drops.min()) > -1e-3


def test_what_is_off_changes_nothing_and_draws_nothing():
    log_mel, lengths = frames(30, 20)
    draws = torch.Generator().manual_seed(0)
    before = draws.get_state()
    same, found = perturb_tempo(log_mel, lengths, LIGHT, draws)
    assert same is log_mel and found is lengths
    rest = {"frequencies": FREQUENCIES, "mean": torch.zeros(MELS), "deviation": torch.ones(MELS)}
    assert perturb_sound(log_mel, lengths, LIGHT, **rest, generator=draws) is log_mel
    assert torch.equal(draws.get_state(), before)


def test_padding_and_company_change_no_perturbed_frame():
    log_mel, lengths = frames(30, 20)
    config = AugmentConfig(stretch=0.3, warp=0.2, noise=-5.0, filter=6.0)
    rest = {"frequencies": FREQUENCIES, "mean": torch.zeros(MELS), "deviation": torch.ones(MELS)}

    def both(padding):
        draws = torch.Generator().manual_seed(3)
        padded = torch.nn.functional.pad(log_mel, (0, 0, 0, padding))
        stretched, ends = perturb_tempo(padded, lengths, config, draws)
        return perturb_sound(stretched, ends, config, **rest, generator=draws), ends

    (together, ends), (again, same_ends) = both(0), both(9)
    assert torch.equal(ends, same_ends)
    torch.testing.assert_close(again[:, : together.shape[1]], together)
    assert (again[:, together.shape[1] :] == 0).all()
