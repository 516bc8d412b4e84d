"""Backpropagation through time: where state is carried, and where gradients stop.

An utterance of T frames is unrolled in one of these modes. Both give the same forward values; they differ in how far a
gradient reaches.

    Full                 the whole utterance (Werbos 1990, "Backpropagation through time: what it does and how to do it")
    Truncated(segment)   at most `segment` frames: state is handed on, its gradient is not (Williams & Peng 1990)

Only the recurrence is cut, never the loss: CTC sees the log-probs of the whole utterance. In a stack of layers every layer and
direction is cut at its own hand-overs, while a frame's gradient with respect to its input passes down to the layer below untouched.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from asr.errors import ConfigError
from asr.units import Frames

State: TypeAlias = "Tensor | tuple[Tensor, Tensor] | None"
"""What a layer hands on: h of shape (1, B, H) for RNN and GRU, (h, c) for LSTM, None for zeros."""


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
    if isinstance(bptt, Full) or inputs.shape[1] <= bptt.segment:
        outputs: Tensor = rnn(inputs)[0]
        return outputs
    state: State = None
    segments = []
    for segment in torch.split(inputs, bptt.segment, dim=1):
        output, state = rnn(segment, state)
        state = _detached(state)
        segments.append(output)
    return torch.cat(segments, dim=1)


def _detached(state: State) -> State:
    if state is None:
        return None
    return state.detach() if isinstance(state, Tensor) else (state[0].detach(), state[1].detach())
