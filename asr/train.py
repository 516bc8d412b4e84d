"""Training: manifests in, a run folder with its best model out.

A run is a function of its settings and manifests. Every random draw is seeded by what it is for (the epoch and
utterance of a speed factor, the epoch of the batches, the step of masks and dropout), so a checkpoint needs no
generator's state, and a run that was killed goes on from its last checkpoint and ends, on a CPU, with the same weights
bit for bit."""

import copy
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from lhotse.cut import Cut
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from asr.acoustic import AcousticConfig
from asr.augment import AugmentConfig, spec_augment
from asr.bptt import Bptt, Full, Truncated
from asr.checkpoint import load_checkpoint, save_checkpoint, save_model
from asr.config import differences, from_dict, to_dict
from asr.ctc import ctc_loss
from asr.data import Batch, load_batches, load_cuts, perturb_speeds, plan_batches, text_of
from asr.errors import ConfigError, DataError, TrainingError
from asr.evaluate import Evaluation, evaluate
from asr.features import FeatureConfig
from asr.files import atomic
from asr.logbook import Logbook
from asr.recogniser import Recogniser, RecogniserConfig
from asr.score import summary_line
from asr.tokenizer import TokenizerConfig, train_tokenizer
from asr.units import Frames, Seconds, num_frames, seconds_to_samples
from asr.workers import Workers, choose_device

LOG_EVERY = 10
"""Steps from one line of `metrics.jsonl` to the next."""


