"""How far gradients reach through time: what truncation drops, and where they vanish or explode.

Take a direction of a layer, in its reading order. Its strength at distance k is the norm of a
derivative. That is the derivative of its output at a frame, along a random unit vector, with
respect to its input k frames before. It is averaged over frames and vectors.

A strength that decays with k is a vanishing gradient, one that grows an exploding one (Bengio et
al. 1994; Pascanu et al. 2013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from asr.files import atomic
from asr.model.acoustic import AcousticModel
from asr.model.reading import Full
from asr.model.recurrent import RecurrentLayer, reverse_within
from asr.units import Frames, Seconds

Direction: TypeAlias = Literal["forward", "backward"]

TOLERANCE = 0.1
"""Share of the gradient that a recommended segment may drop."""


@dataclass(frozen=True)
class Reach:
    """How strongly one direction of one layer depends on what it read before."""

    layer: int
    """From 1."""
    direction: Direction
    strength: Tensor
    """(D + 1,), at distances of 0 to D frames."""

    @property
    def share_within(self) -> Tensor:
        """(D + 1,), the share of all strength that lies at distances of 0 to k frames."""
        return self.strength.cumsum(0) / self.strength.sum().clamp(min=torch.finfo(self.strength.dtype).tiny)

    def dropped(self, segment: Frames) -> float:
        """The share of the gradient that truncation to `segment` frames drops.

        It is the mean over a segment's frames. The first one reaches no frame before it, the last
        one all others.
        """
        beyond = 1 - self.share_within[:segment]
        return float(beyond.sum()) / segment

    def recommended(self) -> Frames | None:
        """The shortest segment that drops at most `TOLERANCE`; None if no measured one does."""
        beyond = (1 - self.share_within).cumsum(0) / torch.arange(1, len(self.strength) + 1)
        enough = (beyond <= TOLERANCE).nonzero()
        return int(enough[0]) + 1 if len(enough) else None

    @property
    def growth(self) -> float:
        """Factor of the strength from a frame to the next, over the farther half of distances."""
        half = self.strength[len(self.strength) // 2 :].clamp(min=torch.finfo(self.strength.dtype).tiny)
        return float((half[-1] / half[0]) ** (1 / max(1, len(half) - 1)))


def measure_reach(
    model: AcousticModel, log_mel: Tensor, lengths: Tensor, *, distance: Frames, probes: int = 64, seed: int = 0
) -> list[Reach]:
    """Measure every layer and direction of a model on given utterances.

    The model is in evaluation and reads them whole. All draws are made on the CPU, so every device
    measures the same frames and directions.

    Args:
        model: fresh or trained, on any device.
        log_mel: (B, T, F), on the model's device.
        lengths: (B,), valid frames, likewise.
        distance: how far back to look, in output frames; no farther than half of the utterances
            allow.
        probes: output frames, and random directions of output, to average over.
        seed: of the draws.
    """
    inputs: list[Tensor] = []
    layers = [module for module in model.modules() if isinstance(module, RecurrentLayer)]
    hooks = [layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0])) for layer in layers]
    training = model.training
    try:
        with torch.no_grad():
            frames = model.eval()(log_mel, lengths, Full()).lengths
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    draw = torch.Generator().manual_seed(seed)
    distance = min(distance, int(frames.median()) - 1)
    found = []
    for number, (layer, read) in enumerate(zip(layers, inputs, strict=True), start=1):
        prepared = layer.norm(read).detach()
        orders: tuple[tuple[Direction, Tensor], ...] = (
            ("forward", prepared),
            ("backward", reverse_within(prepared, frames)),
        )
        for rnn, (direction, ordered) in zip(layer.rnns, orders, strict=False):
            strength = _strength(rnn, ordered, frames, distance, probes, draw)  # type: ignore[arg-type]
            found.append(Reach(number, direction, strength))
    return found


def _strength(
    rnn: nn.RNNBase, inputs: Tensor, lengths: Tensor, distance: Frames, probes: int, draw: torch.Generator
) -> Tensor:
    """(B, T, F) in reading order -> (distance + 1,)."""
    device = inputs.device
    choices = (lengths.cpu() - distance).clamp(min=0).double()
    rows = choices.multinomial(probes, replacement=True, generator=draw)
    ends = distance + (torch.rand(probes, generator=draw, dtype=torch.float64) * choices[rows]).long()
    read = inputs[rows.to(device), : int(ends.max()) + 1].requires_grad_()
    outputs = rnn(read)[0][torch.arange(probes, device=device), ends.to(device)]  # (probes, H)
    along = nn.functional.normalize(torch.randn(outputs.shape, generator=draw).to(outputs), dim=1)
    (gradient,) = torch.autograd.grad((outputs * along).sum(), read)
    norms = gradient.norm(dim=2)  # (probes, T)
    back = (ends[:, None] - torch.arange(distance + 1)).to(device)
    strength: Tensor = norms.gather(1, back).mean(dim=0).double().cpu()
    return strength


def to_json(reaches: Sequence[Reach], *, frame: Seconds) -> list[dict[str, Any]]:
    """One object a layer and direction; strengths at 0, 1, 2, ... frames of `frame` seconds."""
    described = []
    for reach in reaches:
        segment = reach.recommended()
        described.append(
            {
                "layer": reach.layer,
                "direction": reach.direction,
                "frame_seconds": frame,
                "strength": reach.strength.tolist(),
                "share_within": reach.share_within.tolist(),
                "growth_per_frame": reach.growth,
                "recommended_segment_seconds": None if segment is None else segment * frame,
            }
        )
    return described


def recommended_segment(reaches: Sequence[Reach]) -> Frames | None:
    """The shortest segment that serves every layer and direction.

    None if one needs more than was measured.
    """
    segments = [reach.recommended() for reach in reaches]
    return None if None in segments or not segments else max(segment for segment in segments if segment is not None)


def draw_reach(models: Sequence[tuple[str, Seconds, Sequence[Reach]]], path: Path) -> None:
    """Draw models side by side, named, with their output frame's length.

    Each picture shows strength against time back (forward direction) and ahead (backward
    direction), relative to the frame itself.
    """
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(5 * len(models), 4.6), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    colours = [f"C{number}" for number in range(10)]
    lowest = 1.0
    for axes, (name, frame, reaches) in zip(panels, models, strict=True):
        for reach in reaches:
            strength = reach.strength / reach.strength[0].clamp(min=torch.finfo(torch.float64).tiny)
            seconds = torch.arange(len(strength)) * frame * (-1 if reach.direction == "forward" else 1)
            label = f"layer {reach.layer}" if reach.direction == "forward" else None
            axes.plot(seconds, strength, color=colours[(reach.layer - 1) % 10], label=label, linewidth=1.6)
            lowest = min(lowest, float(strength.min()))
        segment = recommended_segment(reaches)
        if segment is not None:
            axes.axvspan(-segment * frame, segment * frame, color="black", alpha=0.07, linewidth=0)
        advice = "no segment that was measured" if segment is None else f"a segment of {segment * frame:.2f} s"
        axes.set_title(f"{name}\n{advice} drops at most {100 * TOLERANCE:.0f} %", fontsize=10)
        axes.set(xlabel="<- seconds back        seconds ahead ->", yscale="log")
        axes.axhline(1.0, color="black", linewidth=0.6, linestyle=":")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower center", fontsize=8)
    panels[0].set_ylabel("strength of the gradient, relative to the frame itself")
    panels[0].set_ylim(bottom=max(10 ** math.floor(math.log10(max(lowest, 1e-12))), 1e-9))
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
