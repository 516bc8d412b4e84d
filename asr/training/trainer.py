"""The model in training: the step that moves its weights.

Every random draw of a step is seeded by what it is for. So a step can be repeated exactly from
weights, optimiser and position alone.
"""

import copy
import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from asr.audio.augment import perturb_sound, perturb_tempo, spec_augment
from asr.data.batches import Batch
from asr.errors import TrainingError
from asr.model.reading import Bptt, Truncated
from asr.ranks import ALONE, Ranks
from asr.recogniser.recogniser import Recogniser
from asr.training.objective import AugmentedBatch, Objective
from asr.training.position import Position, StepResult
from asr.training.settings import RunConfig
from asr.training.stop import Stop
from asr.workers import Workers, num_workers, sum_in_pairs

T = TypeVar("T")

LEAST_SCALE = 1.0
"""Of the loss under float16."""


@dataclass(frozen=True)
class WorkResult:
    """What a worker found beside its gradient: sums over its utterances."""

    loss: float = 0.0
    tokens: int = 0
    """Of the utterances whose frames suffice for them."""
    infeasible: tuple[str, ...] = ()
    states: dict[str, Tensor] = field(default_factory=dict)
    """By recording: where the forward direction ended, (layers, 1 or 2, H).

    Kept where `bptt.carry` asks for them.
    """
    utterances: tuple[str, ...] = ()
    samples: int = 0
    unreadable: tuple[str, ...] = ()
    """As in `StepResult`; likewise `stop`."""
    stop: int | None = None

    def __add__(self, other: "WorkResult") -> "WorkResult":
        return WorkResult(
            self.loss + other.loss,
            self.tokens + other.tokens,
            self.infeasible + other.infeasible,
            self.states | other.states,
            self.utterances + other.utterances,
            self.samples + other.samples,
            self.unreadable + other.unreadable,
            self.stop or other.stop,
        )


