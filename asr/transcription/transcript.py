"""What became of a recording, among many."""

from dataclasses import dataclass
from pathlib import Path

from asr.decoding.hypothesis import Hypothesis
from asr.errors import AsrError
from asr.text.timed import TimedText


@dataclass(frozen=True)
class Transcript:
    """The text of a recording, or why there is none."""

    name: str
    """The file, or the utterance's id."""
    stem: Path
    """Of the files about it: their path without the ending."""
    timed: TimedText | None
    error: AsrError | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    """With a decoder: all that it has found, the text first."""

    @property
    def text(self) -> str:
        return self.timed.text if self.timed else ""
