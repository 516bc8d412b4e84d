"""Backpropagation through time: where state is carried, and where gradients stop.

An utterance of T frames is unrolled in one of these modes. Both give the same forward values; they differ in how far a
gradient reaches.

    Full                 the whole utterance (Werbos 1990, "Backpropagation through time: what it does and how to do it")
    Truncated(segment)   at most `segment` frames: state is handed on, its gradient is not (Williams & Peng 1990)

Truncated BPTT can also recompute: its forward pass keeps each layer's inputs and the states handed from segment to segment, but no
gates. Given those states, the segments of a layer no longer depend on one another, so the backward pass recomputes several of
them at once, as rows of one batch (fewer and larger matrix products), and only those have gates in memory.

Only the recurrence is cut, never the loss: CTC sees the log-probs of the whole utterance. In a stack of layers every layer and
direction is cut at its own hand-overs, while a frame's gradient with respect to its input passes down to the layer below untouched.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.errors import ConfigError
from asr.units import Frames

State: TypeAlias = "Tensor | tuple[Tensor, Tensor] | None"
"""What a layer hands on: h of shape (1, B, H) for RNN and GRU, (h, c) for LSTM, None for zeros."""

ROWS = 64
"""Rows (utterances times segments) that recomputation runs at once, on which the memory of its gates depends; beyond about 32
a CPU's LSTM gains nothing.
"""


@dataclass(frozen=True)
class Full:
    """Gradients reach over the whole utterance."""


@dataclass(frozen=True)
class Truncated:
    """Gradients reach to the start of a segment of `segment` frames, in the order in which the direction reads.

    The first segment begins where the direction begins to read: at the first frame forwards, at the last valid frame
    backwards. So an utterance's cuts do not depend on its padding or its batch. The last segment is the shorter one.

    Raises:
        ConfigError: if `segment` is below one frame.
    """

    segment: Frames
    recompute: bool = False
    """Keep no gates in the forward pass: less memory, and one more forward pass of the recurrence."""

    def __post_init__(self) -> None:
        if self.segment < 1:
            raise ConfigError(f"a BPTT segment has at least one frame, got {self.segment}")


Bptt: TypeAlias = Full | Truncated


def unroll(rnn: nn.RNNBase, inputs: Tensor, bptt: Bptt) -> Tensor:
    """Run one direction of one layer over its inputs, from a zero state.

    Args:
        rnn: a unidirectional single-layer `nn.RNN`, `nn.GRU` or `nn.LSTM` with `batch_first`.
        inputs: (B, T, F) in reading order, padding last.
        bptt: where gradients stop.

    Returns:
        (B, T, H): equal in both modes, to rounding.
    """
    if isinstance(bptt, Full) or (inputs.shape[1] <= bptt.segment and not bptt.recompute):
        outputs: Tensor = rnn(inputs)[0]
        return outputs
    if bptt.recompute and torch.is_grad_enabled():
        recomputed: Tensor = _Recomputed.apply(rnn, bptt.segment, inputs, *rnn.parameters())
        return recomputed
    return torch.cat([output for output, _ in _segments(rnn, inputs, bptt.segment)], dim=1)


def _segments(rnn: nn.RNNBase, inputs: Tensor, segment: Frames) -> Iterator[tuple[Tensor, State]]:
    """Run segment after segment; gives each one's output and the state, without gradient, that it was handed."""
    state: State = None
    for frames in torch.split(inputs, segment, dim=1):
        output, reached = rnn(frames, state)
        yield output, state
        state = _each(Tensor.detach, reached)


class _Recomputed(torch.autograd.Function):
    """Truncated BPTT of one direction whose backward pass computes the gates a second time."""

    @staticmethod
    def forward(ctx: Any, rnn: nn.RNNBase, segment: Frames, inputs: Tensor, *weights: Tensor) -> Tensor:
        outputs, states = zip(*_segments(rnn, inputs, segment), strict=True)
        device = inputs.device.type
        ctx.rnn, ctx.segment, ctx.states = rnn, segment, states
        ctx.autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        ctx.save_for_backward(inputs)
        return torch.cat(outputs, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs: Tensor
        (inputs,) = ctx.saved_tensors
        rnn, segment = ctx.rnn, ctx.segment
        weights = [weight for weight in rnn.parameters() if weight.requires_grad]
        sums = [torch.zeros_like(weight) for weight in weights]
        to_inputs = torch.empty_like(inputs)
        enabled, dtype = ctx.autocast
        at_once = max(1, ROWS // len(inputs))
        for first in range(0, len(ctx.states), at_once):
            states = ctx.states[first : first + at_once]
            start, stop = first * segment, min((first + len(states)) * segment, inputs.shape[1])
            folded = _fold(inputs[:, start:stop], segment).requires_grad_()
            with torch.enable_grad(), torch.autocast(inputs.device.type, dtype, enabled=enabled):
                outputs = rnn(folded, _stack(states))[0]
            given = _fold(gradients[0][:, start:stop], segment)
            found = torch.autograd.grad(outputs, [folded, *weights], given)
            to_inputs[:, start:stop] = _unfold(found[0], len(states))[:, : stop - start]
            torch._foreach_add_(sums, found[1:])
        ours = iter(sums)
        return None, None, to_inputs, *(next(ours) if weight.requires_grad else None for weight in rnn.parameters())


def _fold(frames: Tensor, segment: Frames) -> Tensor:
    """(B, T, F) -> (segments x B, segment, F), the last segment padded with zeros."""
    batch, num_frames, size = frames.shape
    segments = -(-num_frames // segment)
    padded = F.pad(frames, (0, 0, 0, segments * segment - num_frames))
    return padded.reshape(batch, segments, segment, size).transpose(0, 1).flatten(0, 1).detach()


def _unfold(rows: Tensor, segments: int) -> Tensor:
    """(segments x B, segment, F) -> (B, segments x segment, F)."""
    return rows.reshape(segments, -1, *rows.shape[1:]).transpose(0, 1).flatten(1, 2)


def _stack(states: Sequence[State]) -> State:
    """States of segments -> the state of their rows; none is the zeros from which the first segment of all begins."""
    zeros = next((_each(torch.zeros_like, state) for state in states if state is not None), None)
    known = [zeros if state is None else state for state in states]
    if zeros is None:
        return None
    if isinstance(zeros, Tensor):
        return torch.cat(known, dim=1)  # type: ignore[arg-type]
    hidden, cell = zip(*known, strict=True)
    return torch.cat(hidden, dim=1), torch.cat(cell, dim=1)


def _each(function: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply a function to the tensors of a state."""
    if state is None:
        return None
    return function(state) if isinstance(state, Tensor) else (function(state[0]), function(state[1]))
