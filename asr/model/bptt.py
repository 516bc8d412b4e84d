"""Backpropagation through time: where state is carried, and where gradients stop.

An utterance of T frames is unrolled in one of these modes. The first two give the same forward
values. They differ in how far a gradient reaches. The third also limits how far the backward
direction sees.

    Full                        the whole utterance (Werbos 1990, "Backpropagation through time:
                                what it does and how to do it")
    Truncated(segment)          at most `segment` frames: state is handed on, its gradient is not
                                (Williams & Peng 1990)
    Chunked(chunk, lookahead)   latency-controlled BLSTM (Zhang et al. 2016, arXiv 1510.08983):
                                what is trained runs live

Truncated BPTT can also recompute. Its forward pass then keeps each layer's inputs and the states
between segments, but no gates. Given those states, the segments of a layer no longer depend on one
another. So the backward pass recomputes several at once, as rows of one batch, in fewer and larger
matrix products. Only those segments have gates in memory. The forward direction of chunks always
recomputes so: it must run once through the utterance anyway, for the states.

Only the recurrence is cut, never the loss: CTC reads the log-probs of the whole utterance. In a
stack, every layer and direction is cut at its own hand-overs. A frame's gradient with respect to
its input passes down to the layer below untouched.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.model.reading import Full, Truncated
from asr.units import Frames

State: TypeAlias = "Tensor | tuple[Tensor, Tensor] | None"
"""What a layer hands on: h of shape (1, B, H) for RNN and GRU, (h, c) for LSTM, None for zeros."""

ROWS = 64
"""Rows (utterances times segments) that recomputation runs at once.

The memory of its gates depends on this. Beyond about 32 a CPU's LSTM gains nothing.
"""

Step: TypeAlias = Callable[[Tensor, "Tensor | None", State], "tuple[Tensor, State]"]
"""One direction of a layer over a stretch of its inputs.

