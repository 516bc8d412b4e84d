"""The model in training: its settings, and the step that moves its weights.

Every random draw of a step is seeded by what it is for, so a step can be repeated exactly from weights, optimiser and
position alone.
"""

import copy
import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from asr.acoustic import AcousticConfig
from asr.augment import AugmentConfig, spec_augment
from asr.bptt import Bptt, Truncated
from asr.ctc import ctc_loss
from asr.data import Batch
from asr.errors import ConfigError, TrainingError
from asr.features import FeatureConfig
from asr.recogniser import Recogniser, RecogniserConfig
from asr.tokenizer import TokenizerConfig
from asr.units import Seconds
from asr.workers import Workers, num_workers


@dataclass(frozen=True)
class BpttConfig:
    """How far gradients reach in training."""

    mode: Literal["full", "truncated", "chunked"] = "truncated"
    """Over the whole utterance; at most over a segment; or over chunks, for a model that then also hears live speech so."""
    segment: Seconds = 2.0
    """Length of a segment."""
    random_cuts: bool = False
    """Draw for each step how long the first segment is, so that cuts do not always fall on the same frames."""
    recompute: bool = False
    """Compute a segment's gates again for its gradient instead of keeping them: for long utterances."""
    carry: bool = False
    """Begin each piece of a recording with the state in which the forward direction left the piece before: for manifests whose
    utterances are consecutive pieces of long recordings.
    """
    chunk: Seconds = 0.64
    """Length of a chunk."""
    lookahead: Seconds = 0.32
    """What the backward direction sees beyond a chunk."""

    def __post_init__(self) -> None:
        for name in ("segment", "chunk"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"bptt.{name} must be positive, got {getattr(self, name)}")
        if self.lookahead < 0:
            raise ConfigError(f"bptt.lookahead must not be negative, got {self.lookahead}")
        if self.carry and self.mode == "chunked":
            raise ConfigError("bptt.carry needs bptt.mode full or truncated")


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
    clip_value: float | None = None
    """Largest absolute value of a single derivative, after clipping by norm; none leaves them."""
    accumulate: int = 1
    """Batches for one step."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"optimiser.{name} must be positive, got {getattr(self, name)}")
        if self.clip_value is not None and self.clip_value <= 0:
            raise ConfigError(f"optimiser.clip_value must be positive, or none, got {self.clip_value}")
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
    ctc_band: Seconds | None = None
    """In recordings too long for PyTorch's CTC, the time by which a token may be early or late against an even pace; none allows
    any, and takes time that grows with the square of the length.
    """
    average: float = 0.99
    """Decay of the weights' exponential moving average, which is what is evaluated and kept; 0 keeps the weights as they are."""
    patience: int | None = None
    """Epochs without a better dev WER after which training stops."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products under autocast; float16 needs a CUDA device."""
    seed: int = 0
    """Of the initial weights and every draw."""
    device: str = "auto"
    """cpu, cuda, or (auto) cuda where there is one."""
    threads: int | None = None
    """CPU processes of one thread that share each batch; none takes one a core. A run that is to be repeated bit
    for bit names it.
    """
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
        if self.ctc_band is not None and self.ctc_band <= 0:
            raise ConfigError(f"ctc_band must be positive, or none, got {self.ctc_band}")
        if self.bptt.carry and self.optimiser.accumulate > 1:
            raise ConfigError("bptt.carry needs optimiser.accumulate 1: a piece begins where a step ended")
        if not 0 <= self.average < 1:
            raise ConfigError(f"average must lie in [0, 1), got {self.average}")

    @property
    def recogniser(self) -> RecogniserConfig:
        chunk = self.bptt.chunk if self.bptt.mode == "chunked" else None
        return RecogniserConfig(self.features, self.acoustic, chunk, self.bptt.lookahead)


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
    stale: int = 0
    """Epochs since the dev WER last fell."""
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
    part_norms: dict[str, float]
    """Likewise, of the convolutions, each layer, and the output."""
    skipped: bool
    """Loss or gradient was not finite, and the weights were left as they were."""
    infeasible: tuple[str, ...]
    """Utterances with too few frames for their tokens."""


