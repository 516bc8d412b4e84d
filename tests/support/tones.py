"""A made-up language that a tiny model learns in seconds: each letter is a tone of its own."""

import random
from pathlib import Path

import numpy as np
import soundfile
from lhotse import Recording, SupervisionSegment

from asr.data.cuts import LazyCut, save_cuts

PITCHES = {"a": 300.0, "b": 900.0, "c": 2400.0}
RATE = 16_000


def waveform(text: str, draw: random.Random) -> np.ndarray:
    """120 ms of tone a letter, 60 ms of near silence after it, 100 ms for a space."""
    noise = np.random.default_rng(draw.randrange(2**32))
    parts = [np.zeros(RATE // 20)]
    for letter in text:
        time = np.arange(int(RATE * 0.12)) / RATE
        parts.append(0.3 * np.sin(2 * np.pi * PITCHES[letter] * time) if letter in PITCHES else np.zeros(RATE // 10))
        parts.append(np.zeros(int(RATE * 0.06)))
    samples = np.concatenate(parts)
    return samples + 0.003 * noise.standard_normal(len(samples))


def sentence(draw: random.Random) -> str:
    return " ".join("".join(draw.choice("abc") for _ in range(draw.randint(1, 3))) for _ in range(draw.randint(1, 3)))


def write_cut(folder: Path, name: str, text: str, samples: np.ndarray, subtype: str | None = None) -> LazyCut:
    path = folder / f"{name}.wav"
    soundfile.write(path, samples, RATE, subtype=subtype)
    cut = Recording.from_file(path, recording_id=name).to_cut()
    cut.id = name
    cut.supervisions.append(SupervisionSegment(name, name, 0, cut.duration, text=text))
    return LazyCut.of(cut)


def write_corpus(folder: Path, *, train: int, dev: int) -> Path:
    """Write recordings, `train.jsonl.gz` and `dev.jsonl.gz`; return the folder.

    They are the same each time.
    """
    draw = random.Random(0)
    for split, count in (("train", train), ("dev", dev)):
        texts = [sentence(draw) for _ in range(count)]
        cuts = [write_cut(folder, f"{split}-{n:02d}", text, waveform(text, draw)) for n, text in enumerate(texts)]
        save_cuts(cuts, folder / f"{split}.jsonl.gz")
    return folder
