"""Small things that many tests need: sounds of known content and a small recogniser.

The recogniser fits in a few kilobytes.
"""

import numpy as np
import torch
from hypothesis import settings

from asr.audio.features import FeatureConfig
from asr.model.reading import Chunked
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.engine import Engine
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer, Tokenizer

RATE = 16_000

unhurried = settings(deadline=None, max_examples=40)
"""A busy machine is no failure."""


def noise(num_samples: int, *, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """White noise, float32."""
    return (level * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def gusts(num_samples: int, *, seed: int = 0, level: float = 0.1, rate: int = RATE) -> np.ndarray:
    """White noise that comes and goes, as words do: even noise is no speech."""
    time = np.arange(num_samples) / rate
    return noise(num_samples, seed=seed, level=level) * (0.1 + np.sin(np.pi * time / 0.3) ** 2).astype(np.float32)


def sine(frequency: float, seconds: float, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    """A pure tone, float32."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sure(path: list[int], tokens: int = 4) -> np.ndarray:
    """Nearly certain log-probs of a path, (T, V)."""
    log_probs = np.full((len(path), tokens), -9.0)
    log_probs[np.arange(len(path)), path] = -0.001
    return log_probs


def streamed(model: Engine, waveform: np.ndarray, reading: Chunked, seed: int = 0) -> np.ndarray:
    """Log-probs of a waveform that comes in pieces of random sizes."""
    draw, stream, found, place = np.random.default_rng(seed), EmissionStream(model, reading), [], 0
    while place < len(waveform):
        size = int(draw.choice([1, 100, 640, 5000, 40_000]))
        found.append(stream.accept(waveform[place : place + size]))
        place += size
    return np.concatenate([*found, stream.finish()])


def recogniser(
    tokenizer: Tokenizer | None = None, *, seed: int = 0, chunk: float | None = None, lookahead: float = 0.0, **acoustic
) -> Recogniser:
    """A recogniser with random weights.

    The last ones are large enough for it to give more than one token.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = AcousticConfig(**{"channels": 2, "layers": 1, "hidden": 6, "dropout": 0.0, **acoustic})
        config = RecogniserConfig(FeatureConfig(num_mels=16), shape, chunk, lookahead)
        made = Recogniser(config, tokenizer or CharacterTokenizer(" abc"))
        with torch.no_grad():
            made.acoustic.output.weight.mul_(20)
    return made
