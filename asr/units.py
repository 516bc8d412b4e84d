"""Seconds, samples and frames, and the only places where one is rounded into another."""

from typing import TypeAlias

Seconds: TypeAlias = float
Samples: TypeAlias = int
Frames: TypeAlias = int


def seconds_to_samples(seconds: Seconds, sample_rate: int) -> Samples:
    """Round a time to the nearest sample (halves up)."""
    return int(seconds * sample_rate + 0.5)


def num_frames(num_samples: Samples, *, window: Samples, hop: Samples) -> Frames:
    """Count the whole analysis windows that fit in a waveform.

    No padding: a waveform shorter than one window has no frames. The only place where samples
    become frames.

    Args:
        num_samples: waveform length, in samples.
        window: analysis window, in samples (25 ms at 16 kHz is 400).
        hop: shift between windows, in samples (10 ms at 16 kHz is 160).

    Raises:
        ValueError: if `window` or `hop` is not positive.
    """
    if window <= 0 or hop <= 0:
        raise ValueError(f"window and hop must be positive, got {window} and {hop}")
    return 0 if num_samples < window else 1 + (num_samples - window) // hop


def subsampled(frames: Frames, factor: int) -> Frames:
    """Count the frames that are left when every `factor`-th is kept: ceil(frames / factor)."""
    return -(-frames // factor)


def clock(seconds: Seconds) -> str:
    """Write a time as minutes and seconds, with hours if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
