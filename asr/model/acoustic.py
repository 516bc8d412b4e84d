"""The acoustic model: log-mel frames -> subsampling -> recurrent layers -> log-probs of tokens.

It knows no loss, decoder, optimiser or file. Padding and batching never change a valid frame.

    B utterances, T frames, F mel bins, C channels, D features, V tokens (0 is CTC's blank)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from asr.model.bptt import State, chunk_windows
from asr.model.labels import LogProbs
from asr.model.reading import Bptt, Chunked, Full, Truncated
from asr.model.recurrent import RecurrentLayer, drop, dropout_mask
from asr.model.shape import CONTEXT, STRIDES, AcousticConfig, overhang
from asr.units import Frames, subsampled

PIECE: Frames = 1024
"""Output frames of the convolutions, and of the output layer, that are recomputed at a time."""


@dataclass(frozen=True)
class Emissions:
    """The model's output for a batch."""

    log_probs: Tensor
    """(B, T, V), log-softmax over tokens."""
    lengths: Tensor
    """(B,), valid frames."""
    intermediate: tuple[Tensor, ...]
    """As `log_probs`, one for each intermediate layer, from the bottom."""
    states: Tensor | None = None
    """States at the utterances' ends, as `AcousticModel.initial_states`, if it was given any."""

    def utterances(self) -> list[LogProbs]:
        """Cut each utterance's log-probs to its length: (T, V) of each, on the CPU, for decoders.

        T is 0 for an utterance too short for a frame.
        """
        log_probs = self.log_probs.detach().cpu().numpy()
        return [rows[:length] for rows, length in zip(log_probs, self.lengths.tolist(), strict=True)]


@dataclass(frozen=True)
class Stream:
    """An utterance that is still coming in: what one `AcousticModel.step` hands to the next."""

    log_mel: Tensor
    """(B, n, F), input frames that are still needed."""
    dropped: Frames
    """Output frames whose input is no longer kept."""
    position: Frames
    """Output frames that were scored."""
    states: tuple[State, ...]
    """Of each layer's forward direction."""


