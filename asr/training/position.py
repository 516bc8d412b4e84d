"""How far a run has come, and what its running epoch has summed up to."""

import math
from dataclasses import dataclass

from asr.training.goal import Judgement
from asr.units import Seconds

CLEARLY = 0.99
"""A loss below this share of the lowest one so far is no hair's breadth."""


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step found."""

    loss: float
    """Nats a token; not finite if the step was skipped for it."""
    tokens: int
    gradient_norm: float
    """Before clipping."""
    part_norms: dict[str, float]
    """Likewise, of the convolutions, each layer, and the output."""
    skipped: bool
    """Loss or gradient was not finite, and the weights were left as they were."""
    overflow: bool
    """It was skipped because gradients were too large for float16 at their scale.

    The scale was lowered for the next step.
    """
    infeasible: tuple[str, ...]
    """Utterances with too few frames for their tokens."""
    utterances: tuple[str, ...]
    """All that it was taken on."""
    audio: Seconds
    """Of them."""
    unreadable: tuple[str, ...] = ()
    """What is wrong with utterances that were left out. With no others, no step was taken."""
    stop: int | None = None
    """The signal that asks to end the run, if there was one."""


@dataclass
class Position:
    """How far a run has come: all that a checkpoint holds beside weights and optimiser."""

    epoch: int = 0
    """Finished epochs."""
    batch: int = 0
    """Batches used of the next epoch."""
    step: int = 0
    """Optimiser steps tried."""
    seconds: float = 0.0
    """Time spent in training, evaluation not counted."""
    best: tuple[float, ...] = (math.inf,)
    """The result by which the best epoch was chosen (`Judgement.result`)."""
    best_epoch: int = 0
    lowest: float = math.inf
    """Of the losses so far."""
    stale: int = 0
    """Epochs since the errors last fell, or the loss while no word was right."""
    finished: bool = False
    failures: int = 0
    """Non-finite steps in a row."""
    # Sums over the running epoch.
    loss: float = 0.0
    tokens: int = 0
    audio: float = 0.0
    epoch_seconds: float = 0.0
    steps: int = 0
    clipped: int = 0
    skipped: int = 0
    infeasible: int = 0
    unreadable: int = 0

    @property
    def mean_loss(self) -> float | None:
        """Nats a token over the epoch's steps; None if none was taken."""
        return self.loss / max(1, self.tokens) if self.steps > self.skipped else None

    @property
    def speed(self) -> float:
        """Seconds of audio a second."""
        return self.audio / max(self.epoch_seconds, 1e-9)

    def count(self, result: StepResult, batches: int, seconds: Seconds, *, clip: float) -> None:
        """Add a step to the sums.

        Args:
            result: what the step found.
            batches: how many it was taken on.
            seconds: how long it took.
            clip: the largest gradient norm.
        """
        self.batch += batches
        self.unreadable += len(result.unreadable)
        if not result.utterances:
            return
        self.step += 1
        self.steps += 1
        self.seconds += seconds
        self.epoch_seconds += seconds
        self.audio += result.audio
        self.infeasible += len(result.infeasible)
        self.skipped += result.skipped
        if result.skipped:
            self.failures += not result.overflow
            return
        self.failures = 0
        self.loss += result.loss * result.tokens
        self.tokens += result.tokens
        self.clipped += result.gradient_norm > clip

    def judge(self, judgement: Judgement) -> bool:
        """Hold the epoch's result against the best one; returns whether it is the new best.

        An epoch is stale unless the errors fall, or the loss clearly does, or does at all while no
        word is right. One in which nothing is decoded yet is not stale. A model with CTC gives
        nothing but blanks at first, however fast it learns.
        """
        errors, best = judgement.errors, tuple(self.best[: len(judgement.errors)])
        enough = 1.0 if judgement.untaught else CLEARLY
        if errors < best or judgement.loss < enough * self.lowest:
            self.stale = 0
        elif not (judgement.silent and errors == best):
            self.stale += 1
        self.lowest = min(self.lowest, judgement.loss)
        better = judgement.result < tuple(self.best)
        if better:
            self.best, self.best_epoch = judgement.result, self.epoch + 1
        return better

    def begin_epoch(self) -> None:
        """Count a finished epoch and clear the sums."""
        self.epoch += 1
        self.batch = self.tokens = self.steps = self.clipped = self.skipped = 0
        self.infeasible = self.unreadable = 0
        self.loss = self.audio = self.epoch_seconds = 0.0
