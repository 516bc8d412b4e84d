"""What a run is for: how its epochs are judged, and how its model is described."""

from dataclasses import dataclass
from typing import Protocol

from asr.recogniser.recogniser import Recogniser


@dataclass(frozen=True)
class Judgement:
    """What an epoch was worth, on utterances that are not trained on."""

    errors: tuple[float, ...]
    """Less is better. Later ones decide where earlier ones are equal. Patience waits for a fall."""
    loss: float
    """Decides between epochs of equal errors.

    Patience waits for it where it falls by a hundredth; by hairs it falls for long. While
    nothing is right any fall counts.
    """
    metrics: dict[str, float]
    """For `metrics.jsonl`."""
    line: str
    """For people."""
    silent: bool = False
    """Nothing at all was decoded."""
    untaught: bool = False
    """No word is right yet, so that errors tell nothing."""

    @property
    def result(self) -> tuple[float, ...]:
        """What the best epoch is chosen by: less is better."""
        return (*self.errors, self.loss)


@dataclass(frozen=True)
class Purpose:
    """What a model card says of the goal."""

    title: str
    model: str
    """What follows the shape of the layers."""
    data: str
    """What follows "trained on 12 utterances, 0.03 hours of"."""
    measure: str
    """What follows the result."""
    commands: tuple[str, ...]
    """What can be done with the model."""


class Goal(Protocol):
    """How the averaged model of a run is judged and described."""

    @property
    def recogniser(self) -> Recogniser:
        """What is kept: the averaged model."""

    @property
    def purpose(self) -> Purpose:
        """What its card says."""

    def judge(self) -> Judgement:
        """Try the averaged model on dev."""
