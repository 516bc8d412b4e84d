"""How much speech one needs: models of an eighth, a quarter, half and all of it; what more gives.

Error rates fall with the amount of speech like a power law with a floor (Hestness et al. 2017,
"Deep learning scaling is predictable, empirically"). Four points cannot tell the floor. So it is
drawn at random, as are the points within their intervals. What all these laws say of more speech is
stated as a range.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from asr.data.cuts import LazyCut, load_cuts, save_cuts, shuffled
from asr.errors import DataError
from asr.files import atomic
from asr.progress import SILENT, Progress
from asr.scoring.score import Score, summary_line
from asr.training.adapt import adapt
from asr.training.settings import TrainConfig
from asr.training.train import train
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber

SHARES = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1))
LEAST_UTTERANCES = 8
"""Of the smallest share."""
DRAWS = 2000
HIGHEST_FLOOR = 0.9
"""Of the lowest error rate that was measured."""

Teach = Callable[[Path, Path, Fraction], Score]
"""A folder of manifests, one for the model, the share of speech -> its score."""


@dataclass(frozen=True)
class Point:
    """What a model makes of so much speech."""

    minutes: float
    wer: float
    low: float
    high: float


@dataclass(frozen=True)
class Range:
    """What more speech would give."""

    minutes: float
    """Of speech in all."""
    low: float
    """Word error rates: of 95 % of the laws that fit."""
    high: float


def learning_curve(data: Path, out: Path, teach: Teach, progress: Progress = SILENT) -> list[Point]:
    """Train on shares of the speech, each within the next, and score each model.

    Args:
        data: folder of manifests.
        out: gets a folder for each share; what is finished there is not done again.
        teach: trains and scores.
        progress: who is told.

    Raises:
        DataError: if there is too little speech, or it cannot be read.
    """
    cuts = load_cuts(data / "train.jsonl.gz")
    if len(cuts) * SHARES[0] < LEAST_UTTERANCES:
        raise DataError(
            f"{data}: {len(cuts)} utterances are too few for a curve; at least {LEAST_UTTERANCES / SHARES[0]} are needed"
        )
    judged = {name: load_cuts(path) for name in ("dev", "test") if (path := data / f"{name}.jsonl.gz").is_file()}
    points = []
    for share in SHARES:
        some = _share(cuts, share)
        folder = out / f"{share.numerator}-{share.denominator}"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for name, part in {"train": some, **judged}.items():
            save_cuts(part, folder / "data" / f"{name}.jsonl.gz")
        minutes = sum(cut.duration for cut in some) / 60
        progress.say(f"{share} of the speech: {len(some)} utterances, {minutes:.1f} minutes")
        score = teach(folder / "data", folder / "model", share)
        progress.say(summary_line(f"{minutes:.1f} minutes", score))
        points.append(Point(minutes, score.wer.value, score.wer.low, score.wer.high))
    return points


def from_scratch(config: TrainConfig, progress: Progress = SILENT) -> Teach:
    """Train a model anew on each share; smaller ones get more epochs, as the root of the share."""

    def teach(data: Path, folder: Path, share: Fraction) -> Score:
        epochs = round(config.epochs / math.sqrt(share))
        best = train(replace(config, epochs=epochs), data, folder, progress)
        test = data / "test.jsonl.gz"
        cuts = load_cuts(test if test.is_file() else data / "dev.jsonl.gz")
        return evaluate(Transcriber.load(best, device=config.device), cuts, progress=progress).score

    return teach


def by_adapting(
    model: Path, *, general: Path | None = None, device: str = "auto", progress: Progress = SILENT
) -> Teach:
    """Adapt a model to each share."""

    def teach(data: Path, folder: Path, share: Fraction) -> Score:
        return adapt(data, model, folder, general=general, device=device, progress=progress).own[1]

    return teach


def extrapolated(points: Sequence[Point], minutes: Sequence[float], *, seed: int = 0) -> list[Range]:
    """Say what so much speech would give, with its uncertainty.

    Each draw takes an error rate of each point within its interval, a floor, and fits the rest by a
    power law: ln (WER - floor) = a - b ln minutes, b not negative.
    """
    draw = np.random.default_rng(seed)
    measured, least = np.log([p.minutes for p in points]), 1e-4
    spread = np.array([max(p.high - p.low, least) / 3.92 for p in points])
    wers = np.maximum([p.wer for p in points] + spread * draw.standard_normal((DRAWS, len(points))), least)
    floors = wers.min(axis=1, keepdims=True) * HIGHEST_FLOOR * draw.random((DRAWS, 1))
    logs, centre = np.log(wers - floors), measured.mean()
    slopes = np.minimum(0.0, (logs * (measured - centre)).sum(axis=1) / ((measured - centre) ** 2).sum())
    found = []
    for asked in minutes:
        wanted = floors[:, 0] + np.exp(logs.mean(axis=1) + slopes * (math.log(asked) - centre))
        low, high = np.quantile(wanted, (0.025, 0.975))
        found.append(Range(asked, float(low), float(high)))
    return found


def save_curve(points: Sequence[Point], ranges: Sequence[Range], folder: Path) -> None:
    """Write `curve.json` and `curve.png`.

    Raises:
        AsrError: if they cannot be written.
    """
    with atomic(folder / "curve.json") as path:
        content = {"points": [vars(point) for point in points], "more": [vars(found) for found in ranges]}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    minutes, wers = [p.minutes for p in points], 100 * np.array([p.wer for p in points])
    bars = [wers - [100 * p.low for p in points], [100 * p.high for p in points] - wers]
    axes.errorbar(minutes, wers, np.maximum(bars, 0), fmt="o-", color="tab:blue", capsize=3, label="measured")
    last = max(found.minutes for found in ranges)
    band = extrapolated(points, np.geomspace(minutes[0], max(last, minutes[-1]), 40).tolist())
    along = [found.minutes for found in band]
    low, high = ([100 * getattr(found, side) for found in band] for side in ("low", "high"))
    axes.fill_between(along, low, high, color="tab:orange", alpha=0.25, label="laws that fit, 95 %")
    axes.set(xscale="log", xlabel="minutes of speech", ylabel="WER %", ylim=(0, None))
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    with atomic(folder / "curve.png") as path:
        figure.savefig(path, format="png", dpi=110)


def _share(cuts: Sequence[LazyCut], share: Fraction) -> list[LazyCut]:
    """A share of the utterances, in a fixed random order: each share lies within a larger one."""
    return shuffled(cuts)[: round(len(cuts) * share)]
