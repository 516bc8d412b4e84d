"""Small things that many tests need: sounds of known content and a small recogniser.

The recogniser fits in a few kilobytes.
"""

import numpy as np
import torch
from hypothesis import settings

from asr.audio.features import FeatureConfig
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer, Tokenizer

RATE = 16_000

unhurried = settings(deadline=None, max_examples=40)
"""A busy machine is no failure."""


def noise(num_samples: int, *, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """White noise, float32."""
    return (level * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def sine(frequency: float, seconds: float, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    """A pure tone, float32."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


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
