"""How many words a recogniser makes of five minutes without any.

    python -m benchmarks.no_speech --model runs/an4/best

Silence, noise at three levels, plucked and held chords. Each is transcribed greedily, once with all
words and once with those that are sure enough (the default of `asr transcribe`).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from asr.audio.waveform import Waveform
from asr.cli.output import TerminalProgress
from asr.progress import track
from asr.transcription.transcribe import Transcriber

RATE = 16_000


def main() -> None:
    """Make sounds, transcribe, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    model = Transcriber.load(options.model)
    everything = replace(model, min_confidence=0.0)
    table = Table("sound", "all words", "words by default", "a minute")
    made = sounds(round(60 * options.minutes))
    for name, waveform in track(made.items(), "sounds", len(made), TerminalProgress()):
        words = len(model.transcribe(waveform, RATE).words)
        raw = len(everything.transcribe(waveform, RATE).words)
        table.add_row(name, str(raw), str(words), f"{words / options.minutes:.1f}")
    Console().print(table)


def sounds(seconds: int) -> dict[str, Waveform]:
    """Each of so many seconds, by name."""
    draw = np.random.default_rng(0)
    size = seconds * RATE
    plucked = [chord(draw, 0.5, decay=3.0, overtones=3) for _ in range(2 * seconds)]
    held = [chord(draw, 2.0, decay=0.0, overtones=1) for _ in range(seconds // 2)]
    made = {
        "silence": np.zeros(size),
        "white noise, -80 dB": 1e-4 * draw.standard_normal(size),
        "white noise, -50 dB": 3e-3 * draw.standard_normal(size),
        "white noise, -20 dB": 0.1 * draw.standard_normal(size),
        "plucked chords": 0.1 * np.concatenate(plucked),
        "held chords": 0.06 * np.concatenate(held),
    }
    return {name: waveform.astype(np.float32) for name, waveform in made.items()}


def chord(draw: np.random.Generator, seconds: float, *, decay: float, overtones: int) -> np.ndarray:
    """A triad with its octave, major or minor, on a root within an octave around 220 Hz."""
    time = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(1, np.minimum(time, seconds - time) / 0.05) if not decay else np.exp(-decay * time)
    root = 220 * 2 ** (draw.integers(-12, 13) / 12)
    notes = [root * 2 ** (step / 12) for step in (0, draw.choice([3, 4]), 7, 12)]
    waves = (np.sin(2 * np.pi * note * number * time) / number for note in notes for number in range(1, overtones + 1))
    return fade * np.sum(list(waves), axis=0)


if __name__ == "__main__":
    main()
