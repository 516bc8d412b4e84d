"""Recordings with transcripts -> how far confidences can be believed, and their calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.data.cuts import LazyCut
from asr.errors import DataError
from asr.files import atomic
from asr.progress import SILENT, Progress
from asr.recogniser.emissions import emitted
from asr.scoring.score import score
from asr.transcription.confidence import (
    BINS,
    Calibration,
    Platt,
    calibration_error,
    chance_error,
    fit,
    stretch_log_probs,
)
from asr.transcription.transcribe import Transcriber

LEAST_UTTERANCES = 10
FOLDS = 5


@dataclass(frozen=True)
class Outcomes:
    """Probabilities of what was decoded, and whether it was right."""

    log_probs: tuple[float, ...]
    correct: tuple[bool, ...]
    utterances: tuple[int, ...]
    """In which utterance, by number."""


@dataclass(frozen=True)
class Reliability:
    """Confidences as the model has them and calibrated ones, beside the truth."""

    name: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    correct: tuple[bool, ...]

    @property
    def errors(self) -> tuple[float, float, float]:
        """Calibration error before and after, and what luck alone would make of the latter."""
        return (
            calibration_error(self.before, self.correct),
            calibration_error(self.after, self.correct),
            chance_error(self.after),
        )


def outcomes(
    transcriber: Transcriber, cuts: Sequence[LazyCut], progress: Progress = SILENT
) -> tuple[Outcomes, Outcomes]:
    """Decode utterances, and tell which words are right, as the score aligns them.

    Returns:
        Outcomes of words, and of whole utterances, which are right if all their words are.

    Raises:
        DataError: if an utterance's audio cannot be read, there are fewer than ten, or no word is
            found in any.
    """
    if len(cuts) < LEAST_UTTERANCES:
        raise DataError(
            f"{len(cuts)} utterances are too few to calibrate on; take at least {LEAST_UTTERANCES}, better hundreds"
        )
    references: dict[str, str] = {}
    hypotheses: dict[str, str] = {}
    word_log_probs: dict[str, list[float]] = {}
    text_log_probs: dict[str, float] = {}
    for batch, emissions in emitted(transcriber.recogniser, cuts, "decoding", progress):
        scored = transcriber.scored(emissions.utterances(), batch.sounds())
        for utterance, text, one in zip(batch.ids, batch.texts, scored, strict=True):
            if not len(one.log_probs):
                continue
            decoded = transcriber.decode(one)
            spelling, size = decoded.spelling, len(decoded.spelling.words)
            stretches = [(0, size), *((number, number + 1) for number in range(size))]
            whole, *alone = stretch_log_probs(one.log_probs, spelling, decoded.spikes, stretches)
            references[utterance], hypotheses[utterance] = text, " ".join(word for word, _ in spelling.words)
            text_log_probs[utterance], word_log_probs[utterance] = whole, alone
    if not any(word_log_probs.values()):
        raise DataError("the model finds no word in these utterances; train it first")
    found = score(references, hypotheses).utterances
    marks = [[edit.kind == "equal" for edit in u.alignment if edit.kind != "deletion"] for u in found]
    words = Outcomes(
        tuple(p for u in found for p in word_log_probs[u.id]),
        tuple(mark for utterance in marks for mark in utterance),
        tuple(number for number, utterance in enumerate(marks) for _ in utterance),
    )
    texts = Outcomes(
        tuple(text_log_probs[u.id] for u in found),
        tuple(u.words.errors == 0 for u in found),
        tuple(range(len(found))),
    )
    return words, texts


def calibrated(words: Outcomes, utterances: Outcomes) -> Calibration:
    """Fit both sigmoids."""
    return Calibration(fit(words.log_probs, words.correct), fit(utterances.log_probs, utterances.correct))


def cross_validated(name: str, outcomes: Outcomes) -> Reliability:
    """Judge a fit by cross-validation: each fifth of the utterances by a fit to the other four."""
    fold = np.asarray(outcomes.utterances) % FOLDS
    fits = []
    for number in range(FOLDS):
        kept = np.flatnonzero(fold != number)
        fits.append(fit([outcomes.log_probs[n] for n in kept], [outcomes.correct[n] for n in kept]))
    after = tuple(fits[number](log_prob) for number, log_prob in zip(fold, outcomes.log_probs, strict=True))
    return Reliability(name, _untouched(outcomes), after, outcomes.correct)


def judged(name: str, outcomes: Outcomes, platt: Platt) -> Reliability:
    """Judge a fit on outcomes that it has not seen."""
    return Reliability(name, _untouched(outcomes), tuple(map(platt, outcomes.log_probs)), outcomes.correct)


def draw_reliability(reliabilities: Sequence[Reliability], path: Path) -> None:
    """Draw the share that is right against the confidence, and how many confidences there are."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(4.2 * len(reliabilities), 5.4), layout="constrained")
    rows = figure.subplots(2, len(reliabilities), sharex=True, squeeze=False, height_ratios=(3, 1))
    edges = np.linspace(0, 1, BINS + 1)
    for (axes, counts), reliability in zip(rows.T, reliabilities, strict=True):
        correct = np.asarray(reliability.correct, dtype=float)
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for label, confidences, colour, error in zip(
            ("before", "after"),
            (reliability.before, reliability.after),
            ("tab:gray", "tab:blue"),
            reliability.errors,
            strict=False,
        ):
            bins = np.minimum((np.asarray(confidences) * BINS).astype(int), BINS - 1)
            number = np.bincount(bins, minlength=BINS)
            used = number > 0
            sure, right = (np.bincount(bins, w, BINS)[used] / number[used] for w in (confidences, correct))
            spread = 1.96 * np.sqrt(sure * (1 - sure) / number[used])  # of a share whose true value is the confidence
            label = f"{label}: error {100 * error:.1f} %"
            axes.errorbar(sure, right, spread, fmt="o-", color=colour, linewidth=1.2, elinewidth=0.6, label=label)
            counts.stairs(number, edges, color=colour, fill=label.startswith("after"), alpha=0.6)
        axes.set(
            title=f"{reliability.name}, {len(correct):,}", ylabel="share that is right", xlim=(0, 1), ylim=(-0.02, 1.02)
        )
        axes.legend(loc="lower right", fontsize=8)
        axes.grid(alpha=0.3)
        counts.set(xlabel="confidence", ylabel="how many", yscale="symlog")
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _untouched(outcomes: Outcomes) -> tuple[float, ...]:
    return tuple(map(Platt(), outcomes.log_probs))
