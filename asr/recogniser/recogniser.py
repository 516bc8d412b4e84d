"""A recogniser: features, acoustic model and tokenizer, that belong together."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from asr.audio.features import AROUND, FeatureConfig
from asr.audio.log_mel import LogMel
from asr.config import NOT_NEGATIVE, POSITIVE, check
from asr.model.acoustic import AcousticConfig, AcousticModel, Emissions
from asr.model.bptt import Chunked, Full
from asr.text.tokenizer import Tokenizer
from asr.units import Frames, Seconds

LONG_CHUNK: Seconds = 20.0
"""Of a long recording, read by a model that was trained whole."""
LONG_LOOKAHEAD: Seconds = 4.0
"""Beyond it the backward direction of trained models hardly reaches (`asr gradients`)."""
STATISTICS = ("front_end", "mean", "deviation")
"""Of the features, that a model keeps."""
ACOUSTIC = "acoustic."
"""Prefix of the acoustic model's tensors on disk."""


@dataclass(frozen=True)
class RecogniserConfig:
    """What a model folder's `config.json` holds."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    acoustic: AcousticConfig = field(default_factory=AcousticConfig)
    chunk: Seconds | None = None
    """Length of the chunks in which an utterance is read; none reads it whole."""
    lookahead: Seconds = 0.0
    """What is seen beyond a chunk: half by the backward direction, half for the level."""

    def __post_init__(self) -> None:
        check(self, chunk=POSITIVE, lookahead=NOT_NEGATIVE)

    @property
    def frame(self) -> Seconds:
        """Time from one output frame to the next."""
        return self.features.exact_hop * self.acoustic.subsampling

    @property
    def level_ahead(self) -> Seconds:
        """How far beyond a frame its level is looked for."""
        return AROUND if self.chunk is None else self.lookahead / 2

    @property
    def reading(self) -> Full | Chunked:
        """How an utterance is read: whole, or in chunks."""
        if self.chunk is None:
            return Full()
        left = self.lookahead - self.level_ahead
        return Chunked(self.frames(self.chunk), int(left / self.frame + 1e-9))

    def frames(self, seconds: Seconds, *, least: Frames = 1) -> Frames:
        """Round a time to the nearest output frame, and up to at least so many."""
        return max(least, round(seconds / self.frame))


class Recogniser:
    """Waveforms in, log-probs of tokens out.

    Args:
        config: shapes of features and acoustic model.
        tokenizer: what the tokens mean.
    """

    def __init__(self, config: RecogniserConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.features = LogMel(config.features, ahead=config.level_ahead)
        self.acoustic = AcousticModel(config.acoustic, num_features=config.features.num_mels, num_tokens=tokenizer.size)

    def to(self, device: torch.device) -> "Recogniser":
        """Move the modules, and return this recogniser."""
        self.features.to(device)
        self.acoustic.to(device)
        return self

    @property
    def reading(self) -> Full | Chunked:
        """How an utterance is read: whole, or in chunks."""
        return self.config.reading

    @property
    def long_reading(self) -> Chunked:
        """How a recording of any length is read: as `reading`, or in long chunks."""
        if isinstance(self.reading, Chunked):
            return self.reading
        return Chunked(self.config.frames(LONG_CHUNK), self.config.frames(LONG_LOOKAHEAD))

    @property
    def latency(self) -> Seconds:
        """How long a sample waits at most for its log-probs, arithmetic not counted.

        It counts a chunk, what the backward direction and the level look ahead, and the window.
        Infinite where utterances are read whole.
        """
        if isinstance(self.reading, Full):
            return math.inf
        factor = self.config.acoustic.subsampling
        frames = (self.reading.chunk + self.reading.lookahead) * factor + self.acoustic.subsample.overhang
        frames += self.features.ahead
        features = self.config.features
        return (frames - 1) * features.exact_hop + features.window_samples / features.sample_rate

    @property
    def device(self) -> torch.device:
        return next(self.acoustic.parameters()).device

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.acoustic.parameters())

    def state(self) -> dict[str, Tensor]:
        """All that training found: the features' statistics and the acoustic model's weights."""
        statistics = {f"features.{name}": getattr(self.features, name) for name in STATISTICS}
        return statistics | {f"{ACOUSTIC}{name}": tensor for name, tensor in self.acoustic.state_dict().items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Copy what `state` gave into the tensors that are there.

        Raises:
            RuntimeError: if a tensor is missing, unknown or of another shape; names it.
        """
        for name in STATISTICS:
            if f"features.{name}" not in state:
                raise RuntimeError(f"features.{name} is missing")
            getattr(self.features, name).copy_(state[f"features.{name}"])
        self.acoustic.load_state_dict(
            {name.removeprefix(ACOUSTIC): tensor for name, tensor in state.items() if not name.startswith("features.")}
        )

    def in_chunks(self, chunk: Seconds, lookahead: Seconds) -> "Recogniser":
        """This recogniser, reading in other chunks; its weights are shared.

        Args:
            chunk: length of a chunk. A chunked model loses nothing if it is shorter than the chunks
                of its training: each frame still sees at least the lookahead.
            lookahead: what is seen beyond it.

        Raises:
            ConfigError: if they are not allowed.
        """
        other = copy.copy(self)
        other.config = replace(self.config, chunk=chunk, lookahead=lookahead)
        other.features = LogMel(self.config.features, ahead=other.config.level_ahead).to(self.device)
        other.features.load_state_dict(self.features.state_dict())
        return other

    def with_acoustic(self, acoustic: AcousticModel) -> "Recogniser":
        """This recogniser with another acoustic model of its shape; all else is shared."""
        other = copy.copy(self)
        other.acoustic = acoustic
        return other

    @torch.no_grad()
    def emissions(self, waveforms: Tensor, num_samples: Tensor) -> Emissions:
        """Score whole utterances, as at test time.

        Args:
            waveforms: (B, N) float32 at the features' sample rate, on any device.
            num_samples: (B,), valid samples. A waveform too short for one frame has log-probs of
                length 0.
        """
        self.acoustic.eval()
        log_mel, lengths = self.features(waveforms.to(self.device), num_samples.to(self.device))
        emissions: Emissions = self.acoustic(log_mel, lengths, self.reading)
        return emissions