It takes frames (B, T, F) in reading order, what dropout keeps of them, and the state handed on. It
gives outputs (B, T, H) and the state reached.
"""


def unroll(rnn: nn.RNNBase, inputs: Tensor, bptt: Full | Truncated, state: State = None) -> Tensor:
    """Run one direction of one layer over its inputs.

    Args:
        rnn: a unidirectional single-layer `nn.RNN`, `nn.GRU` or `nn.LSTM` with `batch_first`.
        inputs: (B, T, F) in reading order, padding last.
        bptt: where gradients stop.
        state: where it begins.

    Returns:
        (B, T, H): equal in both modes, to rounding.
    """
    starts = [0] if isinstance(bptt, Full) else bptt.starts(inputs.shape[1])
    if len(starts) == 1:
        outputs: Tensor = rnn(inputs, state)[0]
        return outputs
    sizes = [stop - start for start, stop in pairwise([*starts, inputs.shape[1]])]
    segments = []
    for segment in torch.split(inputs, sizes, dim=1):  # not slices: each would have a gradient of full length
        output, state = rnn(segment, state)
        state = each(Tensor.detach, state)
        segments.append(output)
    return torch.cat(segments, dim=1)


def unroll_recomputed(
    step: Step,
    inputs: Tensor,
    reading: Tensor | None,
    kept: Tensor | None,
    weights: Sequence[Tensor],
    bptt: Truncated,
    state: State = None,
) -> Tensor:
    """Run one direction of one layer, keeping its inputs and boundary states but no gates.

    Args:
        step: the direction, and whatever it does to a frame before it is read.
        inputs: (B, T, F).
        reading: (B, T), the frame that is read at each step. The order is its own inverse. None
            reads from the first to the last.
        kept: (B, T, F), bool, what dropout keeps of the inputs; handed to `step`.
        weights: all that `step` is differentiated by.
        bptt: where gradients stop.
        state: where it begins.

    Returns:
        (B, T, H) in reading order.
    """
    outputs: Tensor = _Recomputed.apply(step, reading, kept, bptt, state, inputs, *weights)
    return outputs


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        step: Step,
        reading: Tensor | None,
        kept: Tensor | None,
        bptt: Truncated,
        state: State,
        inputs: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        states, outputs = [], []
        for start, stop in pairwise([*bptt.starts(inputs.shape[1]), inputs.shape[1]]):
            stretch = slice(start, stop)
            states.append(state)
            output, state = step(_read(inputs, reading, stretch), _read(kept, reading, stretch), state)
            outputs.append(output)
        ctx.step, ctx.bptt, ctx.states, ctx.autocast = step, bptt, states, _autocast(inputs)
        ctx.save_for_backward(inputs, reading, kept, *weights)
        return torch.cat(outputs, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, reading, kept, *weights = ctx.saved_tensors
        segment, again = ctx.bptt.segment, _Again(weights, ctx.autocast)
        to_inputs = inputs.new_empty(inputs.shape)
        borders = [*ctx.bptt.starts(inputs.shape[1]), inputs.shape[1]]
        count, at_once = len(ctx.states), max(1, ROWS // len(inputs))
        groups = [
            0,
            *range(1 if ctx.bptt.offset else at_once, count, at_once),
            count,
        ]  # a shorter first segment is alone
        for first, last in pairwise(groups):
            states, stretch = ctx.states[first:last], slice(borders[first], borders[last])
            rows = _fold(_read(inputs, reading, stretch), segment)
            masks = None if kept is None else _fold(_read(kept, reading, stretch), segment)
            step = partial(ctx.step, kept=masks, state=stack(states))
            to_rows = again.gradient(step, rows, _fold(gradients[0][:, stretch], segment))
            to_stretch = _unfold(to_rows, len(states))[:, : stretch.stop - stretch.start]
            if reading is None:
                to_inputs[:, stretch] = to_stretch
            else:
                to_inputs.view(-1, inputs.shape[2])[_rows(reading[:, stretch], inputs)] = to_stretch.flatten(0, 1)
        return (None, None, None, None, None, to_inputs, *again.of_weights)


def unroll_chunks(rnn: nn.RNNBase, rows: Tensor, chunk: Frames, count: int) -> Tensor:
    """Run the forward direction of one layer over all chunks of utterances, keeping no gates.

    Args:
        rnn: as in `unroll`.
        rows: (count x B, chunk or more, F), the first chunk of each utterance with what lies beyond
            it, then the second, and so on.
        chunk: frames of a chunk.
        count: chunks of an utterance.

    Returns:
        (count x B, chunk or more, H). The state is handed from chunk to chunk, its gradient is not.
    """
    outputs: Tensor = _Chunks.apply(rnn, chunk, count, rows, *rnn.parameters())
    return outputs


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rnn: nn.RNNBase, chunk: Frames, count: int, rows: Tensor, *weights: Tensor) -> Tensor:
        own, states = [], [None]
        for frames in torch.chunk(rows[:, :chunk], count):
            output, state = rnn(frames, states[-1])
            own.append(output)
            states.append(state)
        ctx.rnn, ctx.states, ctx.autocast = rnn, stack(states[:-1]), _autocast(rows)
        ctx.save_for_backward(rows, *weights)
        if rows.shape[1] == chunk:
            return torch.cat(own)
        return torch.cat([torch.cat(own), rnn(rows[:, chunk:], stack(states[1:]))[0]], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, *weights = ctx.saved_tensors
        again = _Again(weights, ctx.autocast)
        to_rows = torch.empty_like(rows)
        groups = -(-len(rows) // ROWS)
        borders = [len(rows) * number // groups for number in range(groups + 1)]
        for at in (slice(*pair) for pair in pairwise(borders)):
            step = partial(ctx.rnn, hx=_of_rows(ctx.states, at))
            to_rows[at] = again.gradient(step, rows[at], gradients[0][at])
        return (None, None, None, to_rows, *again.of_weights)


class _Again:
    """Steps that are taken a second time for their gradients, some rows after others.

    Args:
        weights: all that the steps are differentiated by, beside their rows.
        autocast: as `_autocast` found it the first time.
    """

    def __init__(self, weights: Sequence[Tensor], autocast: "tuple[bool, torch.dtype]") -> None:
        self._weights, self._autocast = weights, autocast
        self._trained = [weight for weight in weights if weight.requires_grad]
        self._sums = [torch.zeros_like(weight) for weight in self._trained]

    def gradient(self, step: Callable[[Tensor], "tuple[Tensor, State]"], rows: Tensor, gradient: Tensor) -> Tensor:
        """Of a step's rows, given that of its outputs; those of the weights are added up."""
        rows, (enabled, dtype) = rows.detach().requires_grad_(), self._autocast
        with torch.enable_grad(), torch.autocast(rows.device.type, dtype, enabled=enabled):
            outputs, _ = step(rows)
        to_rows, *found = torch.autograd.grad(outputs, [rows, *self._trained], gradient)
        torch._foreach_add_(self._sums, found)
        return to_rows

    @property
    def of_weights(self) -> list[Tensor | None]:
        """The sums; None of a weight that is not trained."""
        sums = iter(self._sums)
        return [next(sums) if weight.requires_grad else None for weight in self._weights]


