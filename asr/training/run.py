"""A training run in its folder, from its first step or its last checkpoint to its end.

A run is a function of its settings and manifests. Every random draw is seeded by what it is for (the epoch and
utterance of a speed factor, the epoch of the batches, the step of masks and dropout), so a checkpoint needs no
generator's state, and a run that was killed goes on from its last checkpoint and ends, on a CPU, with the same weights
bit for bit.
"""

import dataclasses
import hashlib
import json
import random
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Protocol

import torch
from lhotse.cut import Cut

from asr.audio.channel import distort
from asr.config import differences, from_dict, to_dict
from asr.data.batches import Batch, load_batches, plan_batches, plan_pieces
from asr.data.cuts import perturb_speeds, text_of
from asr.errors import ConfigError, DataError, ModelError, TrainingError
from asr.files import atomic, locked
from asr.progress import Progress
from asr.recogniser.model_folder import load_model
from asr.training.checkpoint import load_checkpoint, save_checkpoint
from asr.training.logbook import Logbook
from asr.training.settings import RunConfig
from asr.training.trainer import Position, StepResult, Trainer
from asr.training.transfer import adopt
from asr.units import Frames, Seconds, num_frames, seconds_to_samples
from asr.workers import choose_device

STATISTICS_SECONDS = 3600.0
"""Audio that the features' statistics are taken from, where there is as much."""
LOG_EVERY = 10
"""Steps from one line of `metrics.jsonl` to the next."""


@dataclass(frozen=True)
class Judgement:
    """What an epoch was worth, on utterances that are not trained on."""

    result: tuple[float, ...]
    """Less is better; the later numbers decide where the earlier ones are equal."""
    metrics: dict[str, float]
    """For `metrics.jsonl`."""
    line: str
    """For people."""


class Goal(Protocol):
    """What a run is for: how its averaged model is judged, and how it is kept."""

    def judge(self) -> Judgement:
        """Try the averaged model on dev."""

    def keep(self, judgement: Judgement) -> None:
        """Write the averaged model, the best up to now, to the run's `best/`."""


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
    trainer: Trainer, goal: Goal, train_cuts: Sequence[Cut], dev_cuts: Sequence[Cut], out: Path, progress: Progress
) -> Path:
    """Begin a run, or go on with it, to its end.

    Args:
        trainer: fresh.
        goal: what its epochs are judged by.
        train_cuts: utterances to learn from, from `trainable`.
        dev_cuts: those that the goal uses; they must not change while a run lasts.
        out: run folder; gets `config.json`, `metrics.jsonl`, `tensorboard/`, `curves.png`, `checkpoints/last.pt` and `best/`.
        progress: who is told how far it is.

    Returns:
        The best model's folder, `out/best`.

    Raises:
        DataError: if audio cannot be read.
        ConfigError: if `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row.
    """
    try:
        with locked(out):
            _run(trainer, goal, train_cuts, dev_cuts, out, progress)
    finally:
        trainer.workers.close()
    return out / "best"


def _run(
    trainer: Trainer, goal: Goal, train_cuts: Sequence[Cut], dev_cuts: Sequence[Cut], out: Path, progress: Progress
) -> None:
    config, recogniser = trainer.config, trainer.recogniser
    checkpoint = out / "checkpoints" / "last.pt"
    workers = trainer.workers.count
    before = _claim(out, config, _digest(train_cuts, dev_cuts), workers, begun=checkpoint.is_file())
    if before != workers:
        progress.say(
            f"{out} was begun by {before} CPU workers and goes on with {workers}: its weights will differ in their last bits "
            f"from those of an undisturbed run; --threads {before} avoids it"
        )
    if checkpoint.is_file():
        try:
            trainer.load_state(load_checkpoint(checkpoint))
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise ModelError(f"{checkpoint}: is not of this version of the program; delete it to start over") from None
    else:
        if config.init is not None:
            adopt(recogniser, load_model(Path(config.init), untaught=True))
        trainer.begin()
        _fit_features(trainer, train_cuts)
    position = trainer.position
    if position.finished:
        progress.say(f"{out} is finished; its best model is of epoch {position.best_epoch}")
        return
    tokens = recogniser.tokenizer.size
    progress.say(
        f"{recogniser.num_parameters / 1e6:.1f} M parameters, {f'{tokens} tokens, ' if tokens > 1 else ''}"
        f"{len(train_cuts)} utterances of {sum(cut.duration for cut in train_cuts) / 60:.1f} minutes on {recogniser.device}"
        + (f"; latency {1000 * recogniser.latency:.0f} ms" if config.bptt.mode == "chunked" else "")
        + (f"; going on from epoch {position.epoch}, batch {position.batch}" if position.step else "")
    )
    logbook = Logbook(out, step=position.step, epoch=position.epoch)
    try:
        while not trainer.position.finished:
            _train_epoch(trainer, train_cuts, logbook, checkpoint, progress)
            _finish_epoch(trainer, goal, logbook, progress)
            save_checkpoint(checkpoint, trainer.state())
    except torch.OutOfMemoryError:
        raise TrainingError(f"{recogniser.device} has too little memory for a batch; lower --batch-seconds") from None
    finally:
        logbook.close()


