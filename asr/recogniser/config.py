"""What a model folder's `config.json` holds, and what follows from it alone."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from asr.audio.features import AROUND, FeatureConfig, Reach
from asr.config import Limit, between, check, read_settings
from asr.errors import ModelError
from asr.model.reading import Chunked, Full
from asr.model.shape import AcousticConfig, overhang
from asr.units import Frames, Seconds

CONFIG_FILE = "config.json"
SECOND_FOLDER = "second"
"""In a model folder: where `asr tune` keeps a second recogniser."""
LONG_CHUNK: Seconds = 20.0
"""Of a long recording, read by a model that was trained whole."""
LONG_LOOKAHEAD: Seconds = 4.0
"""Beyond it the backward direction of trained models hardly reaches (`asr gradients`)."""


@dataclass(frozen=True)
class RecogniserConfig:
    """What a model folder's `config.json` holds."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    acoustic: AcousticConfig = field(default_factory=AcousticConfig)
    chunk: Seconds | None = None
    """Length of the chunks in which an utterance is read; none reads it whole."""
    lookahead: Seconds = 0.0
    """What is seen beyond a chunk: a quarter for the level, the rest by the backward direction."""

    def __post_init__(self) -> None:
        check(
            self,
            chunk=Limit("must be positive and at most 3600 s", lambda s: 0 < s <= 3600),
            lookahead=between(0, 3600),
        )

    @property
    def frame(self) -> Seconds:
        """Time from one output frame to the next."""
        return self.features.exact_hop * self.acoustic.subsampling

    def frames(self, seconds: Seconds, *, least: Frames = 1) -> Frames:
        """Round a time to the nearest output frame, and up to at least so many."""
        return max(least, round(seconds / self.frame))

    @property
    def level_ahead(self) -> Seconds:
        """How far beyond a frame its level is looked for."""
        return AROUND if self.chunk is None else self.lookahead / 4

    @property
    def reading(self) -> Full | Chunked:
        """How an utterance is read: whole, or in chunks."""
        if self.chunk is None:
            return Full()
        left = self.lookahead - self.level_ahead
        return Chunked(self.frames(self.chunk), int(left / self.frame + 1e-9))

    @property
    def long_reading(self) -> Chunked:
        """How a recording of any length is read: as `reading`, or in long chunks."""
        if isinstance(self.reading, Chunked):
            return self.reading
        return Chunked(self.frames(LONG_CHUNK), self.frames(LONG_LOOKAHEAD))

    @property
    def latency(self) -> Seconds:
        """How long a sample waits at most for its log-probs, arithmetic not counted.

        It counts a chunk, what the backward direction and the level look ahead, and the window.
        Infinite where utterances are read whole.
        """
        if isinstance(self.reading, Full):
            return math.inf
        factor = self.acoustic.subsampling
        frames = (self.reading.chunk + self.reading.lookahead) * factor + overhang(factor)
        frames += Reach.of(self.features, self.level_ahead).ahead
        return (frames - 1) * self.features.exact_hop + self.features.window_samples / self.features.sample_rate


def read_config(folder: Path, *needed: str) -> RecogniserConfig:
    """Read a model folder's `config.json`.

    Args:
        folder: the model's.
        needed: other files that must be there.

    Raises:
        ModelError: if it is not a model's folder, or the file is damaged.
    """
    for name in (CONFIG_FILE, *needed):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: not a model folder, it has no {name}; training writes one to RUN/best")
    return read_settings(RecogniserConfig, folder / CONFIG_FILE, remedy="copy the whole model folder again")
