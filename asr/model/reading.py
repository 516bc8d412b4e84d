"""How an utterance is read, and where gradients stop: the three modes of `bptt`."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asr.errors import ConfigError
from asr.units import Frames

Recompute: TypeAlias = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class Full:
    """Gradients reach over the whole utterance."""


@dataclass(frozen=True)
class Truncated:
    """Gradients reach to the start of a segment of `segment` frames, in reading order.

    The first segment begins where the direction begins to read. That is the first frame forwards,
    and the last valid frame backwards. So an utterance's cuts do not depend on its padding or its
    batch. The last segment may be shorter.

    Raises:
        ConfigError: if `segment` is below one frame, or `offset` not below `segment`.
    """

    segment: Frames
    recompute: Recompute = "auto"
    """Keep no gates in the forward pass: less memory, but one more pass of the recurrence.

    "auto" does so where utterances are no more than their segments. Recomputed segments are rows of
    one batch, so few long utterances then take no more time than with their gates kept.
    """
    offset: Frames = 0
    """Frames by which the first segment is shorter.

    Drawn anew for each step, so that cuts do not always fall on the same frames.
    """

    def __post_init__(self) -> None:
        if self.segment < 1:
            raise ConfigError(f"a BPTT segment has at least one frame, got {self.segment}")
        if not 0 <= self.offset < self.segment:
            raise ConfigError(f"a BPTT offset lies in 0 to {self.segment - 1} frames, got {self.offset}")

    def recomputes(self, utterances: int, frames: Frames) -> bool:
        """Whether gates are recomputed, of so many utterances, padded to so many frames."""
        if self.recompute == "auto":
            return 1 < len(self.starts(frames)) >= utterances
        return self.recompute == "always"

    def starts(self, frames: Frames) -> list[Frames]:
        """Where segments begin, of utterances of so many frames."""
        return [0, *range(self.segment - self.offset, frames, self.segment)]


@dataclass(frozen=True)
class Chunked:
    """Frames are read in chunks of `chunk`, each with `lookahead` frames beyond it.

    All layers read a chunk together. The forward direction's state is handed from chunk to chunk,
    its gradient is not. The backward direction begins anew, at the last of a chunk's lookahead
    frames. A layer's output at the lookahead frames serves the layers above alone. It is computed
    again, with more context, when those frames are a chunk's own. So a frame waits for at most
    chunk + lookahead frames, however many the layers.

    Raises:
        ConfigError: if `chunk` is below one frame or `lookahead` below none.
    """

    chunk: Frames
    lookahead: Frames

    def __post_init__(self) -> None:
        if self.chunk < 1 or self.lookahead < 0:
            raise ConfigError(
                f"a chunk has at least one frame and a lookahead none, got {self.chunk} and {self.lookahead}"
            )


Bptt: TypeAlias = Full | Truncated | Chunked