def _fit_features(trainer: Trainer, cuts: Sequence[Cut]) -> None:
    """Take the features' statistics from the training utterances, or from enough of them drawn at random."""
    config, recogniser = trainer.config, trainer.recogniser
    drawn = random.Random(f"statistics {config.seed}").sample(cuts, len(cuts))
    until = bisect_left(list(accumulate(cut.duration for cut in drawn)), STATISTICS_SECONDS)
    plan = plan_batches(drawn[: until + 1], config.batch_seconds, seed=None)
    rate = config.features.sample_rate
    batches = load_batches(plan, recogniser.tokenizer, sample_rate=rate, loaders=config.loaders)
    recogniser.features.fit((batch.waveforms, batch.num_samples) for batch in batches)


def _train_epoch(trainer: Trainer, cuts: Sequence[Cut], logbook: Logbook, checkpoint: Path, progress: Progress) -> None:
    """Take the steps of an epoch that are not yet taken."""
    config, position = trainer.config, trainer.position
    in_order = sorted(
        cuts, key=lambda cut: cut.start
    )  # of the pieces of a recording; its speed changes where they start
    perturbed = perturb_speeds(in_order, config.augment.speeds, seed=config.seed, epoch=position.epoch)
    planned = plan_pieces if config.bptt.carry else plan_batches
    plan = planned(perturbed, config.batch_seconds, seed=config.seed * 1_000_003 + position.epoch)
    batches = load_batches(
        plan[position.batch :],
        trainer.recogniser.tokenizer,
        sample_rate=config.features.sample_rate,
        loaders=config.loaders,
        distort=partial(distort, share=config.augment.channel, seed=config.seed, epoch=position.epoch),
    )
    now = saved = time.monotonic()
    with progress.bar(f"epoch {position.epoch + 1}", config.epochs * len(plan)) as bar:
        while group := list(islice(batches, config.optimiser.accumulate)):
            share = (position.epoch + position.batch / len(plan)) / config.epochs
            rate = config.optimiser.rate(share)
            result = trainer.step(group, rate, views=trainer.objective.views(share))
            before, now = now, time.monotonic()
            _count(position, group, result, now - before, config)
            if result.skipped:
                _report_failure(position, group, config, logbook, progress)
            elif position.step % LOG_EVERY == 1:
                logbook.write(
                    "step",
                    position.step,
                    progress=share * config.epochs,
                    loss=result.loss,
                    gradient_norm=result.gradient_norm,
                    **{f"gradient_norm_{part}": norm for part, norm in result.part_norms.items()},
                    clip=config.optimiser.clip,
                    learning_rate=rate,
                )
            speed = position.audio / max(position.epoch_seconds, 1e-9)
            description = f"epoch {position.epoch + 1}/{config.epochs}  loss {result.loss:.3f}  {speed:.0f} x real time"
            bar.update(position.epoch * len(plan) + position.batch, description)
            if now - saved >= config.checkpoint_every:
                save_checkpoint(checkpoint, trainer.state())
                saved = time.monotonic()