@dataclass(frozen=True)
class BpttConfig:
    """How far gradients reach in training."""

    mode: Literal["full", "truncated"] = "truncated"
    """Over the whole utterance, or at most over a segment."""
    segment: Seconds = 2.0
    """Length of a segment."""

    def __post_init__(self) -> None:
        if self.segment <= 0:
            raise ConfigError(f"bptt.segment must be positive, got {self.segment}")

    def in_frames(self, frame: Seconds) -> Bptt:
        """The mode for output frames of `frame` seconds; a segment is at least one frame."""
        return Full() if self.mode == "full" else Truncated(max(1, round(self.segment / frame)))


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW (Loshchilov & Hutter 2019) on a one-cycle schedule: linear warm-up, then a cosine down to 0."""

    learning_rate: float = 2e-3
    """Peak of the schedule."""
    warmup: float = 0.15
    """Share of training in which the learning rate rises."""
    weight_decay: float = 1e-2
    """Decoupled weight decay, of matrices; biases and norms have none."""
    clip: float = 1.0
    """Largest gradient norm (Pascanu et al. 2013)."""
    accumulate: int = 1
    """Batches for one step."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"optimiser.{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"optimiser.warmup must lie in [0, 1), got {self.warmup}")
        if self.weight_decay < 0:
            raise ConfigError(f"optimiser.weight_decay must not be negative, got {self.weight_decay}")
        if self.accumulate < 1:
            raise ConfigError(f"optimiser.accumulate must be at least 1, got {self.accumulate}")

    def rate(self, progress: float) -> float:
        """Learning rate after a share of training in [0, 1]."""
        if progress < self.warmup:
            return self.learning_rate * max(progress / self.warmup, 1e-3)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))) / 2


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run, but its data.

    Raises:
        ConfigError: if a field is outside its range.
    """

    features: FeatureConfig = field(default_factory=FeatureConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    acoustic: AcousticConfig = field(default_factory=AcousticConfig)
    bptt: BpttConfig = field(default_factory=BpttConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    epochs: int = 30
    """Passes over the training data."""
    batch_seconds: Seconds = 60.0
    """Audio of a batch, padding included."""
    intermediate_weight: float = 0.3
    """Weight of the intermediate CTC losses, where the model has them."""
    average: float = 0.99
    """Decay of the weights' exponential moving average, which is what is evaluated and kept; 0 keeps the weights as they are."""
    patience: int | None = None
    """Epochs without a better dev WER after which training stops."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products under autocast; float16 needs a CUDA device."""
    seed: int = 0
    """Of the initial weights and every draw."""
    device: str = "auto"
    """"auto" takes the accelerator that PyTorch finds, else the CPU."""
    threads: int | None = None
    """CPU threads, each of which takes its share of a batch; none takes one a core. A run that is to be repeated bit
    for bit names it."""
    loaders: int = 1
    """Background processes that read and perturb audio."""
    checkpoint_every: Seconds = 60.0
    """Time between checkpoints."""
    failures: int = 10
    """Non-finite steps in a row after which training stops."""

    def __post_init__(self) -> None:
        for name in ("epochs", "failures"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("loaders", "checkpoint_every", "intermediate_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("patience", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, or none, got {value}")
        if self.batch_seconds <= 0:
            raise ConfigError(f"batch_seconds must be positive, got {self.batch_seconds}")
        if not 0 <= self.average < 1:
            raise ConfigError(f"average must lie in [0, 1), got {self.average}")

    @property
    def recogniser(self) -> RecogniserConfig:
        return RecogniserConfig(self.features, self.acoustic)


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
    best: tuple[float, float, float] = (math.inf, math.inf, math.inf)
    """Dev WER, CER and loss of the best epoch; the later one decides where the earlier ones are equal."""
    best_epoch: int = 0
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

    def begin_epoch(self) -> None:
        """Count a finished epoch and clear the sums."""
        self.epoch += 1
        self.batch = self.tokens = self.steps = self.clipped = self.skipped = self.infeasible = 0
        self.loss = self.audio = self.epoch_seconds = 0.0


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step saw."""

    loss: float
    """Nats a token; not finite if the step was skipped for it."""
    tokens: int
    gradient_norm: float
    """Before clipping."""
    skipped: bool
    """Loss or gradient was not finite, and the weights were left as they were."""
    infeasible: tuple[str, ...]
    """Utterances with too few frames for their tokens."""


@dataclass(frozen=True)
class ShardResult:
    """One worker's part of a step."""

    gradients: tuple[Tensor, ...]
    loss: float
    infeasible: tuple[str, ...]


class Trainer:
    """Model, averaged model and optimiser of a run, and the step that moves them."""

    def __init__(self, config: TrainConfig, recogniser: Recogniser) -> None:
        self.config = config
        self.recogniser = recogniser
        self.averaged = copy.copy(recogniser)
        self.averaged.acoustic = copy.deepcopy(recogniser.acoustic)
        self.position = Position()
        self.bptt = config.bptt.in_frames(config.features.hop * config.acoustic.subsampling)
        self.workers = Workers(recogniser.device, config.threads)
        self.parameters = list(recogniser.acoustic.parameters())
        matrices = [p for p in self.parameters if p.ndim > 1]
        others = [p for p in self.parameters if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.optimiser.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=config.optimiser.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.scaler = torch.amp.GradScaler(recogniser.device.type, enabled=config.precision == "float16")

    def step(self, batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Take one optimiser step on one or more batches, or none if the loss or gradient is not finite."""
        num_tokens = max(1, int(sum(batch.num_tokens.sum() for batch in batches)))
        shards = [shard for batch in batches for shard in batch.split(self.workers.count)]
        seeds = [_seed(self.config.seed, self.position.step, number) for number in range(len(shards))]
        self.recogniser.acoustic.train()

        results = self.workers.map(lambda shard, seed: self._shard_gradient(shard, seed, num_tokens), shards, seeds)
        total, *others = (list(result.gradients) for result in results)
        for gradients in others:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        self.scaler.unscale_(self.optimiser)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.config.optimiser.clip))
        loss = sum(result.loss for result in results)
        skipped = not (math.isfinite(loss) and math.isfinite(norm))
        if not skipped:
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate
            self.scaler.step(self.optimiser)
            self._average()
        self.scaler.update()
        infeasible = tuple(name for result in results for name in result.infeasible)
        return StepResult(loss, num_tokens, norm, skipped, infeasible)

    def _shard_gradient(self, shard: Batch, seed: int, num_tokens: int) -> "ShardResult":
        """From waveforms to the gradient of the loss of some of a step's utterances; `num_tokens` are those of the whole step."""
        config, device = self.config, self.recogniser.device
        masks = torch.Generator().manual_seed(seed)
        dropout = torch.Generator(device).manual_seed(seed)
        shard = shard.to(device)
        log_mel, lengths = self.recogniser.features(shard.waveforms, shard.num_samples)
        frame_rate = 1 / config.features.hop
        log_mel = spec_augment(log_mel, lengths, config.augment, frames_per_second=frame_rate, generator=masks)
        with torch.autocast(device.type, getattr(torch, config.precision), enabled=config.precision != "float32"):
            emissions = self.recogniser.acoustic(log_mel, lengths, self.bptt, generator=dropout)
        final = ctc_loss(emissions.log_probs, emissions.lengths, shard.tokens, shard.num_tokens)
        loss = final.values.sum() / num_tokens
        objective = loss
        if emissions.intermediate:
            lower = [
                ctc_loss(log_probs, emissions.lengths, shard.tokens, shard.num_tokens).values.sum() / num_tokens
                for log_probs in emissions.intermediate
            ]
            objective = torch.lerp(loss, torch.stack(lower).mean(), config.intermediate_weight)
        gradients = torch.autograd.grad(self.scaler.scale(objective), self.parameters)
        infeasible = tuple(name for name, fits in zip(shard.ids, final.feasible.tolist(), strict=True) if not fits)
        return ShardResult(gradients, loss.item(), infeasible)

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights; early on they follow quickly, so that they do not remember the initial ones."""
        decay = min(self.config.average, (1 + self.position.step) / (10 + self.position.step))
        averaged: list[Tensor] = list(self.averaged.acoustic.parameters())
        torch._foreach_lerp_(averaged, list[Tensor](self.parameters), 1 - decay)

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on."""
        return {
            "position": dataclasses.asdict(self.position),
            "model": self.recogniser.acoustic.state_dict(),
            "averaged": self.averaged.acoustic.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.position = Position(**state["position"])
        self.recogniser.acoustic.load_state_dict(state["model"])
        self.averaged.acoustic.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])


def train(config: TrainConfig, data: Path, out: Path, console: Console) -> Path:
    """Train on `data/train.jsonl.gz`, choose on `data/dev.jsonl.gz`, write the run to `out`.

    The same call after a kill goes on from the last checkpoint; after the end it returns at once.

    Args:
        config: the settings.
        data: folder with the manifests that `asr prepare` wrote.
        out: run folder; gets `config.json`, `metrics.jsonl`, `tensorboard/`, `curves.png`, `checkpoints/last.pt` and `best/`.
        console: where progress is shown.

    Returns:
        The best model's folder, `out/best`.

    Raises:
        DataError: if manifests or audio cannot be read, or nothing is left to train on.
        ConfigError: if `out` holds a run with other settings or data.
        TrainingError: after too many non-finite steps in a row.
    """
    train_cuts = _trainable(load_cuts(data / "train.jsonl.gz"), config, console)
    dev_cuts = load_cuts(data / "dev.jsonl.gz")
    _claim(out, config, data / "train.jsonl.gz")
    device = choose_device(config.device)
    if config.precision == "float16" and device.type == "cpu":
        raise ConfigError("precision float16 needs a CUDA device; on a CPU use float32")
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(config.tokenizer, (text_of(cut) for cut in train_cuts))
    trainer = Trainer(config, Recogniser(config.recogniser, tokenizer).to(device))
    checkpoint = out / "checkpoints" / "last.pt"
    if checkpoint.is_file():
        trainer.load_state(load_checkpoint(checkpoint))
    position = trainer.position
    if position.finished:
        console.print(f"{out} is finished; its best model is of epoch {position.best_epoch}")
        return out / "best"
    console.print(
        f"{trainer.recogniser.num_parameters / 1e6:.1f} M parameters, {tokenizer.size} tokens, "
        f"{len(train_cuts)} utterances of {sum(cut.duration for cut in train_cuts) / 60:.1f} minutes on {device}"
        + (f"; going on from epoch {position.epoch}, batch {position.batch}" if position.step else "")
    )
    logbook = Logbook(out, step=position.step)
    try:
        while not trainer.position.finished:
            _train_epoch(trainer, train_cuts, logbook, checkpoint, console)
            _finish_epoch(trainer, dev_cuts, logbook, out, console)
            save_checkpoint(checkpoint, trainer.state())
    finally:
        logbook.close()
    return out / "best"


def _train_epoch(trainer: Trainer, cuts: Sequence[Cut], logbook: Logbook, checkpoint: Path, console: Console) -> None:
    """Take the steps of an epoch that are not yet taken."""
    config, position = trainer.config, trainer.position
    perturbed = perturb_speeds(cuts, config.augment.speeds, seed=config.seed, epoch=position.epoch)
    plan = plan_batches(perturbed, config.batch_seconds, seed=config.seed * 1_000_003 + position.epoch)
    batches = load_batches(
        plan[position.batch :],
        trainer.recogniser.tokenizer,
        sample_rate=config.features.sample_rate,
        loaders=config.loaders,
    )
    now = saved = time.monotonic()
    with _progress_bar(console) as bar:
        task = bar.add_task(f"epoch {position.epoch + 1}", total=config.epochs * len(plan))
        while group := list(islice(batches, config.optimiser.accumulate)):
            progress = (position.epoch + position.batch / len(plan)) / config.epochs
            rate = config.optimiser.rate(progress)
            result = trainer.step(group, rate)
            before, now = now, time.monotonic()
            _count(position, group, result, now - before, config)
            if result.skipped:
                _report_failure(position, group, config, logbook, console)
            elif position.step % LOG_EVERY == 1:
                logbook.write(
                    "step",
                    position.step,
                    progress=progress * config.epochs,
                    loss=result.loss,
                    gradient_norm=result.gradient_norm,
                    clip=config.optimiser.clip,
                    learning_rate=rate,
                )
            speed = position.audio / max(position.epoch_seconds, 1e-9)
            description = f"epoch {position.epoch + 1}/{config.epochs}  loss {result.loss:.3f}  {speed:.0f} x real time"
            bar.update(task, completed=position.epoch * len(plan) + position.batch, description=description)
            if now - saved >= config.checkpoint_every:
                save_checkpoint(checkpoint, trainer.state())
                saved = time.monotonic()


def _finish_epoch(trainer: Trainer, cuts: Sequence[Cut], logbook: Logbook, out: Path, console: Console) -> None:
    """Evaluate the averaged model, keep it if it is the best, record the epoch, and decide whether it was the last."""
    config, position = trainer.config, trainer.position
    evaluation = evaluate(trainer.averaged, cuts, loaders=config.loaders)
    wer, cer = evaluation.score.wer, evaluation.score.cer
    epoch = position.epoch + 1
    result = (wer.value, cer.value, evaluation.loss)
    better = result < tuple(position.best)
    if better:
        position.best, position.best_epoch = result, epoch
        save_model(out / "best", trainer.averaged, readme=_card(trainer, evaluation))
    speed = position.audio / max(position.epoch_seconds, 1e-9)
    loss = position.loss / max(1, position.tokens)
    logbook.write(
        "epoch",
        position.step,
        epoch=epoch,
        train_loss=loss,
        dev_loss=evaluation.loss,
        wer=wer.value,
        wer_low=wer.low,
        wer_high=wer.high,
        cer=cer.value,
        audio_per_second=speed,
        clipped_share=position.clipped / max(1, position.steps),
        skipped=position.skipped,
        infeasible=position.infeasible,
        seconds=position.seconds,
    )
    logbook.draw()
    left = position.seconds / epoch * (config.epochs - epoch)
    console.print(
        f"epoch {epoch:3d}/{config.epochs}  loss {loss:.3f}  dev loss {evaluation.loss:.3f}  "
        f"{summary_line('dev', evaluation.score)}{' *' if better else ''}  {speed:.0f} x real time  "
        f"{_clock(position.seconds)} trained, {_clock(left)} left",
        highlight=False,
        soft_wrap=True,
    )
    stale = config.patience is not None and epoch - position.best_epoch >= config.patience
    position.finished = epoch == config.epochs or stale
    position.begin_epoch()


def _count(position: Position, group: Sequence[Batch], result: StepResult, seconds: float, config: TrainConfig) -> None:
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
    position: Position, group: Sequence[Batch], config: TrainConfig, logbook: Logbook, console: Console
) -> None:
    """Name the utterances of a skipped step, and stop after too many in a row."""
    names = [name for batch in group for name in batch.ids]
    logbook.write("skipped", position.step, utterances=names)
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    console.print(
        f"step {position.step} skipped: its loss or gradient is not finite (utterances {shown})", style="yellow"
    )
    if position.failures >= config.failures:
        raise TrainingError(
            f"{position.failures} steps in a row had a loss or gradient that is not finite, the last on {shown}; "
            "lower optimiser.learning_rate, or look at these recordings"
        )


def _trainable(cuts: Sequence[Cut], config: TrainConfig, console: Console) -> list[Cut]:
    """Leave out what has no whole analysis window at the fastest speed."""
    features, fastest = config.features, max(config.augment.speeds)

    def frames(cut: Cut) -> Frames:
        samples = seconds_to_samples(cut.duration / fastest, features.sample_rate)
        return num_frames(samples, window=features.window_samples, hop=features.hop_samples)

    kept = [cut for cut in cuts if frames(cut) >= 1]
    if len(kept) < len(cuts):
        console.print(f"{len(cuts) - len(kept)} utterances are shorter than an analysis window and are left out")
    if not kept:
        raise DataError("no training utterance is as long as an analysis window; are these the right recordings?")
    return kept


def _claim(out: Path, config: TrainConfig, manifest: Path) -> None:
    """Write the run's settings, or see that they are those of the run that is there.

    Where a run was trained (device, loaders, checkpoint interval) may change; what decides its weights may not.
    """
    path = out / "config.json"
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    if path.is_file():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            before = from_dict(TrainConfig, stored["config"], where=str(path))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}: not the settings of a run; choose another --out") from None
        same_place = dataclasses.replace(
            before, device=config.device, loaders=config.loaders, checkpoint_every=config.checkpoint_every
        )
        changed = differences(same_place, config)
        if stored.get("train_sha256") != digest:
            changed.append(f"{manifest} holds other utterances")
        if changed:
            raise ConfigError(f"{out} holds a run with other settings ({'; '.join(changed)}); choose another --out")
    with atomic(path) as temporary:
        values = {"config": to_dict(config), "train_sha256": digest}
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _card(trainer: Trainer, evaluation: Evaluation) -> str:
    """The model folder's README."""
    config, position = trainer.config, trainer.position
    shape = config.acoustic
    return f"""# A speech recogniser

{shape.layers} x {shape.hidden} {"bidirectional " if shape.bidirectional else ""}{shape.cell.upper()} with CTC over \
{trainer.recogniser.tokenizer.size - 1} {config.tokenizer.units}, {trainer.recogniser.num_parameters / 1e6:.1f} M parameters.

- {summary_line("dev", evaluation.score)}, greedy decoding, no language model; the interval is a 95 % bootstrap over utterances
- trained with {config.bptt.mode} BPTT, seed {config.seed}, for {position.epoch + 1} of {config.epochs} epochs \
({_clock(position.seconds)} on {trainer.recogniser.device.type}, {torch.get_num_threads()} threads)

    asr transcribe RECORDING... --model FOLDER
    asr evaluate MANIFEST --model FOLDER
"""


def _progress_bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _clock(seconds: Seconds) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def _seed(*parts: int) -> int:
    """A number of 63 bits from several, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little") >> 1
