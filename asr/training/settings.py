"""The settings of a run: everything that decides it, but its data."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from asr.audio.augment import LIGHT, AugmentConfig
from asr.audio.features import FeatureConfig
from asr.config import NOT_NEGATIVE, POSITIVE, SEED, at_least, between, check
from asr.errors import ConfigError
from asr.model.reading import Recompute
from asr.model.shape import CONTEXT, AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.text.tokenizer import TokenizerConfig
from asr.units import Seconds


@dataclass(frozen=True)
class BpttConfig:
    """How far gradients reach in training."""

    mode: Literal["full", "truncated", "chunked"] = "truncated"
    """Whole utterance; at most a segment; or chunks, for a model that also reads live speech."""
    segment: Seconds = 2.0
    """Length of a segment, in seconds."""
    random_cuts: bool = False
    """Draw the first segment's length anew for each step, so that cuts fall on other frames."""
    recompute: Recompute = "auto"
    """Compute gates again, not keep them; auto: where utterances are no more than segments."""
    carry: bool = False
    """For consecutive pieces of long recordings: carry the forward direction's state on."""
    chunk: Seconds = 0.64
    """Length of a chunk, in seconds."""
    lookahead: Seconds = 0.32
    """What the backward direction sees beyond a chunk, in seconds."""

    def __post_init__(self) -> None:
        check(self, "bptt", segment=POSITIVE, chunk=POSITIVE, lookahead=NOT_NEGATIVE)
        if self.carry and self.mode == "chunked":
            raise ConfigError("bptt.carry needs bptt.mode full or truncated")


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW (Loshchilov & Hutter 2019), one cycle: linear warm-up, then a cosine down to 0."""

    learning_rate: float = 2e-3
    """Peak of the schedule."""
    warmup: float = 0.15
    """Share of training in which the learning rate rises."""
    weight_decay: float = 1e-2
    """Decoupled weight decay, of matrices; biases and norms have none."""
    clip: float = 1.0
    """Largest gradient norm (Pascanu et al. 2013)."""
    clip_value: float | None = None
    """Largest absolute value of a single derivative, after clipping by norm; none leaves them."""
    accumulate: int = 1
    """Batches for one step."""

    def __post_init__(self) -> None:
        check(
            self,
            "optimiser",
            learning_rate=POSITIVE,
            warmup=between(0, 1, below=True),
            weight_decay=NOT_NEGATIVE,
            clip=POSITIVE,
            clip_value=POSITIVE,
            accumulate=at_least(1),
        )

    def rate(self, progress: float) -> float:
        """Learning rate after a share of training in [0, 1]."""
        if progress < self.warmup:
            return self.learning_rate * max(progress / self.warmup, 1e-3)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))) / 2


@dataclass(frozen=True)
class ConsistencyConfig:
    """Consistency-regularised CTC (Yao et al. 2024): two views of an utterance should agree.

    Each utterance is read twice, under other masks, warps and dropout. A step then costs twice as
    much.
    """

    weight: float = 0.0
    """Of the views' divergence (sum over frames) beside CTC (over tokens); 0 takes one view."""
    begin: float = 0.2
    """Share of training after which it starts: outputs that are all blank would stay so."""

    def __post_init__(self) -> None:
        check(self, "consistency", weight=NOT_NEGATIVE, begin=between(0, 1))