def _finish_epoch(trainer: Trainer, goal: Goal, logbook: Logbook, progress: Progress) -> None:
    """Judge the averaged model, keep it if it is the best, record the epoch, and decide whether it was the last."""
    config, position = trainer.config, trainer.position
    threads = torch.get_num_threads()
    torch.set_num_threads(max(threads, trainer.workers.count))  # whose cores are free now
    judgement = goal.judge()
    torch.set_num_threads(threads)
    epoch = position.epoch + 1
    position.stale = 0 if judgement.result[0] < position.best[0] else position.stale + 1
    better = judgement.result < tuple(position.best)
    if better:
        position.best, position.best_epoch = judgement.result, epoch
        goal.keep(judgement)
    speed = position.audio / max(position.epoch_seconds, 1e-9)
    loss = position.loss / max(1, position.tokens)
    logbook.write(
        "epoch",
        position.step,
        epoch=epoch,
        train_loss=loss,
        **judgement.metrics,
        best=better,
        audio_per_second=speed,
        clipped_share=position.clipped / max(1, position.steps),
        skipped=position.skipped,
        infeasible=position.infeasible,
        seconds=position.seconds,
    )
    left = position.seconds / epoch * (config.epochs - epoch)
    progress.say(
        f"epoch {epoch:3d}/{config.epochs}  loss {loss:.3f}  {judgement.line}{' *' if better else ''}  {speed:.0f} x real time  "
        f"{clock(position.seconds)} trained, {clock(left)} left to train"
        + (f"  ({position.infeasible} utterances too short for their text)" if position.infeasible else "")
    )
    stopped_early = config.patience is not None and position.stale >= config.patience
    position.finished = epoch == config.epochs or stopped_early
    trainer.begin_epoch()


def _count(position: Position, group: Sequence[Batch], result: StepResult, seconds: float, config: RunConfig) -> None:
    """Add a step to the sums."""
    position.batch += len(group)
    position.step += 1
    position.steps += 1
    position.seconds += seconds
    position.epoch_seconds += seconds
    position.audio += float(sum(batch.num_samples.sum() for batch in group)) / config.features.sample_rate
    position.infeasible += len(result.infeasible)
    position.skipped += result.skipped
    position.failures = position.failures + 1 if result.skipped else 0
    if not result.skipped:
        position.loss += result.loss * result.tokens
        position.tokens += result.tokens
        position.clipped += result.gradient_norm > config.optimiser.clip


def _report_failure(
    position: Position, group: Sequence[Batch], config: RunConfig, logbook: Logbook, progress: Progress
) -> None:
    """Name the utterances of a skipped step, and stop after too many in a row."""
    names = [name for batch in group for name in batch.ids]
    logbook.write("skipped", position.step, utterances=names)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    progress.say(f"step {position.step} skipped: its loss or gradient is not finite (utterances {shown})")
    if position.failures >= config.failures:
        raise TrainingError(
            f"{position.failures} steps in a row had a loss or gradient that is not finite, the last on {shown}; "
            "lower optimiser.learning_rate, or look at these recordings"
        )


def trainable(cuts: Sequence[Cut], config: RunConfig, progress: Progress) -> list[Cut]:
    """Leave out what has no whole analysis window at the fastest speed."""
    features, fastest = config.features, max(config.augment.speeds)

    def frames(cut: Cut) -> Frames:
        samples = seconds_to_samples(cut.duration / fastest, features.sample_rate)
        return num_frames(samples, window=features.window_samples, hop=features.hop_samples)

    kept = [cut for cut in cuts if frames(cut) >= 1]
    if len(kept) < len(cuts):
        progress.say(f"{len(cuts) - len(kept)} utterances are shorter than an analysis window and are left out")
    if not kept:
        raise DataError("no training utterance is as long as an analysis window; are these the right recordings?")
    return kept


def _digest(*splits: Sequence[Cut]) -> str:
    """A checksum of what is said in which utterance, wherever the recordings lie."""
    digest = hashlib.sha256()
    for cuts in splits:
        digest.update(json.dumps([[cut.id, text_of(cut), round(cut.duration, 3)] for cut in cuts]).encode())
    return digest.hexdigest()


def _claim(out: Path, config: RunConfig, digest: str, workers: int, *, begun: bool) -> int:
    """Write the run's settings; if it has begun, see first that they are those that it began with.

    Where a run was trained (device, loaders, checkpoint interval) may change; what decides its weights may not.

    Returns:
        The number of workers with which it began.
    """
    path = out / "config.json"
    if begun and path.is_file():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            before = from_dict(type(config), stored["config"], where=str(path))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}: not the settings of a run; choose another --out") from None
        same_place = dataclasses.replace(
            before, device=config.device, loaders=config.loaders, checkpoint_every=config.checkpoint_every
        )
        changed = differences(same_place, config)
        if stored.get("utterances_sha256") != digest:
            changed.append("the manifests hold other utterances")
        if changed:
            raise ConfigError(f"{out} holds a run with other settings ({'; '.join(changed)}); choose another --out")
        workers = int(stored.get("workers", workers))
    with atomic(path) as temporary:
        values = {"config": to_dict(config), "utterances_sha256": digest, "workers": workers}
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return workers


def clock(seconds: Seconds) -> str:
    """Write a time as minutes and seconds, with hours if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
