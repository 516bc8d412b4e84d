"""A training run in its folder, from its first step or its last checkpoint to its end.

A run is a function of its settings and manifests. Every random draw is seeded by what it is for: a
speed factor by epoch and utterance, batches by epoch, masks and dropout by step. So a checkpoint
needs no generator's state. A run that was killed goes on from its last checkpoint and ends, on a
CPU, with the same weights bit for bit.
"""

import random
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import torch

from asr.audio.channel import distort
from asr.data.batches import Batch, load_batches, plan_batches, plan_pieces
from asr.data.cuts import LazyCut, perturb_speeds
from asr.errors import ConfigError, DataError, ModelError, TrainingError
from asr.files import locked
from asr.progress import Progress
from asr.recogniser.bundled import model_named
from asr.recogniser.model_folder import load_model, save_model
from asr.training.card import model_card
from asr.training.checkpoint import LAST, has_checkpoint, load_newest, save_checkpoint
from asr.training.claim import agree, claim, digest
from asr.training.goal import Goal
from asr.training.logbook import Logbook, Unwritten
from asr.training.position import Position, StepResult
from asr.training.selection import listed
from asr.training.settings import RunConfig
from asr.training.shortage import lacks_memory, shortage
from asr.training.trainer import Trainer
from asr.training.transfer import adopt
from asr.units import Seconds, clock
from asr.workers import choose_device

STATISTICS_SECONDS = 3600.0
"""Audio that the features' statistics are taken from, where there is as much."""
CHECKPOINTS = "checkpoints"
"""Their folder in a run's."""
LOG_EVERY = 10
"""Steps from one line of `metrics.jsonl` to the next."""


def usable_device(config: RunConfig) -> torch.device:
    """The device to train on.

    Raises:
        ConfigError: if there is none of that name, or it cannot compute with that precision.
    """
    device = choose_device(config.device)
    if config.precision == "float16" and device.type == "cpu":
        raise ConfigError("precision float16 needs a CUDA device; on a CPU use float32")
    return device


def run(
    trainer: Trainer,
    goal: Goal,
    train_cuts: Sequence[LazyCut],
    dev_cuts: Sequence[LazyCut],
    out: Path,
    progress: Progress,
) -> Path:
    """Begin a run, or go on with it, to its end.

    Args:
        trainer: fresh. Of several ranks only the first writes, or needs the folder.
        goal: what its epochs are judged by.
        train_cuts: utterances to learn from, from `selection`.
        dev_cuts: those that the goal uses; they must not change while a run lasts.
        out: run folder. It gets `config.json`, `metrics.jsonl`, `tensorboard/`, `curves.png`,
            `checkpoints/` (the last one and the one before) and `best/`.
        progress: who is told how far it is.

    Returns:
        The best model's folder, `out/best`.

    Raises:
        DataError: if audio of dev cannot be read, or too many training utterances cannot.
        ConfigError: if `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row, or for want of memory.
        KeyboardInterrupt: after SIGINT or SIGTERM, with its number; a checkpoint is written.
    """
    ranks = trainer.ranks
    try:
        utterances = digest(train_cuts, dev_cuts)
        agree(ranks, trainer.config, utterances)
        with locked(out) if ranks.first else nullcontext():
            state = ranks.once(partial(_prepare, trainer, train_cuts, utterances, out, progress))
            if not ranks.first:
                trainer.load_state(state)
            position = trainer.position
            if position.finished:
                progress.say(f"{out} is finished; its best model is of epoch {position.best_epoch}")
                return out / "best"
            progress.say(_plan(trainer, train_cuts))
            if trainer.recogniser.device.type == "cpu" and (note := ranks.misfit(trainer.workers.count, "--threads")):
                progress.say(note)
            kept = Logbook(out, step=position.step, epoch=position.epoch) if ranks.first else Unwritten()
            with trainer.stop, kept as logbook:
                Run(trainer, goal, train_cuts, out, logbook, progress).finish()
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise TrainingError(
            f"{trainer.recogniser.device} has too little memory, not in a step; free some, or lower --threads and --loaders"
        ) from None
    finally:
        trainer.workers.close()
    return out / "best"


def _prepare(
    trainer: Trainer, train_cuts: Sequence[LazyCut], utterances: str, out: Path, progress: Progress
) -> dict[str, Any]:
    """Bring the trainer to where the run stands: its last checkpoint, or its beginning.

    Returns:
        That state, for other ranks.
    """
    config, checkpoints, workers = trainer.config, out / CHECKPOINTS, trainer.num_workers
    begun = has_checkpoint(checkpoints)
    for note in claim(out, config, utterances, workers, begun=begun):
        progress.say(note)
    if begun:
        go_on(trainer, checkpoints, progress)
    else:
        if config.init is not None:
            other = load_model(model_named(config.init), untaught=True)
            taken = adopt(trainer.recogniser, other, statistics=config.keep_statistics)
            progress.say(f"init: {taken}")
        trainer.begin()
        if not config.keep_statistics:
            _fit_features(trainer, train_cuts, progress)
    return trainer.state()


