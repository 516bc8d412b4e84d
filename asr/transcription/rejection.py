"""Speech without commands -> the threshold below which a phrase is none; and what it misses.

Each sound, an utterance or what lies between two pauses, has one best phrase and its score. The
threshold is the least at which other speech has no more false accepts an hour than were asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.audio.reader import open_recording
from asr.data.cuts import LazyCut
from asr.decoding.commands import UNFITTED, Commands, Rejection
from asr.errors import ConfigError, DataError
from asr.files import atomic
from asr.model.labels import LogProbs
from asr.progress import SILENT, Progress, track
from asr.recogniser.emissions import emitted
from asr.text.grammar import Phrase
from asr.transcription.long import pieces
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

HOUR: Seconds = 3600.0
LOWEST = -1000.0
"""Score of a sound that is like no phrase at all."""


@dataclass(frozen=True)
class Heard:
    """The phrase that is most like a sound."""

    score: float
    phrase: Phrase | None
    said: Phrase | None = None
    """What was really said; none of other speech."""

    @property
    def is_right(self) -> bool:
        """Whether the phrase means what was said."""
        return self.phrase is not None and self.said is not None and self.phrase.meaning == self.said.meaning


@dataclass(frozen=True)
class Trial:
    """What becomes of commands and of other speech."""

    commands: tuple[Heard, ...]
    others: tuple[Heard, ...]
    seconds: Seconds
    """Of other speech."""

    def accepted(self, threshold: float) -> int:
        """Count false accepts of other speech."""
        return sum(sound.score >= threshold for sound in self.others)

    def missed(self, threshold: float) -> int:
        """Count commands that are rejected."""
        return sum(sound.score < threshold for sound in self.commands)

    def confused(self, threshold: float) -> int:
        """Count commands that are taken for others."""
        return sum(sound.score >= threshold and not sound.is_right for sound in self.commands)


def listen(transcriber: Transcriber, commands: Commands, cuts: Sequence[LazyCut], progress: Progress = SILENT) -> Trial:
    """Score utterances with transcripts: those that are commands, and others.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    sounds: list[Heard] = []
    seconds = 0.0
    rate = transcriber.recogniser.config.features.sample_rate
    for batch, emissions in emitted(transcriber.recogniser, cuts, "listening", progress):
        lengths = batch.num_samples.tolist()
        for text, size, log_probs in zip(batch.texts, lengths, emissions.utterances(), strict=True):
            sounds.append(_heard(commands, log_probs, commands.find(text)))
            seconds += size / rate if sounds[-1].said is None else 0.0
    said, others = (tuple(s for s in sounds if (s.said is not None) == spoken) for spoken in (True, False))
    return Trial(said, others, seconds)


def overhear(
    transcriber: Transcriber, commands: Commands, recordings: Sequence[Path], progress: Progress = SILENT
) -> Trial:
    """Score recordings that hold no command, piece by piece, as they would be transcribed.

    Raises:
        DataError: if one cannot be read.
    """
    rate = transcriber.recogniser.config.features.sample_rate
    sounds: list[Heard] = []
    seconds = 0.0
    for path in track(recordings, "listening", len(recordings), progress):
        with open_recording(path) as file:
            for piece in pieces(transcriber.recogniser, file.blocks(sample_rate=rate)):
                sounds.append(_heard(commands, transcriber.reader.scored(piece).log_probs))
                seconds += len(piece.waveform) / rate
    return Trial((), tuple(sounds), seconds)


def _heard(commands: Commands, log_probs: LogProbs, said: Phrase | None = None) -> Heard:
    best = next(iter(commands(log_probs)), None)
    return Heard(LOWEST, None, said) if best is None else Heard(max(best.score, LOWEST), best.phrase, said)


def fit_rejection(commands: Commands, trial: Trial, rate: float) -> Rejection:
    """Choose the least threshold with at most so many false accepts.

    Where other speech is too short for even one at that rate, the threshold is above all that was
    heard of it, and not below the usual one.

    Args:
        commands: what is listened for.
        trial: of other speech; commands in it do not count.
        rate: false accepts an hour.

    Raises:
        ConfigError: if the rate is no positive number.
        DataError: if there is no other speech.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise ConfigError(f"false accepts an hour must be a positive number, got {rate}")
    if not trial.others:
        raise DataError("there is no speech without commands here; the threshold is fitted to such")
    allowed = math.floor(rate * trial.seconds / HOUR)
    scores = sorted((sound.score for sound in trial.others), reverse=True)
    threshold = math.nextafter(scores[allowed], math.inf) if allowed < len(scores) else scores[-1]
    if not allowed:
        threshold = max(threshold, UNFITTED.threshold)
    return Rejection(threshold, rate, trial.accepted(threshold), trial.seconds, commands.digest)


def rate_limit(accepted: int, seconds: Seconds) -> float:
    """Bound the false accepts an hour from above, with 95 % confidence (exact, Garwood 1936).

    Args:
        accepted: how many were heard.
        seconds: of speech.
    """
    low, high = 0.0, 10.0 * (accepted + 3)
    while high - low > 1e-6 * high:
        mean = (low + high) / 2
        at_most = sum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(accepted + 1))
        low, high = (mean, high) if at_most > 0.05 else (low, mean)
    return high * HOUR / seconds


def draw_rejection(trial: Trial, threshold: float, path: Path) -> None:
    """Draw the share of commands that is missed or confused against false accepts an hour."""
    import matplotlib.figure

    others = np.sort([sound.score for sound in trial.others])[::-1]
    figure = matplotlib.figure.Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.subplots()
    share, hours = 100 / max(1, len(trial.commands)), trial.seconds / HOUR
    points = [(n / hours, share * _failed(trial, math.nextafter(score, math.inf))) for n, score in enumerate(others)]
    axes.step(*zip(*points, strict=True), where="post", color="tab:blue")
    axes.plot(trial.accepted(threshold) / hours, share * _failed(trial, threshold), "o", color="tab:red")
    axes.set(
        xlabel=f"false accepts an hour, {hours:.1f} hours of other speech",
        ylabel=f"% of {len(trial.commands):,} commands missed or confused",
        xscale="symlog",
        xlim=(0, None),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _failed(trial: Trial, threshold: float) -> int:
    return trial.missed(threshold) + trial.confused(threshold)