@dataclass(frozen=True)
class WorkResult:
    """What a worker found beside its gradient: sums over its utterances."""

    loss: float
    tokens: int
    """Of the utterances whose frames suffice for them."""
    infeasible: tuple[str, ...]
    states: dict[str, Tensor]
    """By recording, where `bptt.carry` asks for them: where the forward direction ended, (layers, 1 or 2, H)."""


class Trainer:
    """Model, averaged model and optimiser of a run, and the step that moves them."""

    def __init__(self, config: TrainConfig, recogniser: Recogniser) -> None:
        self.config = config
        self.recogniser = recogniser
        self.averaged = copy.copy(recogniser)
        self.averaged.acoustic = copy.deepcopy(recogniser.acoustic)
        self.position = Position()
        self.states: dict[str, Tensor] = {}
        """As in `WorkResult`, of each recording's last piece that was used in this epoch."""
        self.bptt: Bptt = recogniser.reading
        if config.bptt.mode == "truncated":
            self.bptt = Truncated(recogniser.config.frames(config.bptt.segment), config.bptt.recompute)
        names, self.parameters = map(list, zip(*recogniser.acoustic.named_parameters(), strict=True))
        self._parts = [_part(name) for name in names]
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
        count = num_workers(recogniser.device, config.threads)
        self._gradients = [[torch.zeros_like(parameter) for parameter in self.parameters] for _ in range(count)]
        if count > 1:
            try:
                features = recogniser.features
                for tensor in (*self.parameters, features.mean, features.deviation, *chain(*self._gradients)):
                    tensor.share_memory_()
            except RuntimeError:
                raise TrainingError(
                    "this system has too little shared memory for several workers; use --threads 1"
                ) from None
        self.workers = Workers(self._work, recogniser.device, count)

    def step(self, batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Take one optimiser step on one or more batches, or none if the loss or gradient is not finite."""
        count = self.workers.count
        shards = [shard for batch in batches for shard in batch.split(count)]
        seeds = [_seed(self.config.seed, self.position.step, number) for number in range(len(shards))]
        states = [{name: self.states[name] for name in shard.recordings if name in self.states} for shard in shards]
        shares = list(zip(shards, seeds, states, strict=True))
        results = self.workers.run([shares[first::count] for first in range(count)])
        num_tokens = max(1, sum(result.tokens for result in results))
        total, *others = self._gradients
        for gradients in others:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        self.scaler.unscale_(self.optimiser)
        norms = torch.stack(torch._foreach_norm(total)) / num_tokens
        norm = norms.norm()
        # Mean over the tokens and clipping by norm are one factor.
        torch._foreach_mul_(total, min(1.0, self.config.optimiser.clip / (float(norm) + 1e-6)) / num_tokens)
        if self.config.optimiser.clip_value is not None:
            nn.utils.clip_grad_value_(self.parameters, self.config.optimiser.clip_value)
        loss = sum(result.loss for result in results) / num_tokens
        # Under float16 an infinite gradient is the scaler's search for its scale: it skips that step by itself.
        skipped = not (math.isfinite(loss) and (math.isfinite(float(norm)) or self.scaler.is_enabled()))
        if not skipped:
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate
            self.scaler.step(self.optimiser)
            self._average()
            for result in results:
                self.states |= result.states
        self.scaler.update()
        infeasible = tuple(name for result in results for name in result.infeasible)
        return StepResult(loss, num_tokens, float(norm), self._norms_of_parts(norms), skipped, infeasible)

    def _norms_of_parts(self, norms: Tensor) -> dict[str, float]:
        """Norms of single parameters -> of the parts of the model that they belong to."""
        squares: dict[str, float] = {}
        for part, square in zip(self._parts, norms.square().tolist(), strict=True):
            squares[part] = squares.get(part, 0.0) + square
        return {part: math.sqrt(square) for part, square in squares.items()}

    def begin_epoch(self) -> None:
        """Every recording begins again."""
        self.position.begin_epoch()
        self.states.clear()

    def _work(self, worker: int, shares: Sequence[tuple[Batch, int, dict[str, Tensor]]]) -> WorkResult:
        """Sum the gradients of a worker's shards into its own buffers."""
        self.recogniser.acoustic.train()
        sums = self._gradients[worker]
        torch._foreach_zero_(sums)
        result = WorkResult(0.0, 0, (), {})
        for shard, seed, states in shares:
            gradients, found = self._shard_gradient(shard, seed, states)
            torch._foreach_add_(sums, gradients)
            result = WorkResult(
                result.loss + found.loss,
                result.tokens + found.tokens,
                result.infeasible + found.infeasible,
                result.states | found.states,
            )
        return result

    def _shard_gradient(self, shard: Batch, seed: int, states: dict[str, Tensor]) -> tuple[list[Tensor], WorkResult]:
        """From waveforms to the gradient of the summed loss of some of a step's utterances."""
        config, device = self.config, self.recogniser.device
        masks = torch.Generator().manual_seed(seed)
        dropout = torch.Generator(device).manual_seed(seed)
        shard = shard.to(device)
        log_mel, lengths = self.recogniser.features(shard.waveforms, shard.num_samples)
        frame_rate = 1 / config.features.hop
        log_mel = spec_augment(log_mel, lengths, config.augment, frames_per_second=frame_rate, generator=masks)
        bptt = self.bptt
        if isinstance(bptt, Truncated) and config.bptt.random_cuts:
            bptt = dataclasses.replace(bptt, offset=int(torch.randint(bptt.segment, (), generator=masks)))
        begin = None
        if config.bptt.carry:  # a recording's first piece begins at zeros
            zeros = self.recogniser.acoustic.initial_states(1)[:, :, 0]
            begin = torch.stack([states.get(name, zeros).to(device) for name in shard.recordings], dim=2)
        with torch.autocast(device.type, getattr(torch, config.precision), enabled=config.precision != "float32"):
            emissions = self.recogniser.acoustic(log_mel, lengths, bptt, generator=dropout, states=begin)
        band = None if config.ctc_band is None else self.recogniser.config.frames(config.ctc_band)
        final, *lower = (
            ctc_loss(log_probs, emissions.lengths, shard.tokens, shard.num_tokens, band=band)
            for log_probs in (emissions.log_probs, *emissions.intermediate)
        )
        loss = objective = final.values.sum()
        if lower:
            intermediate = torch.stack([one.values.sum() for one in lower]).mean()
            objective = torch.lerp(loss, intermediate, config.intermediate_weight)
        gradients = list(torch.autograd.grad(self.scaler.scale(objective), self.parameters))
        infeasible = tuple(name for name, fits in zip(shard.ids, final.feasible.tolist(), strict=True) if not fits)
        ended = {}
        if emissions.states is not None:
            rows = map(Tensor.clone, emissions.states.cpu().unbind(2))  # a view would be stored with all it looks at
            ended = dict(zip(shard.recordings, rows, strict=True))
        return gradients, WorkResult(loss.item(), int(shard.num_tokens[final.feasible].sum()), infeasible, ended)

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
            "model": self.recogniser.state(),
            "averaged": self.averaged.state(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "states": self.states,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.position = Position(**state["position"])
        self.recogniser.load_state(state["model"])
        self.averaged.load_state(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.states = state["states"]


def _part(name: str) -> str:
    """What part of the model a parameter belongs to: convolutions, layer_1, layer_2, ..., output."""
    first, second, *_ = name.split(".")
    if first == "layers":
        return f"layer_{int(second) + 1}"
    return "convolutions" if first == "subsample" else "output"


def _seed(*parts: int) -> int:
    """A number of 63 bits from several, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little") >> 1
