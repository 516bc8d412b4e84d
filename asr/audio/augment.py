"""Augmentation that can be repeated: a draw's seed names its epoch and utterance, or its step."""

import hashlib
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.audio.features import DYNAMIC_RANGE
from asr.config import NOT_NEGATIVE, between, check
from asr.errors import ConfigError

FILTER_POINTS = 5
"""Places, from the lowest mel bin to the highest, at which a filter's gain is drawn."""
NEPER = 10 / math.log(10)
"""A nat of energy, in dB."""
QUIETEST = NEPER * math.log(DYNAMIC_RANGE)
"""Level of noise, in dB relative to the loudest sound, that features take for silence."""
WARPED = 0.6
"""Share of the frequencies, from 0, that a warp multiplies; the others make room for them."""


@dataclass(frozen=True)
class AugmentConfig:
    """How training data are perturbed.

    Speed perturbation (Ko et al. 2015), time stretching (Nguyen et al. 2020), vocal tract length
    perturbation (Jaitly & Hinton 2013), noise, filters (FilterAugment, Nam et al. 2022) and
    SpecAugment's masks (Park et al. 2019; adaptive in time: Park et al. 2020).

    Raises:
        ConfigError: if a field is outside its range.
    """

    speeds: tuple[float, ...] = (0.85, 0.925, 1.0, 1.075, 1.15)
    """Speed factors, of which each utterance draws one anew in each epoch; pitch follows speed."""
    stretch: float = 0.2
    """Largest change of an utterance's length, as a share of it, pitch unchanged."""
    warp: float = 0.1
    """Largest change of frequencies, as a share of them, as of longer and shorter vocal tracts."""
    filter: float = 6.0
    """Largest gain or loss, in dB, of a filter that imitates other rooms and microphones."""
    noise: float = QUIETEST
    """Loudest noise added, in dB relative to the loudest sound. At -80 dB it counts as silence."""
    level: float = 10.0
    """Most that a louder voice nearby lowers an utterance, in dB; half of them are lowered."""
    channel: float = 0.3
    """Share of the utterances that go through rooms, noise, hum, codecs or telephone lines."""
    time_masks_per_second: float = 0.8
    """Time masks for one second of audio; the fraction that is left is a chance of one more."""
    time_mask_frames: int = 25
    """Longest time mask, in input frames."""
    time_mask_share: float = 0.2
    """Longest time mask, as a share of the utterance."""
    frequency_masks: int = 2
    """Frequency masks of each utterance."""
    frequency_mask_bins: int = 20
    """Widest frequency mask, in mel bins."""

    def __post_init__(self) -> None:
        if not self.speeds:
            raise ConfigError("augment.speeds must be one or more factors, got ()")
        check(
            self,
            "augment",
            speeds=between(0.5, 2),
            stretch=between(0, 0.5),
            warp=between(0, 0.5),
            filter=NOT_NEGATIVE,
            noise=between(QUIETEST, 0, unit="dB"),
            level=NOT_NEGATIVE,
            channel=between(0, 1),
            time_masks_per_second=NOT_NEGATIVE,
            time_mask_frames=NOT_NEGATIVE,
            time_mask_share=between(0, 1),
            frequency_masks=NOT_NEGATIVE,
            frequency_mask_bins=NOT_NEGATIVE,
        )


LIGHT = AugmentConfig(speeds=(0.9, 1.0, 1.1), stretch=0.0, warp=0.0, filter=0.0, level=0.0, channel=0.1)
"""Little change, for trainings that are over after few steps."""


def draw_speed(speeds: tuple[float, ...], *, seed: int, epoch: int, utterance: str) -> float:
    """Choose an utterance's speed factor for an epoch."""
    drawn = hashlib.blake2b(f"speed {seed} {epoch} {utterance}".encode(), digest_size=8).digest()
    return speeds[int.from_bytes(drawn, "big") * len(speeds) >> 64]


