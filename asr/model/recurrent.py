"""Recurrent layers that padding cannot reach: tanh RNN, GRU and LSTM.

Elman 1990; Cho et al. 2014; Hochreiter & Schmidhuber 1997.

Never packed. A bidirectional layer (Schuster & Paliwal 1997) is two unidirectional ones. The
backward one reads every sequence reversed within its own length. So padding comes last in both
directions and cannot reach a valid frame. PyTorch's fast kernels then apply, which packed sequences
lose: a whole CPU training step was measured up to 9 times slower.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.model.bptt import State, each, read, state_after, unroll, unroll_chunks, unroll_recomputed
from asr.model.reading import Full, Truncated
from asr.model.shape import Cell, Merge
from asr.units import Frames

_CELLS: dict[Cell, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class _ReverseWithin(torch.autograd.Function):
    """A reading order that is its own inverse.

    So its gradient is read in the same order, and not scattered, which is slower.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, reading: Tensor) -> Tensor:
        ctx.save_for_backward(reading)
        return read(inputs, reading)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (reading,) = ctx.saved_tensors
        reversed_gradient: Tensor = _ReverseWithin.apply(gradients[0], reading)
        return reversed_gradient, None


def reverse_within(inputs: Tensor, lengths: Tensor) -> Tensor:
    """Reverse every sequence within its own length; padding stays where it is.

    Applied twice it gives the inputs back.

    Args:
        inputs: (B, T, F).
        lengths: (B,), valid frames, on the inputs' device.
    """
    reversed_inputs: Tensor = _ReverseWithin.apply(inputs, reading_backwards(lengths, inputs.shape[1]))
    return reversed_inputs


def reading_backwards(lengths: Tensor, frames: Frames) -> Tensor:
    """(B, frames), the frame at each place of sequences reversed within their lengths."""
    time = torch.arange(frames, device=lengths.device)
    return torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)