def _autocast(frames: Tensor) -> "tuple[bool, torch.dtype]":
    """Whether a step is computed in another precision now, and in which."""
    device = frames.device.type
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


def state_after(rnn: nn.RNNBase, inputs: Tensor, lengths: Tensor, state: State) -> State:
    """Compute the state that a direction reaches at the end of each sequence, without gradient.

    Sequences are (B, T, F) and may end anywhere: their lengths are (B,). They are packed, which
    makes only a backward pass slow.
    """
    packed = nn.utils.rnn.pack_padded_sequence(inputs.detach(), lengths.cpu(), batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        reached: State = rnn(packed, state)[1]
    return reached


def _read(frames: Tensor | None, reading: Tensor | None, stretch: slice) -> Any:
    """The frames that are read in a stretch of steps."""
    if frames is None or reading is None:
        return None if frames is None else frames[:, stretch]
    return read(frames, reading[:, stretch])


def read(frames: Tensor, reading: Tensor) -> Tensor:
    """(B, T, F) and which frame to read at each of n steps, (B, n) -> (B, n, F).

    Whole rows are copied, 20 times faster than by `gather`.
    """
    return frames.flatten(0, 1).index_select(0, _rows(reading, frames)).view(*reading.shape, frames.shape[2])


def _rows(reading: Tensor, frames: Tensor) -> Tensor:
    """(B, n), frames of utterances -> (B n,), rows of a batch's frames laid end to end."""
    first = torch.arange(len(frames), device=reading.device) * frames.shape[1]
    return (first[:, None] + reading).flatten()


def _fold(frames: Tensor, segment: Frames) -> Tensor:
    """(B, T, F) -> (segments x B, segment, F), the last segment padded with zeros."""
    batch, num_frames, size = frames.shape
    segments = -(-num_frames // segment)
    padded = F.pad(frames, (0, 0, 0, segments * segment - num_frames))
    return padded.reshape(batch, segments, segment, size).transpose(0, 1).flatten(0, 1).detach()


def chunk_windows(frames: Tensor, chunk: Frames, lookahead: Frames) -> Tensor:
    """Cut frames into chunks, each with what lies beyond it; zeros stand behind the end.

    (B, T, F) -> (chunks x B, chunk + lookahead, F), the first chunk of each utterance first.
    """
    beyond = -frames.shape[1] % chunk + lookahead
    windows = F.pad(frames, (0, 0, 0, beyond)).unfold(1, chunk + lookahead, chunk)  # (B, chunks, F, n)
    return windows.permute(1, 0, 3, 2).flatten(0, 1)


def _unfold(rows: Tensor, segments: int) -> Tensor:
    """(segments x B, segment, F) -> (B, segments x segment, F)."""
    return rows.reshape(segments, -1, *rows.shape[1:]).transpose(0, 1).flatten(1, 2)


def stack(states: Sequence[State]) -> State:
    """States of segments -> the state of their rows.

    None stands for the zeros from which an utterance's first segment begins.
    """
    zeros = next((each(torch.zeros_like, state) for state in states if state is not None), None)
    known = [zeros if state is None else state for state in states]
    if zeros is None:
        return None
    if isinstance(zeros, Tensor):
        return torch.cat(known, dim=1)  # type: ignore[arg-type]
    hidden, cell = zip(*known, strict=True)
    return torch.cat(hidden, dim=1), torch.cat(cell, dim=1)


def _of_rows(state: State, at: slice) -> State:
    """The state of some of the rows."""
    return each(lambda of_all: of_all[:, at].contiguous(), state)


def each(function: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply a function to the tensors of a state."""
    if state is None:
        return None
    return function(state) if isinstance(state, Tensor) else (function(state[0]), function(state[1]))
