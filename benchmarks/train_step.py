"""A training step of the recurrent layers, beside PyTorch's own LSTM and the processor's best.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --utterances 20 --seconds 5 --layers 4 --hidden 256

Forward and backward pass over random frames, a batch of utterances of unequal length. In each round
all take their turn, so that a noisy machine meets them all. One thread is measured by the
processor's time, several by the clock.

- `ours`: `asr.model.recurrent.RecurrentLayer`, whole utterances; padding reaches no frame.
- `padded`: `nn.LSTM` on the same frames. Its backward direction begins in the padding, so what it
  computes is wrong. It shows what being right costs.
- `packed`: `nn.LSTM` on a packed sequence, which is right.

The share of the peak is the step's multiplications, padding not counted, against the best rate of a
product of two large matrices. The last row is what products alone would take: of a frame's states
by the recurrent matrix, forwards and backwards, at the rate that they reach, and all others at the
peak. They are small: a row for each utterance.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor, nn

from asr.model.reading import Full
from asr.model.recurrent import RecurrentLayer
from asr.units import Seconds
from benchmarks.measure import in_turn, report

HOP: Seconds = 0.04
"""Of a frame after subsampling by 4."""
SHORTEST = 0.75
"""Length of the shortest utterance, as a share of the longest."""
SIDE = 2048
"""Of the matrices whose product is the peak."""


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    utterances: int = 16
    seconds: Seconds = 12.0
    """Of the longest one."""
    layers: int = 3
    hidden: int = 512
    threads: int = 1
    rounds: int = 5
    json: Path | None = None
    """A file for the figures."""


class Ours(nn.Module):
    """The layers of the acoustic model, directions side by side as in `nn.LSTM`."""

    def __init__(self, layers: int, hidden: int) -> None:
        super().__init__()
        sizes = [hidden] + [2 * hidden] * (layers - 1)
        self.layers = nn.ModuleList(
            RecurrentLayer("lstm", size, hidden, bidirectional=True, merge="concat") for size in sizes
        )

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        for layer in self.layers:
            frames, _ = layer(frames, lengths, Full())
        return frames


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    hidden, longest = arguments.hidden, round(arguments.seconds / HOP)
    lengths = torch.linspace(longest, SHORTEST * longest, arguments.utterances).round().long()
    frames = torch.randn(arguments.utterances, longest, hidden, requires_grad=True)
    valid = (torch.arange(longest) < lengths[:, None]).unsqueeze(-1)
    ours = Ours(arguments.layers, hidden)
    theirs = nn.LSTM(hidden, hidden, arguments.layers, batch_first=True, bidirectional=True)

    def packed() -> Tensor:
        sequence = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(theirs(sequence)[0], batch_first=True)[0]

    def trained(outputs: Tensor) -> None:
        (outputs * valid).sum().backward()

    square, states = torch.randn(SIDE, SIDE), torch.randn(len(lengths), hidden)
    weights, gates = torch.randn(hidden, 4 * hidden), torch.randn(len(lengths), 4 * hidden)

    def recurrence() -> None:
        for _ in range(longest):
            torch.mm(states, weights)
            torch.mm(gates, weights.T)

    steps: dict[str, Callable[[], object]] = {
        "ours": lambda: trained(ours(frames, lengths)),
        "padded": lambda: trained(theirs(frames)[0]),
        "packed": lambda: trained(packed()),
    }
    others = {"peak": lambda: torch.mm(square, square), "recurrence": recurrence}
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    times = in_turn(steps | others, arguments.rounds, clock)
    matrices, frame = 2 * arguments.layers, 4 * hidden * hidden  # recurrent ones, and a frame's multiplications
    inputs = 2 * 4 * hidden * (hidden + (arguments.layers - 1) * 2 * hidden)
    work = 3 * 2 * (inputs + matrices * frame) * int(lengths.sum())  # forward, and both gradients
    peak = 2 * SIDE**3 / min(times["peak"])
    small = 2 * 2 * matrices * frame * int(lengths.sum())
    rate = 2 * 2 * frame * len(lengths) * longest / min(times["recurrence"])
    times["products"] = [small / rate + (work - small) / peak] * arguments.rounds
    rows = [
        {
            "layers": name,
            "seconds a step": statistics.median(times[name]),
            "times ours": statistics.median(a / b for a, b in zip(times[name], times["ours"], strict=True)),
            "GFLOPS": work / statistics.median(times[name]) / 1e9,
            "share of peak": work / statistics.median(times[name]) / peak,
        }
        for name in (*steps, "products")
    ]
    title = (
        f"{arguments.layers} x {hidden} LSTM, both directions, {arguments.utterances} x {arguments.seconds:g} s; "
        f"peak {peak / 1e9:.0f} GFLOPS, the recurrence {rate / 1e9:.0f}, threads {arguments.threads}"
    )
    report(title, rows, arguments.json)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