@dataclass(frozen=True)
class RunConfig:
    """What any training run is decided by.

    Raises:
        ConfigError: if a field is outside its range.
    """

    features: FeatureConfig = field(default_factory=FeatureConfig)
    acoustic: AcousticConfig = field(default_factory=AcousticConfig)
    bptt: BpttConfig = field(default_factory=BpttConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    init: str | None = None
    """A trained model of this shape to begin with, or `english`; tokens of both keep weights."""
    keep_statistics: bool = False
    """Keep the features' statistics of `init`; else they are those of the training data."""
    epochs: int = 30
    """Passes over the training data."""
    batch_seconds: Seconds = 60.0
    """Seconds of audio in a batch, padding included."""
    average: float = 0.99
    """Decay of the weights' exponential average, which is evaluated and kept; 0 for none."""
    patience: int | None = None
    """Stop after so many epochs in a row without fewer dev errors (at 100 %, without less loss)."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products under autocast; float16 needs a CUDA device."""
    seed: int = 0
    """Of the initial weights and every draw."""
    device: str = "auto"
    """cpu, cuda, or (auto) cuda where there is one."""
    threads: int | None = None
    """One-thread processes that share a batch (none: one a core); fix it to repeat runs exactly."""
    loaders: int = 1
    """Background processes that read and perturb audio."""
    checkpoint_every: Seconds = 60.0
    """Time between checkpoints, in seconds."""
    failures: int = 10
    """Non-finite steps in a row after which training stops."""
    unreadable: int = 10
    """Utterances an epoch that are left out if they cannot be read; with more, training stops."""

    def __post_init__(self) -> None:
        check(
            self,
            epochs=at_least(1),
            batch_seconds=POSITIVE,
            average=between(0, 1, below=True),
            patience=at_least(1),
            threads=at_least(1),
            loaders=NOT_NEGATIVE,
            checkpoint_every=NOT_NEGATIVE,
            failures=at_least(1),
            unreadable=NOT_NEGATIVE,
            seed=SEED,
        )
        if self.keep_statistics and self.init is None:
            raise ConfigError("keep_statistics needs init: a model whose statistics are kept")
        if self.bptt.carry and self.optimiser.accumulate > 1:
            raise ConfigError("bptt.carry needs optimiser.accumulate 1: a piece begins where a step ended")

    @property
    def recogniser(self) -> RecogniserConfig:
        chunk = self.bptt.chunk if self.bptt.mode == "chunked" else None
        return RecogniserConfig(self.features, self.acoustic, chunk, self.bptt.lookahead)


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Training a recogniser with CTC.

    Raises:
        ConfigError: if a field is outside its range.
    """

    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    pronunciations: str | None = None
    """A dictionary (`word sound sound ...`): acoustic.intermediate layers then learn sounds."""
    intermediate_weight: float = 0.3
    """Weight of the intermediate CTC losses, where the model has them."""
    rehearsal: float = 0.0
    """Weight of the divergence from `init`, beside CTC: stay like it; needs the same tokens."""
    final: bool = False
    """Train on dev too and keep the last epoch's weights, once dev has chosen the settings."""
    ctc_band: Seconds | None = None
    """For very long audio: seconds that a token may be off an even pace; none: no limit, slow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, intermediate_weight=NOT_NEGATIVE, rehearsal=NOT_NEGATIVE, ctc_band=POSITIVE)
        if self.rehearsal and self.init is None:
            raise ConfigError("rehearsal needs init: a model to stay like")
        if self.pronunciations is not None and not self.acoustic.intermediate:
            raise ConfigError("pronunciations need acoustic.intermediate, the layers that learn sounds")


@dataclass(frozen=True)
class PretrainConfig(RunConfig):
    """Pretraining on audio alone, by forecasting it.

    Raises:
        ConfigError: if a field is outside its range.
    """

    augment: AugmentConfig = field(default_factory=lambda: replace(LIGHT, time_masks_per_second=0.0, frequency_masks=0))
    ahead: Seconds = 0.12
    """How far ahead of an output frame lies what it forecasts, in seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bptt.mode == "chunked" or self.bptt.carry:
            raise ConfigError("pretraining needs bptt.mode full or truncated, without bptt.carry")
        if self.recogniser.frames(self.ahead) <= CONTEXT:
            raise ConfigError(
                f"ahead must exceed the {self.recogniser.frame * CONTEXT:g} s that the convolutions see, got {self.ahead}"
            )