def perturb_tempo(
    log_mel: Tensor, lengths: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Give each utterance another tempo, where the settings ask for it.

    Args:
        log_mel: (B, T, M).
        lengths: (B,), valid frames.
        config: how much.
        generator: source of the draws, on the CPU.

    Returns:
        (B, T', M), 0 at padded frames, and (B,).
    """
    if not config.stretch:
        return log_mel, lengths
    return stretch_time(log_mel, lengths, 1 + config.stretch * _draw(generator, len(log_mel)))


def perturb_sound(
    log_mel: Tensor,
    lengths: Tensor,
    config: AugmentConfig,
    *,
    frequencies: Tensor,
    mean: Tensor,
    deviation: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Give each utterance another vocal tract, noise, room and level, as the settings ask for them.

    No frame moves.

    Args:
        log_mel: (B, T, M), normalised, 0 at padded frames.
        lengths: (B,), valid frames.
        config: how much.
        frequencies: (M,), of the bins, rising, in any unit.
        mean: (M,), which was taken from nats relative to the loudest sound.
        deviation: (M,), by which they were divided then.
        generator: source of the draws, on the CPU.

    Returns:
        (B, T, M), 0 at padded frames.
    """
    count = len(log_mel)
    if config.warp:
        log_mel = warp_frequencies(log_mel, frequencies, 1 + config.warp * _draw(generator, count))
    if config.noise > QUIETEST:
        levels = QUIETEST + (config.noise - QUIETEST) * (_draw(generator, count, FILTER_POINTS) + 1) / 2
        energy = log_mel * deviation + mean
        log_mel = (add_noise(energy, _curves(levels, len(mean)) / NEPER, generator) - mean) / deviation
    if config.filter:
        gains = config.filter * _draw(generator, count, FILTER_POINTS)
        log_mel = log_mel + _curves(gains, len(deviation)).to(log_mel) / (NEPER * deviation)
    if config.level:
        drops = config.level * _draw(generator, count, 1, 1).clamp(min=0)
        log_mel = lower(log_mel * deviation + mean, drops / NEPER)
        log_mel = (log_mel - mean) / deviation
    if config.noise > QUIETEST or config.filter or config.level:
        valid = torch.arange(log_mel.shape[1], device=log_mel.device) < lengths[:, None]
        log_mel = log_mel * valid[..., None]
    return log_mel


def stretch_time(log_mel: Tensor, lengths: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Make each utterance longer by its factor; what would lie between two frames is interpolated.

    Args:
        log_mel: (B, T, M).
        lengths: (B,), valid frames.
        factors: (B,), above 0.

    Returns:
        (B, T', M), 0 at padded frames, and (B,), at least 1 where it was.
    """
    factors = factors.to(lengths.device)
    stretched = torch.maximum((lengths * factors).round().long(), lengths.clamp(max=1))
    time = torch.arange(int(stretched.max()) if len(stretched) else 0, device=lengths.device)
    last = (lengths - 1).clamp(min=0)[:, None]
    ends = (stretched - 1).clamp(min=1)[:, None]
    places = (time * last.double() / ends).minimum(last.double())  # the first and last frames stay first and last
    below = places.long()
    rows = torch.arange(len(log_mel), device=lengths.device)[:, None]
    share = (places - below).unsqueeze(-1).to(log_mel)
    frames = torch.lerp(log_mel[rows, below], log_mel[rows, torch.minimum(below + 1, last)], share)
    return frames * (time < stretched[:, None])[..., None], stretched


def warp_frequencies(log_mel: Tensor, frequencies: Tensor, factors: Tensor) -> Tensor:
    """Move each utterance's spectrum along the frequency axis, from f to f times its factor.

    The uppermost part is squeezed or stretched instead (Jaitly & Hinton 2013), so that the highest
    frequency stays in its place. Values between two bins are interpolated.

    Args:
        log_mel: (B, T, M).
        frequencies: (M,), of the bins, rising, in any unit.
        factors: (B,), above 0.

    Returns:
        (B, T, M).
    """
    frequencies, factors = frequencies.double(), factors.double().to(frequencies.device)[:, None]
    top = frequencies[-1]
    # Up to the knee frequencies are multiplied; the rest makes room.
    knee = WARPED * factors.clamp(max=1.0) * top
    squeezed = top - (top - frequencies) * (top - knee / factors) / (top - knee)
    sources = torch.where(frequencies <= knee, frequencies / factors, squeezed)
    above = torch.searchsorted(frequencies, sources).clamp(1, len(frequencies) - 1)
    below = frequencies[above - 1]
    places = above - 1 + (sources - below) / (frequencies[above] - below)
    bins = torch.arange(len(frequencies), device=places.device)
    weights = (1 - (bins[:, None] - places.clamp(0, len(bins) - 1)[:, None, :]).abs()).clamp(min=0)  # (B, from, to)
    return torch.bmm(log_mel, weights.to(log_mel))


def add_noise(log_mel: Tensor, levels: Tensor, generator: torch.Generator) -> Tensor:
    """Add stationary noise to each utterance: energies of independent sounds add up.

    After Moreno et al. (1996). In each frame and bin the noise's energy is drawn from the
    exponential distribution, as of one line of the spectrum of Gaussian noise. A mel filter has
    several lines in it, and varies somewhat less.

    Args:
        log_mel: (B, T, M), in nats, relative to any level.
        levels: (B, 1, M), of the noise's mean energy, in nats relative to the same.
        generator: source of the draws, on the CPU.

    Returns:
        (B, T, M).
    """
    count, num_frames, num_mels = log_mel.shape
    # Frame by frame, so that padding changes no draw.
    draws = torch.empty(num_frames, count, num_mels).exponential_(generator=generator).log().transpose(0, 1)
    return torch.logaddexp(log_mel, levels.to(log_mel) + draws.to(log_mel))


def lower(log_mel: Tensor, drops: Tensor) -> Tensor:
    """Make each utterance quieter beside its level, as where a louder voice stands next to it.

    Args:
        log_mel: (B, T, M), in nats, relative to the level.
        drops: (B, 1, 1), in nats, not negative.

    Returns:
        (B, T, M), where it stays above the floor of the analysis.
    """
    return (log_mel - drops.to(log_mel)).clamp(min=math.log(DYNAMIC_RANGE))


def _draw(generator: torch.Generator, *shape: int) -> Tensor:
    """Numbers between -1 and 1."""
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


def _curves(points: Tensor, bins: int) -> Tensor:
    """(B, n) -> (B, 1, bins): straight lines between n points at equal distances."""
    return F.interpolate(points.unsqueeze(1), size=bins, mode="linear", align_corners=True)


def spec_augment(
    log_mel: Tensor, lengths: Tensor, config: AugmentConfig, *, frames_per_second: float, generator: torch.Generator
) -> Tensor:
    """Set random stretches of time and bands of frequency to 0, the mean of normalised features.

    Unlike torchaudio's masks these know each utterance's length. Their number and width follow it,
    and none is spent on padding.

    Args:
        log_mel: (B, T, M).
        lengths: (B,), valid frames.
        config: how many masks, how wide.
        frames_per_second: input frames in a second.
        generator: source of the draws, on the CPU.

    Returns:
        (B, T, M), a copy.
    """
    _, num_frames, num_mels = log_mel.shape
    frames = lengths.cpu().double()
    expected = frames / frames_per_second * config.time_masks_per_second
    widest = torch.minimum(torch.tensor(float(config.time_mask_frames)), (frames * config.time_mask_share).floor())
    masked = _random_stretches(num_frames, frames, expected, widest, generator).unsqueeze(-1)
    bins = torch.full_like(frames, num_mels)
    bands = torch.full_like(frames, config.frequency_masks)
    widest = torch.full_like(frames, min(config.frequency_mask_bins, num_mels))
    masked = masked | _random_stretches(num_mels, bins, bands, widest, generator).unsqueeze(1)
    return log_mel.masked_fill(masked.to(log_mel.device), 0.0)


def _random_stretches(
    size: int, extents: Tensor, expected: Tensor, widest: Tensor, generator: torch.Generator
) -> Tensor:
    """(B, size) bool: in each row about `expected` stretches of 0 to `widest` places.

    All lie within the first `extents` places.
    """
    draw = torch.rand(len(extents), generator=generator, dtype=torch.float64)
    counts = (expected + draw).floor()
    most = int(counts.max().item()) if len(counts) else 0
    draws = torch.rand(2, len(extents), most, generator=generator, dtype=torch.float64)
    widths = (draws[0] * (widest[:, None] + 1)).floor().minimum(extents[:, None])
    starts = (draws[1] * (extents[:, None] - widths + 1)).floor()
    active = torch.arange(most) < counts[:, None]
    places = torch.arange(size)[None, None]
    inside = (places >= starts[..., None]) & (places < (starts + widths)[..., None]) & active[..., None]
    return inside.any(dim=1)
