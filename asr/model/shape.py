"""The acoustic model's shape: all that is known of it before it has weights."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asr.config import at_least, between, check
from asr.errors import ConfigError
from asr.units import Frames

Cell: TypeAlias = Literal["rnn", "gru", "lstm"]
Merge: TypeAlias = Literal["concat", "sum"]

STRIDES = {2: (2, 1), 3: (3, 1), 4: (2, 2)}
"""Strides in time of the convolutions, by factor. At 3, the last of 3 n frames is not read."""
CONTEXT: Frames = 2
"""Output frames to either side beyond which the convolutions of a piece see nothing."""


GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def recurrent_weights(cell: Cell, layers: int, hidden: int, *, both: bool = False) -> int:
    """How many weights of recurrent layers come from the frame before, in one direction or both."""
    return GATES[cell] * (1 + both) * layers * hidden * hidden


def overhang(factor: int) -> Frames:
    """Input frames that an output frame depends on beyond the `factor` that are its own."""
    return 0 if factor == 4 else 2


@dataclass(frozen=True)
class AcousticConfig:
    """The acoustic model's shape.

    Raises:
        ConfigError: if a field is outside its range.
    """

    subsampling: Literal[2, 3, 4] = 4
    """Input frames for one output frame."""
    channels: int = 32
    """Filters of each of the two convolutions."""
    cell: Cell = "lstm"
    """Kind of recurrence."""
    layers: int = 3
    """Recurrent layers."""
    hidden: int = 256
    """Units of one direction of one layer."""
    bidirectional: bool = True
    """Read the utterance in both directions."""
    merge: Merge = "sum"
    """How the two directions become one frame."""
    projection: int | None = None
    """Size of a linear projection after each recurrent layer."""
    residual: bool = False
    """Add a layer's input to its output, where their sizes agree."""
    layer_norm: bool = True
    """Normalise the input of each layer (Ba et al. 2016)."""
    dropout: float = 0.2
    """Share of a layer's inputs that is dropped in training."""
    intermediate: tuple[int, ...] = ()
    """Layers, from 1, that are also read out, for intermediate CTC (Lee & Watanabe 2021)."""

    def __post_init__(self) -> None:
        check(
            self,
            "acoustic",
            channels=at_least(1),
            layers=at_least(1),
            hidden=at_least(1),
            projection=at_least(1),
            dropout=between(0, 1, below=True),
        )
        if sorted(set(self.intermediate)) != list(self.intermediate) or not all(
            1 <= layer < self.layers for layer in self.intermediate
        ):
            raise ConfigError(
                f"acoustic.intermediate names layers from 1 to {self.layers - 1} in rising order, got {self.intermediate}"
            )

    def least_weights(self, tokens: int) -> int:
        """How many weights a model of so many tokens has at least.

        A file with fewer bytes does not hold them, whatever `config.json` says.
        """
        recurrent = recurrent_weights(self.cell, self.layers, self.hidden, both=self.bidirectional)
        convolutions = 9 * self.channels * (self.channels + 1) + self.channels * self.hidden
        projections = self.layers * self.hidden * (self.projection or 0)
        return recurrent + convolutions + projections + min(self.hidden, self.projection or self.hidden) * tokens