def go_on(trainer: Trainer, checkpoints: Path, progress: Progress) -> None:
    """Bring a trainer to where the newest checkpoint that can be read was taken.

    Raises:
        ModelError: if there is none, or it is of another version of the program.
    """
    try:
        trainer.load_state(load_newest(checkpoints, progress))
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise ModelError(
            f"{checkpoints}: not of this version of the program; delete that folder to start over"
        ) from None


def _fit_features(trainer: Trainer, cuts: Sequence[LazyCut], progress: Progress) -> None:
    """Take the features' statistics from the training utterances, or a random part of them."""
    config, recogniser = trainer.config, trainer.recogniser
    drawn = random.Random(f"statistics {config.seed}").sample(cuts, len(cuts))
    until = bisect_left(list(accumulate(cut.duration for cut in drawn)), STATISTICS_SECONDS)
    plan = plan_batches(drawn[: until + 1], config.batch_seconds, seed=None)
    rate = config.features.sample_rate
    tokenizer, loaders = recogniser.tokenizer, config.loaders
    batches = load_batches(plan, tokenizer, sample_rate=rate, loaders=loaders, progress=progress)
    recogniser.features.fit((batch.waveforms, batch.num_samples) for batch in batches)


def _plan(trainer: Trainer, cuts: Sequence[LazyCut]) -> str:
    """What will be trained on what, in a line."""
    config, recogniser, position = trainer.config, trainer.recogniser, trainer.position
    tokens = recogniser.tokenizer.size
    return (
        f"{recogniser.num_parameters / 1e6:.1f} M parameters, {f'{tokens} tokens, ' if tokens > 1 else ''}"
        f"{len(cuts)} utterances of {sum(cut.duration for cut in cuts) / 60:.1f} minutes on {recogniser.device}"
        + (f", {trainer.ranks.count} processes" if trainer.ranks.count > 1 else "")
        + (f"; latency {1000 * recogniser.latency:.0f} ms" if config.bptt.mode == "chunked" else "")
        + (f"; going on from epoch {position.epoch}, batch {position.batch}" if position.step else "")
    )