class Trainer:
    """Model, averaged model and optimiser of a run, and the step that moves them.

    Args:
        config: the settings.
        recogniser: what is trained, or contains it.
        objective: what is minimised.
        ranks: the processes that take its steps together, each with workers of its own.
    """

    def __init__(self, config: RunConfig, recogniser: Recogniser, objective: Objective, ranks: Ranks = ALONE) -> None:
        self.config = config
        self.ranks = ranks
        self.recogniser = recogniser
        self.objective = objective
        self.averaged = copy.deepcopy(objective.module)
        self.position = Position()
        self.stop = Stop()
        """Ranks agree on it in each step."""
        self.states: dict[str, Tensor] = {}
        """As in `WorkResult`, of each recording's last piece that was used in this epoch."""
        self.bptt: Bptt = recogniser.reading
        if config.bptt.mode == "truncated":
            self.bptt = Truncated(recogniser.config.frames(config.bptt.segment), config.bptt.recompute)
        names, self.parameters = map(list, zip(*objective.module.named_parameters(), strict=True))
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
        count = num_workers(recogniser.device, config.threads, ranks.neighbours)
        counts = ranks.gather(count)
        self.num_workers = sum(counts)
        """Of all ranks."""
        self._first = sum(counts[: ranks.number])
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

    def step(self, batches: Sequence[Batch], learning_rate: float, *, views: int = 1) -> StepResult:
        """Take one optimiser step on one or more batches.

        There is none if the loss or gradient is not finite, or no utterance could be read.

        Args:
            batches: the utterances.
            learning_rate: of the step.
            views: how often each utterance is read, each time augmented anew.
        """
        found = self._backpropagate(batches, views)  # forward, loss and backward, each worker its share
        if not found.utterances:
            return StepResult(0.0, 0, 0.0, {}, True, False, (), (), 0.0, found.unreadable, found.stop)
        num_tokens = max(1, found.tokens)
        loss = found.loss / num_tokens
        norms = self._clip(self._collect(), num_tokens)
        norm = float(norms.norm())
        skipped = not (math.isfinite(loss) and math.isfinite(norm))
        overflow = skipped and math.isfinite(loss) and self.scaler.get_scale() > LEAST_SCALE
        if not skipped:
            self._move(learning_rate)
            self.states |= found.states
        self._adapt_scale()
        return StepResult(
            loss,
            num_tokens,
            norm,
            self._norms_of_parts(norms),
            skipped,
            overflow,
            found.infeasible,
            found.utterances,
            found.samples / self.config.features.sample_rate,
            found.unreadable,
            found.stop,
        )

    def dealt(self, batch: Sequence[T]) -> list[T]:
        """What of a batch this rank's workers do: all, where there is no other rank."""
        ours = range(self._first, self._first + self.workers.count)
        return [one for number, one in enumerate(batch) if number % self.num_workers in ours]

    def _backpropagate(self, batches: Sequence[Batch], views: int) -> WorkResult:
        """Let each worker sum the gradients of its share of the utterances into its buffers."""
        config, count = self.config, self.workers.count
        shares: list[list[tuple[Batch, int, dict[str, Tensor], int]]] = [[] for _ in range(count)]
        for number, batch in enumerate(batches):
            for worker, shard in enumerate(batch.split(count)):
                seed = _seed(config.seed, self.position.step, number * self.num_workers + self._first + worker)
                states = {name: self.states[name] for name in shard.recordings if name in self.states}
                shares[worker].append((shard, seed, states, views))
        results = self.workers.run(shares)  # which takes long: a wish to stop is asked for after it
        unreadable = tuple(fault for batch in batches for fault in batch.unreadable)
        results.append(WorkResult(unreadable=unreadable, stop=self.stop.wanted))
        return sum(chain(*self.ranks.gather(results)), WorkResult())

    def _collect(self) -> list[Tensor]:
        """Sum the workers' buffers into the parameters' gradients, and undo float16's scale.

        Sums of pairs, of pairs of them and so on are the same bits, however 1, 2, 4 or more workers
        a rank are spread over ranks.
        """
        total = sum_in_pairs(self._gradients)
        self.ranks.add_up(total)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        self.scaler.unscale_(self.optimiser)
        return total

    def _clip(self, gradients: list[Tensor], num_tokens: int) -> Tensor:
        """Turn sums into means over tokens, and clip them; returns each parameter's norm before."""
        norms = torch.stack(torch._foreach_norm(gradients)) / num_tokens
        # Mean over the tokens and clipping by norm are one factor.
        torch._foreach_mul_(gradients, min(1.0, self.config.optimiser.clip / (float(norms.norm()) + 1e-6)) / num_tokens)
        if self.config.optimiser.clip_value is not None:
            nn.utils.clip_grad_value_(self.parameters, self.config.optimiser.clip_value)
        return norms

    def _move(self, learning_rate: float) -> None:
        """Move the weights along their gradients, and the averaged ones after them."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.scaler.step(self.optimiser)
        self._average()

    def _adapt_scale(self) -> None:
        """Under float16: lower the scale after an infinite gradient, raise it after many finite.

        It never falls below 1. Where 1 does not help, the gradient itself is not finite. Under a
        smaller scale the finite ones would soon be zeros, and nothing would be learnt.
        """
        self.scaler.update()
        if self.scaler.is_enabled() and self.scaler.get_scale() < LEAST_SCALE:
            self.scaler.update(LEAST_SCALE)

    def _norms_of_parts(self, norms: Tensor) -> dict[str, float]:
        """Norms of single parameters -> of the parts of the model that they belong to."""
        squares: dict[str, float] = {}
        for part, square in zip(self._parts, norms.square().tolist(), strict=True):
            squares[part] = squares.get(part, 0.0) + square
        return {part: math.sqrt(square) for part, square in squares.items()}

    def begin(self) -> None:
        """Before the first step: the averaged weights are those that training begins with."""
        self.averaged.load_state_dict(self.objective.module.state_dict())

    def begin_epoch(self) -> None:
        """Every recording begins again."""
        self.position.begin_epoch()
        self.states.clear()

    def _work(self, worker: int, shares: Sequence[tuple[Batch, int, dict[str, Tensor], int]]) -> WorkResult:
        """Sum the gradients of a worker's shards into its own buffers."""
        self.objective.module.train()
        sums = self._gradients[worker]
        torch._foreach_zero_(sums)
        result = WorkResult()
        for shard, seed, states, views in shares:
            gradients, found = self._shard_gradient(shard, seed, states, views)
            torch._foreach_add_(sums, gradients)
            result += found
        return result

    def _shard_gradient(
        self, shard: Batch, seed: int, states: dict[str, Tensor], views: int
    ) -> tuple[list[Tensor], WorkResult]:
        """From waveforms to the gradient of the summed loss of some of a step's utterances."""
        config, device = self.config, self.recogniser.device
        draws = torch.Generator().manual_seed(seed)
        dropout = torch.Generator(device).manual_seed(seed)
        augmented = self._augment(shard.to(device), states, views, draws)
        bptt = self.bptt
        if isinstance(bptt, Truncated) and config.bptt.random_cuts:
            bptt = dataclasses.replace(bptt, offset=int(torch.randint(bptt.segment, (), generator=draws)))
        with torch.autocast(device.type, getattr(torch, config.precision), enabled=config.precision != "float32"):
            loss = self.objective(augmented, bptt, dropout)
        gradients = list(torch.autograd.grad(self.scaler.scale(loss.objective), self.parameters))
        ended = {}
        if loss.states is not None:
            rows = loss.states[:, :, : len(shard.ids)].cpu().unbind(2)
            ended = {  # a view would be stored with all it looks at
                name: row.clone() for name, row in zip(shard.recordings, rows, strict=True)
            }
        samples = int(shard.num_samples.sum())
        return gradients, WorkResult(loss.value, loss.count, loss.infeasible, ended, shard.ids, samples)

    def _augment(self, batch: Batch, states: dict[str, Tensor], views: int, draws: torch.Generator) -> AugmentedBatch:
        """From waveforms to augmented frames, and the states in which their recordings stand."""
        config, features = self.config, self.recogniser.features
        log_mel, lengths = features(batch.waveforms, batch.num_samples)
        # Views have one tempo: their frames are compared.
        log_mel, lengths = perturb_tempo(log_mel, lengths, config.augment, draws)
        log_mel, lengths = log_mel.repeat(views, 1, 1), lengths.repeat(views)
        log_mel = perturb_sound(
            log_mel,
            lengths,
            config.augment,
            frequencies=features.frequencies,
            mean=features.mean,
            deviation=features.deviation,
            generator=draws,
        )
        rate = 1 / config.features.exact_hop
        log_mel = spec_augment(log_mel, lengths, config.augment, frames_per_second=rate, generator=draws)
        begin = None
        if config.bptt.carry:  # a recording's first piece begins at zeros
            zeros = self.recogniser.acoustic.initial_states(1)[:, :, 0]
            rows = [states.get(name, zeros).to(log_mel.device) for name in batch.recordings]
            begin = torch.stack(rows * views, dim=2)
        return AugmentedBatch(batch, log_mel, lengths, begin)

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights.

        Early on they follow quickly, so that they do not remember the initial ones.
        """
        decay = min(self.config.average, (1 + self.position.step) / (10 + self.position.step))
        averaged: list[Tensor] = list(self.averaged.parameters())
        torch._foreach_lerp_(averaged, list[Tensor](self.parameters), 1 - decay)

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on."""
        return {
            "position": dataclasses.asdict(self.position),
            "statistics": self.recogniser.features.state_dict(),
            "model": self.objective.module.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "states": self.states,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.position = Position(**state["position"])
        self.recogniser.features.load_state_dict(state["statistics"])
        self.objective.module.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.states = state["states"]


def _part(name: str) -> str:
    """What part of the model a parameter belongs to: convolutions, layer_1, ..., output."""
    first, second, *_ = name.removeprefix("acoustic.").split(".")
    if first == "layers":
        return f"layer_{int(second) + 1}"
    return "convolutions" if first == "subsample" else "output"


def _seed(*parts: int) -> int:
    """A number of 63 bits from several, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little") >> 1
