"""What log-mel features cost: NumPy's and PyTorch's, of the whole and of sound in blocks.

    python -m benchmarks.features

Made-up sound on one thread. All take their turn, so that a noisy machine meets them all. The last
rows are parts of the first one.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.lib.stride_tricks import sliding_window_view

from asr.audio.features import FeatureConfig, Floats
from asr.audio.log_mel import LogMel, LogMelStream
from asr.audio.log_mel_numpy import AT_ONCE, NumpyLogMel, NumpyLogMelStream
from asr.audio.waveform import Waveform
from asr.units import Seconds
from benchmarks.measure import in_turn, report
from benchmarks.package import RATE, sound


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    seconds: Seconds = 120.0
    """Of sound."""
    block: Seconds = 10.0
    """What comes at a time; a transcription reads so much."""
    rounds: int = 5
    json: Path | None = None
    """A file for the figures."""


def main(arguments: Arguments) -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    waveform = sound(arguments.seconds)
    here, there = NumpyLogMel(FeatureConfig()), LogMel(FeatureConfig())
    tensor, size = torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    energy = here.energy(waveform)
    steps: dict[str, Callable[[], object]] = {
        "NumPy": lambda: here(waveform),
        "NumPy, in blocks": lambda: in_blocks(NumpyLogMelStream(here), waveform, arguments.block),
        "PyTorch": lambda: there(tensor, size),
        "PyTorch, in blocks": lambda: in_blocks(LogMelStream(there), tensor[0], arguments.block),
        "of NumPy's: spectra": partial(spectra, waveform, here),
        "of NumPy's: all energies": lambda: here.energy(waveform),
        "of NumPy's: level, logarithm": lambda: here.relative(energy, 0, len(energy)),
    }
    found = {name: statistics.median(times) for name, times in in_turn(steps, arguments.rounds).items()}
    rows = [
        {
            "features": name,
            "ms a minute": 60_000 * spent / arguments.seconds,
            "x real time": arguments.seconds / spent,
            "of NumPy's": spent / found["NumPy"],
        }
        for name, spent in found.items()
    ]
    report(f"{arguments.seconds:g} s of sound, blocks of {arguments.block:g} s, one thread", rows, arguments.json)


def in_blocks(stream: Any, waveform: Any, block: Seconds) -> None:
    """Samples, (N,), as they come from a file."""
    size = round(block * RATE)
    for start in range(0, len(waveform), size):
        stream.accept(waveform[start : start + size])
    stream.finish()


def spectra(waveform: Waveform, features: NumpyLogMel) -> None:
    """The Fourier transforms alone."""
    frames: Floats = sliding_window_view(waveform, features.window)[:: features.hop]
    for start in range(0, len(frames), AT_ONCE):
        np.fft.rfft(frames[start : start + AT_ONCE])


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