def dropout_mask(inputs: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Draw which features dropout keeps (Srivastava et al. 2014).

    The given generator makes a step repeatable. Four features are drawn at once, of 16 bits each,
    so a share is rounded down to a 65,536th.
    """
    quads = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64, device=inputs.device)
    draws = quads.random_(-(1 << 63), None, generator=generator).view(torch.int16)
    return (draws >= int(share * (1 << 16)) - (1 << 15))[: inputs.numel()].view(inputs.shape)


def drop(inputs: Tensor, kept: Tensor | None, share: float) -> Tensor:
    """Zero what a mask does not keep, and scale up the rest; without a mask nothing changes."""
    return inputs if kept is None else inputs * kept / (1 - share)


class RecurrentLayer(nn.Module):
    """Layer norm (Ba et al. 2016), dropout and a recurrence, in one direction or both.

    The LSTM's forget gates start at a bias of one, so that gradients flow from the first step (Gers
    et al. 2000; Jozefowicz et al. 2015).

    Args:
        cell: which recurrence.
        input_size: features of a frame.
        hidden_size: units of one direction.
        bidirectional: also read from the end.
        merge: "concat" gives 2 x hidden_size features. "sum" adds the directions, as Deep Speech 2
            does, and gives hidden_size. That saves a quarter of the next layer's work.
        layer_norm: normalise each frame first.
        dropout: share of the features that is then dropped in training.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        bidirectional: bool,
        merge: Merge,
        layer_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        self.norm = nn.LayerNorm(input_size) if layer_norm else nn.Identity()
        self.dropout = dropout
        self.rnns = nn.ModuleList(_CELLS[cell](input_size, hidden_size, batch_first=True) for _ in range(directions))
        self.merge = merge
        self.output_size = hidden_size * (directions if merge == "concat" else 1)
        if cell == "lstm":
            for rnn in self.rnns:
                with torch.no_grad():  # gates lie in the order input, forget, cell, output
                    rnn.bias_ih_l0[hidden_size : 2 * hidden_size] = 1.0  # type: ignore[operator]
                    rnn.bias_hh_l0[hidden_size : 2 * hidden_size] = 0.0  # type: ignore[operator]

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor,
        bptt: Full | Truncated,
        generator: torch.Generator | None = None,
        state: State = None,
    ) -> tuple[Tensor, State]:
        """Read whole sequences.

        Args:
            inputs: (B, T, input_size).
            lengths: (B,), valid frames; each at least 1 if a state is given.
            bptt: where gradients stop.
            generator: source of the dropout masks in training.
            state: where the forward direction begins; None for zeros.

        Returns:
            (B, T, output_size); values at padded frames have no meaning. If a state was given, also
            the one that the forward direction reaches at each sequence's end, without gradient.
        """
        kept = self._draw(inputs, generator)
        if torch.is_grad_enabled() and isinstance(bptt, Truncated) and bptt.recomputes(*inputs.shape[:2]):
            orders = ((None, state), (reading_backwards(lengths, inputs.shape[1]), None))
            outputs = [
                unroll_recomputed(
                    partial(self._step, rnn),
                    inputs,
                    order,
                    kept,
                    [*self.norm.parameters(), *rnn.parameters()],
                    bptt,
                    start,
                )
                for rnn, (order, start) in zip(self.rnns, orders, strict=False)
            ]
        else:
            frames = self._prepare(inputs, kept)
            outputs = [unroll(self.rnns[0], frames, bptt, state)]  # type: ignore[arg-type]
            if len(self.rnns) == 2:
                outputs.append(unroll(self.rnns[1], reverse_within(frames, lengths), bptt))  # type: ignore[arg-type]
        if state is not None:
            with torch.no_grad():
                state = state_after(self.rnns[0], self._prepare(inputs, kept), lengths, state)  # type: ignore[arg-type]
        return self._merge(outputs, lengths), state

    def one_way(
        self, inputs: Tensor, direction: int, bptt: Full | Truncated, generator: torch.Generator | None = None
    ) -> Tensor:
        """Read in one direction alone.

        Args:
            inputs: (B, T, input_size) in the direction's reading order, padding last.
            direction: 0 is forwards, 1 backwards.
            bptt: where gradients stop.
            generator: source of the dropout masks in training.

        Returns:
            (B, T, output_size) in reading order: what `forward` gives if the other direction is
            zero.
        """
        kept, rnn = self._draw(inputs, generator), self.rnns[direction]
        if torch.is_grad_enabled() and isinstance(bptt, Truncated) and bptt.recomputes(*inputs.shape[:2]):
            weights = [*self.norm.parameters(), *rnn.parameters()]
            output = unroll_recomputed(partial(self._step, rnn), inputs, None, kept, weights, bptt)
        else:
            output = unroll(rnn, self._prepare(inputs, kept), bptt)  # type: ignore[arg-type]
        beside = self.output_size - output.shape[2]
        return F.pad(output, (beside, 0) if direction else (0, beside))

    def window(
        self, inputs: Tensor, lengths: Tensor, chunk: Frames, state: State, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        """Read a chunk and the lookahead frames behind it, as `bptt.Chunked` has it.

        Args:
            inputs: (B, chunk + lookahead, input_size); shorter at the end of an utterance.
            lengths: (B,), valid frames among them.
            chunk: frames of the chunk.
            state: the forward direction's, from the chunk before.
            generator: source of the dropout masks in training.

        Returns:
            (B, chunk + lookahead, output_size), and the forward direction's state after the chunk,
            without gradient.
        """
        frames = self._prepare(inputs, self._draw(inputs, generator))
        forwards, state = self.rnns[0](frames[:, :chunk], state)
        if frames.shape[1] > chunk:
            forwards = torch.cat([forwards, self.rnns[0](frames[:, chunk:], state)[0]], dim=1)
        outputs = [forwards, *(rnn(reverse_within(frames, lengths))[0] for rnn in self.rnns[1:])]
        return self._merge(outputs, lengths), each(Tensor.detach, state)

    def chunks(
        self,
        inputs: Tensor,
        lengths: Tensor,
        chunk: Frames,
        count: int,
        generator: torch.Generator | None = None,
        *,
        beyond: bool = True,
    ) -> Tensor:
        """Read all chunks of utterances at once, as `window` does one after the other.

        The forward direction runs through the chunks' own frames. That gives the state in which
        each chunk begins. Given these, chunks do not depend on one another, and gradients end at
        their borders anyway.

        Args:
            inputs: (count x B, chunk + lookahead, input_size), the first chunk of each utterance,
                then the second, and so on.
            lengths: (count x B,), valid frames among them.
            chunk: frames of a chunk.
            count: chunks of an utterance.
            generator: source of the dropout masks in training.
            beyond: whether a layer above reads the outputs beyond the chunk.

        Returns:
            (count x B, chunk + lookahead, output_size), or (count x B, chunk, output_size).
        """
        frames = self._prepare(inputs, self._draw(inputs, generator))
        outputs = [unroll_chunks(self.rnns[0], frames if beyond else frames[:, :chunk], chunk, count)]  # type: ignore[arg-type]
        outputs += [rnn(reverse_within(frames, lengths))[0] for rnn in self.rnns[1:]]
        return self._merge(outputs, lengths)

    def _draw(self, inputs: Tensor, generator: torch.Generator | None) -> Tensor | None:
        return dropout_mask(inputs, self.dropout, generator) if self.training and self.dropout else None

    def _merge(self, outputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Outputs of each direction, in its reading order -> outputs of the layer."""
        if len(outputs) == 1:
            return outputs[0]
        forwards, backwards = outputs[0], reverse_within(outputs[1], lengths)[:, : outputs[0].shape[1]]
        return forwards + backwards if self.merge == "sum" else torch.cat([forwards, backwards], dim=-1)

    def _prepare(self, frames: Tensor, kept: Tensor | None) -> Tensor:
        return drop(self.norm(frames), kept, self.dropout)

    def _step(self, rnn: nn.Module, frames: Tensor, kept: Tensor | None, state: State) -> tuple[Tensor, State]:
        result: tuple[Tensor, State] = rnn(self._prepare(frames, kept), state)
        return result