@dataclass(frozen=True)
class Run:
    """A run under way: epochs of steps, each judged, until the last."""

    trainer: Trainer
    goal: Goal
    cuts: Sequence[LazyCut]
    """What is trained on."""
    folder: Path
    logbook: Logbook | Unwritten
    progress: Progress

    @property
    def config(self) -> RunConfig:
        return self.trainer.config

    @property
    def position(self) -> Position:
        return self.trainer.position

    def finish(self) -> None:
        """Train what is left.

        Raises:
            TrainingError: after too many non-finite steps in a row, or for want of memory.
            DataError: after too many utterances that cannot be read.
        """
        while not self.position.finished:
            self._train_epoch()
            self._save()
            self._judge_epoch()
            self._save()

    def _train_epoch(self) -> None:
        """Take the steps of an epoch that are not yet taken."""
        config, position, trainer = self.config, self.position, self.trainer
        plan = self._plan_epoch()
        batches = load_batches(
            [trainer.dealt(batch) for batch in plan[position.batch :]],
            trainer.recogniser.tokenizer,
            sample_rate=config.features.sample_rate,
            loaders=config.loaders,
            distort=partial(distort, share=config.augment.channel, seed=config.seed, epoch=position.epoch),
            skip=True,
            progress=self.progress,
        )
        now = saved = time.monotonic()
        with self.progress.bar(f"epoch {position.epoch + 1}", config.epochs * len(plan)) as bar:
            for group in _groups(batches, config.optimiser.accumulate):
                share = (position.epoch + position.batch / len(plan)) / config.epochs
                rate = config.optimiser.rate(share)
                result = self._step(group, rate, share)
                before, now = now, time.monotonic()
                position.count(result, len(group), now - before, clip=config.optimiser.clip)
                self._report_unreadable(result.unreadable)
                self._report(result, share, rate)
                bar.update(
                    position.epoch * len(plan) + position.batch,
                    f"epoch {position.epoch + 1}/{config.epochs}  loss {result.loss:.3f}  {position.speed:.0f} x real time",
                )
                if result.stop is not None:
                    trainer.ranks.once(self._save)
                    raise KeyboardInterrupt(result.stop)
                if now - saved >= config.checkpoint_every:
                    self._save()
                    saved = time.monotonic()

    def _plan_epoch(self) -> list[list[LazyCut]]:
        """Which utterances make which batch, in order, each at the speed that it draws."""
        config, epoch = self.config, self.position.epoch
        # Pieces of a recording are ordered before they are perturbed: their speed changes their
        # start.
        in_order = sorted(self.cuts, key=lambda cut: cut.start)
        perturbed = perturb_speeds(in_order, config.augment.speeds, seed=config.seed, epoch=epoch)
        planned = plan_pieces if config.bptt.carry else plan_batches
        return planned(perturbed, config.batch_seconds, seed=config.seed * 1_000_003 + epoch)

    def _step(self, group: Sequence[Batch], rate: float, share: float) -> StepResult:
        """Take a step; says which utterance memory did not suffice for."""
        trainer = self.trainer
        try:
            return trainer.step(group, rate, views=trainer.objective.views(share))
        except (RuntimeError, MemoryError) as error:
            if not lacks_memory(error) or not any(batch.ids for batch in group):
                raise
            raise shortage(self.config, trainer.recogniser.device, group) from None

    def _report_unreadable(self, faults: Sequence[str]) -> None:
        """Name the utterances of a step that are left out, and stop after too many in an epoch."""
        if not faults:
            return
        for fault in faults:
            self.progress.say(f"{fault}; it is left out")
        self.logbook.write("unreadable", self.position.step, utterances=faults)
        if self.position.unreadable > self.config.unreadable:
            raise DataError(
                f"{self.position.unreadable} utterances of this epoch cannot be read, the last: {faults[-1]}; "
                f"bring them back and repeat the command, or bear more of them with --unreadable"
            )

    def _report(self, result: StepResult, share: float, rate: float) -> None:
        """Write a step down, now and then or if it was skipped."""
        if result.overflow or not result.utterances:
            return  # nothing is wrong: so float16 finds its scale; or no step was taken
        if result.skipped:
            self._report_failure(result.utterances)
        elif self.position.step % LOG_EVERY == 1:
            self.logbook.write(
                "step",
                self.position.step,
                progress=share * self.config.epochs,
                loss=result.loss,
                gradient_norm=result.gradient_norm,
                **{f"gradient_norm_{part}": norm for part, norm in result.part_norms.items()},
                clip=self.config.optimiser.clip,
                learning_rate=rate,
            )

    def _report_failure(self, names: Sequence[str]) -> None:
        """Name the utterances of a step that is not finite, and stop after too many in a row."""
        position, shown = self.position, listed(names)
        self.logbook.write("skipped", position.step, utterances=names)
        self.progress.say(f"step {position.step} skipped: its loss or gradient is not finite (utterances {shown})")
        if position.failures >= self.config.failures:
            other = " or take precision bfloat16 or float32," if self.config.precision == "float16" else ""
            raise TrainingError(
                f"{position.failures} steps in a row had a loss or gradient that is not finite, the last on {shown}; "
                f"lower optimiser.learning_rate,{other} or look at these recordings (docs/problems.md#steps-that-are-not-finite)"
            )

    def _judge_epoch(self) -> None:
        """Judge the averaged model, and keep it if it is the best.

        Records the epoch, and decides whether it was the last.
        """
        config, position, trainer = self.config, self.position, self.trainer
        threads = torch.get_num_threads()
        torch.set_num_threads(max(threads, trainer.workers.count))  # whose cores are free now
        with trainer.stop.at_once():
            judgement = self.goal.judge()
        torch.set_num_threads(threads)
        better = position.judge(judgement)
        if better and trainer.ranks.first:
            card = model_card(trainer, self.cuts, self.goal.purpose, judgement.line)
            save_model(self.folder / "best", self.goal.recogniser, readme=card)
        epoch, loss = position.epoch + 1, position.mean_loss
        self.logbook.write(
            "epoch",
            position.step,
            epoch=epoch,
            train_loss=loss,
            **judgement.metrics,
            best=better,
            audio_per_second=position.speed,
            clipped_share=position.clipped / max(1, position.steps),
            skipped=position.skipped,
            infeasible=position.infeasible,
            unreadable=position.unreadable,
            seconds=position.seconds,
        )
        left: Seconds = position.seconds / epoch * (config.epochs - epoch)
        self.progress.say(
            f"epoch {epoch:3d}/{config.epochs}  {'no step was taken' if loss is None else f'loss {loss:.3f}'}  "
            f"{judgement.line}{' *' if better else ''}  {position.speed:.0f} x real time  "
            f"{clock(position.seconds)} trained, {clock(left)} left to train"
            + (f"  ({position.infeasible} utterances too short for their text)" if position.infeasible else "")
            + (f"  ({position.unreadable} utterances could not be read)" if position.unreadable else "")
        )
        stopped_early = config.patience is not None and position.stale >= config.patience
        position.finished = epoch == config.epochs or stopped_early
        if stopped_early and epoch < config.epochs:
            self.progress.say(
                f"training stops early: {position.stale} epochs in a row were no better (--patience {config.patience}); "
                f"the best is epoch {position.best_epoch}"
            )
        trainer.begin_epoch()

    def _save(self) -> None:
        if self.trainer.ranks.first:
            save_checkpoint(self.folder / CHECKPOINTS / LAST, self.trainer.state())


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """So many batches at a time."""
    while group := list(islice(batches, size)):
        yield group
