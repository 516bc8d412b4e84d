"""Which utterances can be trained on."""

from collections.abc import Sequence
from itertools import accumulate

from asr.data.cuts import LazyCut, shuffled
from asr.errors import DataError
from asr.model.labels import minimum_frames
from asr.progress import Progress
from asr.text.tokenizer import Tokenizer
from asr.training.settings import RunConfig, TrainConfig
from asr.units import Frames, Seconds, num_frames, seconds_to_samples, subsampled

NAMED = 5
"""Utterances that a message names."""


def long_enough(cuts: Sequence[LazyCut], config: RunConfig, progress: Progress) -> list[LazyCut]:
    """Leave out what has no whole analysis window at the fastest speed.

    Raises:
        DataError: if nothing is left.
    """
    fastest = max(config.augment.speeds)
    kept = [cut for cut in cuts if _frames(cut.duration / fastest, config) >= 1]
    if len(kept) < len(cuts):
        progress.say(f"{len(cuts) - len(kept)} utterances are shorter than an analysis window and are left out")
    if not kept:
        raise DataError(
            "no training utterance is as long as an analysis window; are these the right recordings? "
            "(docs/problems.md#nothing-to-train-on)"
        )
    return kept


def fitting(cuts: Sequence[LazyCut], tokenizer: Tokenizer, config: TrainConfig, progress: Progress) -> list[LazyCut]:
    """Leave out utterances whose tokens no CTC path spells in the model's frames at plain speed.

    A faster copy of one that fits may not fit; it has no loss in that step, and is counted.

    Raises:
        DataError: if nothing is left.
    """
    kept: list[LazyCut] = []
    tight: list[str] = []
    for cut in cuts:
        frames = subsampled(_frames(cut.duration, config), config.acoustic.subsampling)
        if minimum_frames(tokenizer.encode(cut.text)) <= frames:
            kept.append(cut)
        else:
            tight.append(cut.id)
    if tight:
        progress.say(f"{len(tight)} utterances too short for their text are left out of training: {listed(tight)}")
    if not kept:
        raise DataError(
            "every training utterance is too short for its transcript; do recordings and transcripts belong together? "
            "(docs/problems.md#nothing-to-train-on)"
        )
    return kept


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _frames(seconds: Seconds, config: RunConfig) -> Frames:
    """Analysis windows in so much audio."""
    features = config.features
    samples = seconds_to_samples(seconds, features.sample_rate)
    return num_frames(samples, window=features.window_samples, hop=features.hop_samples)


def some(cuts: Sequence[LazyCut], seconds: Seconds) -> list[LazyCut]:
    """Choose utterances of so much speech at most, the same ones every day."""
    order = shuffled(cuts)
    totals = accumulate(cut.duration for cut in order)
    return [cut for cut, total in zip(order, totals, strict=True) if total <= seconds]