class AcousticModel(nn.Module):
    """Subsampling, recurrent layers, and one linear output for the last and intermediate layers.

    Args:
        config: its shape.
        num_features: mel bins of an input frame.
        num_tokens: size of the output, blank included.
    """

    def __init__(self, config: AcousticConfig, *, num_features: int, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.subsample = Subsampling(num_features, config.channels, config.hidden, config.subsampling)
        self.layers = nn.ModuleList()
        size = config.hidden
        for _ in range(config.layers):
            self.layers.append(Block(config, size))
            size = self.layers[-1].output_size  # type: ignore[assignment]
        self.norm = nn.LayerNorm(size) if config.layer_norm else nn.Identity()
        self.output = nn.Linear(size, num_tokens)

    def forward(
        self,
        log_mel: Tensor,
        lengths: Tensor,
        bptt: Bptt,
        *,
        generator: torch.Generator | None = None,
        states: Tensor | None = None,
        lower: nn.Linear | None = None,
    ) -> Emissions:
        """Score a batch.

        Args:
            log_mel: (B, T, F); values at padded frames do not matter.
            lengths: (B,), valid frames, each at least 1.
            bptt: where gradients stop.
            generator: source of the dropout masks in training; None uses PyTorch's default one.
            states: where the forward direction begins, as in `initial_states`. None means zeros.
                Not with `Chunked`.
            lower: what intermediate layers are read out by, if not by the output layer.
        """
        frames = subsampled(log_mel.shape[1], self.subsample.factor)
        recompute = torch.is_grad_enabled() and isinstance(bptt, Truncated) and bptt.recomputes(len(log_mel), frames)
        read_out = self._read_out_recomputed if recompute else self._read_out
        hidden, lengths = (self.subsample.recomputed if recompute else self.subsample)(log_mel, lengths)
        if isinstance(bptt, Chunked):
            *inner, top = self._in_chunks(hidden, lengths, bptt, generator)
        else:
            (*inner, top), states = self._whole(hidden, lengths, bptt, generator, states)
        share = self.config.dropout
        kept = dropout_mask(top, share, generator) if self.training and share else None
        return Emissions(read_out(top, kept), lengths, tuple(read_out(one, None, lower) for one in inner), states)

    def initial_states(self, batch: int) -> Tensor:
        """Zeros, (layers, 1 or 2, B, H): where each layer's forward direction begins a recording.

        They are h and, for an LSTM, c.
        """
        parts = 2 if self.config.cell == "lstm" else 1
        return self.output.weight.new_zeros(len(self.layers), parts, batch, self.config.hidden)

    @torch.no_grad()
    def step(
        self, log_mel: Tensor, stream: Stream | None, bptt: Chunked, *, last: bool = False
    ) -> tuple[Tensor, Stream]:
        """Score frames as they come in.

        The log-probs of all calls together equal those of `forward` on all frames at once.

        Args:
            log_mel: (B, n, F), the frames since the last call, any number of them.
            stream: what the last call returned; None begins an utterance.
            bptt: chunk and lookahead.
            last: whether the utterance ends here. Then no chunk waits for more frames.

        Returns:
            (B, m, V), log-probs of the chunks that are complete by now, and what the next call
            needs.
        """
        factor = self.subsample.factor
        stream = stream or Stream(log_mel[:, :0], 0, 0, (None,) * self.config.layers)
        buffered = torch.cat([stream.log_mel, log_mel], dim=1)
        dropped, position, states = stream.dropped, stream.position, stream.states
        received = dropped * factor + buffered.shape[1]
        total = subsampled(received, factor)
        log_probs = [buffered.new_zeros(len(buffered), 0, self.output.out_features)]
        while position < total:
            stop = position + bptt.chunk + bptt.lookahead
            if not last and received < stop * factor + self.subsample.overhang:
                break
            start, stop = position - dropped, min(stop, total) - dropped
            lengths = torch.full((len(buffered),), buffered.shape[1], device=buffered.device)
            hidden = self.subsample.piece(buffered, lengths, start, stop)
            lengths = torch.full_like(lengths, hidden.shape[1])
            found, states = self._window(hidden, lengths, bptt.chunk, states, None)
            log_probs.append(self._read_out(found[-1][:, : bptt.chunk]))
            position += bptt.chunk
        spent = max(dropped, min(position, total) - CONTEXT)
        return torch.cat(log_probs, dim=1), Stream(buffered[:, (spent - dropped) * factor :], spent, position, states)

    def _whole(
        self,
        hidden: Tensor,
        lengths: Tensor,
        bptt: Full | Truncated,
        generator: torch.Generator | None,
        states: Tensor | None,
    ) -> tuple[list[Tensor], Tensor | None]:
        """Outputs of the intermediate layers and the last one, (B, T, D), and the final states."""
        outputs, reached = [], []
        for number, layer in enumerate(self.layers):
            state = None if states is None else _state(states[number])
            hidden, state = layer(hidden, lengths, bptt, generator, state)
            outputs.append(hidden)
            reached.append(state)
        return self._to_read(outputs), None if states is None else torch.stack([_parts(state) for state in reached])

    def _in_chunks(
        self, hidden: Tensor, lengths: Tensor, bptt: Chunked, generator: torch.Generator | None
    ) -> list[Tensor]:
        """As `_whole`, layer by layer, all chunks with their lookahead as rows of one batch."""
        frames = hidden.shape[1]
        count = -(-frames // bptt.chunk)
        rows = chunk_windows(hidden, bptt.chunk, bptt.lookahead)
        starts = torch.arange(count, device=lengths.device)[:, None] * bptt.chunk
        left = (lengths - starts).clamp(0, rows.shape[1]).flatten()
        outputs = []
        for layer in self.layers:
            beyond = layer is not self.layers[-1]
            rows = layer.chunks(rows, left, bptt.chunk, count, generator, beyond=beyond)  # type: ignore[operator]
            own = rows[:, : bptt.chunk].unflatten(0, (count, -1)).transpose(0, 1)
            outputs.append(own.flatten(1, 2)[:, :frames])
        return self._to_read(outputs)

    def _window(
        self,
        hidden: Tensor,
        lengths: Tensor,
        chunk: Frames,
        states: tuple[State, ...],
        generator: torch.Generator | None,
    ) -> tuple[list[Tensor], tuple[State, ...]]:
        """One chunk with its lookahead, through all layers."""
        outputs, reached = [], []
        for layer, state in zip(self.layers, states, strict=True):
            hidden, after = layer.window(hidden, lengths, chunk, state, generator)  # type: ignore[operator]
            outputs.append(hidden)
            reached.append(after)
        return self._to_read(outputs), tuple(reached)

    def _to_read(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        return [outputs[number - 1] for number in (*self.config.intermediate, self.config.layers)]

    def _read_out_recomputed(
        self, hidden: Tensor, kept: Tensor | None = None, output: nn.Linear | None = None
    ) -> Tensor:
        """As `_read_out`, piece by piece, each of which is computed again for its gradient."""
        frames = torch.split(hidden, PIECE, dim=1)
        masks = [None] * len(frames) if kept is None else torch.split(kept, PIECE, dim=1)
        pieces = [
            checkpoint(self._read_out, *piece, output, use_reentrant=False) for piece in zip(frames, masks, strict=True)
        ]
        return torch.cat(pieces, dim=1)

    def _read_out(self, hidden: Tensor, kept: Tensor | None = None, output: nn.Linear | None = None) -> Tensor:
        """(B, T, D) and what dropout keeps of it -> (B, T, V), log-probs."""
        logits = (output or self.output)(self.norm(drop(hidden, kept, self.config.dropout)))
        return F.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


class Block(nn.Module):
    """One recurrent layer, then the optional projection and residual connection."""

    def __init__(self, config: AcousticConfig, input_size: int) -> None:
        super().__init__()
        self.recurrent = RecurrentLayer(
            config.cell,
            input_size,
            config.hidden,
            bidirectional=config.bidirectional,
            merge=config.merge,
            layer_norm=config.layer_norm,
            dropout=config.dropout,
        )
        self.output_size = config.projection or self.recurrent.output_size
        self.project = nn.Linear(self.recurrent.output_size, config.projection) if config.projection else nn.Identity()
        self.residual = config.residual and self.output_size == input_size

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor,
        bptt: Full | Truncated,
        generator: torch.Generator | None,
        state: State,
    ) -> tuple[Tensor, State]:
        """As `RecurrentLayer.forward`."""
        outputs, state = self.recurrent(inputs, lengths, bptt, generator, state)
        return self._finish(inputs, outputs), state

    def one_way(
        self, inputs: Tensor, direction: int, bptt: Full | Truncated, generator: torch.Generator | None
    ) -> Tensor:
        """As `RecurrentLayer.one_way`."""
        return self._finish(inputs, self.recurrent.one_way(inputs, direction, bptt, generator))

    def window(
        self, inputs: Tensor, lengths: Tensor, chunk: Frames, state: State, generator: torch.Generator | None
    ) -> tuple[Tensor, State]:
        """As `RecurrentLayer.window`."""
        outputs, state = self.recurrent.window(inputs, lengths, chunk, state, generator)
        return self._finish(inputs, outputs), state

    def chunks(
        self,
        inputs: Tensor,
        lengths: Tensor,
        chunk: Frames,
        count: int,
        generator: torch.Generator | None,
        *,
        beyond: bool,
    ) -> Tensor:
        """As `RecurrentLayer.chunks`."""
        outputs = self.recurrent.chunks(inputs, lengths, chunk, count, generator, beyond=beyond)
        return self._finish(inputs[:, : outputs.shape[1]], outputs)

    def _finish(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        projected: Tensor = self.project(outputs)
        return inputs + projected if self.residual else projected


class Subsampling(nn.Module):
    """Two strided 3 x 3 convolutions over time and frequency, and a linear layer.

    Padding changes nothing: a padded frame is zero before each convolution, as is the frame beyond
    an utterance's end.

    Args:
        num_features: mel bins of an input frame.
        channels: filters of each convolution.
        output_size: features of an output frame.
        factor: 2, 3 or 4 input frames for one output frame, counted as `units.subsampled` does.
    """

    def __init__(self, num_features: int, channels: int, output_size: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.strides = STRIDES[factor]
        self.overhang = overhang(factor)
        sizes = (1, channels, channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(sizes[i], sizes[i + 1], kernel_size=3, stride=(self.strides[i], 2), padding=1) for i in range(2)
        )
        self.linear = nn.Linear(channels * subsampled(num_features, 4), output_size)

    def forward(self, log_mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> (B, ceil(T / factor), output_size), (B,)."""
        hidden = log_mel.unsqueeze(-1).permute(0, 3, 1, 2)  # (B, C, T, F), C last in memory: a third faster on a CPU
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            hidden = hidden.masked_fill(_padding(hidden.shape[2], lengths)[:, None, :, None], 0.0)
            hidden = F.relu(convolution(hidden), inplace=True)
            lengths = (lengths + stride - 1) // stride
        return self.linear(hidden.transpose(1, 2).flatten(2)), lengths

    def recomputed(self, log_mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, piece by piece, each of which is computed again for its gradient."""
        frames = subsampled(log_mel.shape[1], self.factor)
        pieces = [
            checkpoint(self.piece, log_mel, lengths, start, min(start + PIECE, frames), use_reentrant=False)
            for start in range(0, frames, PIECE)
        ]
        return torch.cat(pieces, dim=1), (lengths + self.factor - 1) // self.factor

    def piece(self, log_mel: Tensor, lengths: Tensor, start: Frames, stop: Frames) -> Tensor:
        """Output frames from `start` up to `stop`, (B, stop - start, D).

        Only the input frames that they depend on are read.
        """
        first = max(0, start - CONTEXT)
        inputs = log_mel[:, first * self.factor : (stop + CONTEXT) * self.factor]
        hidden, _ = self.forward(inputs, (lengths - first * self.factor).clamp(0, inputs.shape[1]))
        return hidden[:, start - first : stop - first]


def _state(parts: Tensor) -> State:
    """(1 or 2, B, H) -> h, or h and c."""
    return parts if len(parts) == 1 else (parts[:1], parts[1:])


def _parts(state: State) -> Tensor:
    """The other way."""
    return torch.cat(state) if isinstance(state, tuple) else torch.as_tensor(state)


def _padding(frames: Frames, lengths: Tensor) -> Tensor:
    """(B, frames), True at padded frames."""
    return torch.arange(frames, device=lengths.device) >= lengths[:, None]
