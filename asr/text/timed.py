"""Text with its times: tokens in words in segments, each with a confidence.

Times count from the recording's start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from asr.units import Seconds


@dataclass(frozen=True, slots=True)
class Token:
    """A character or subword of a word; the tokens of a word follow each other without gaps."""

    text: str
    start: Seconds
    end: Seconds
    confidence: float
    """The model's probability in the token's own frames, as it is: not calibrated."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, which ends no later than the next one starts."""

    text: str
    start: Seconds
    end: Seconds
    confidence: float
    """Probability that the word is right."""
    tokens: tuple[Token, ...] = ()
    unsure: bool = False
    """Whether its confidence is below the least that was asked for."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a phrase of a grammar asks for."""

    name: str = ""
    """Of the command, empty where the grammar gives none."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """The value of each slot."""
    score: float = 0.0
    """Log-likelihood ratio against whatever else may be said, in nats a token; 0 is certain."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words without a long pause between them, at least one."""

    words: tuple[Word, ...]
    confidence: float
    """Probability that every word is right and none is missing."""
    command: Command | None = None
    """That the words are, where commands are listened for."""

    @property
    def start(self) -> Seconds:
        return self.words[0].start

    @property
    def end(self) -> Seconds:
        return self.words[-1].end

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def shifted(self, seconds: Seconds) -> "Segment":
        """The same, so much later."""
        return replace(self, words=tuple(_later(word, seconds) for word in self.words))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a recording has text; see `transcription.coverage` for what is loud."""

    duration: Seconds
    """Of the recording."""
    loud: Seconds
    """With sound."""
    transcribed: Seconds
    """In words that are sure enough."""
    unsure: Seconds
    """In words that are not, marked or dropped."""
    missed: Seconds
    """Loud, but in no word that is sure enough."""

    def __str__(self) -> str:
        return (
            f"{self.duration:.1f} s: {self.loud:.1f} s with sound, {self.transcribed:.1f} s transcribed, "
            f"{self.unsure:.1f} s unsure, {self.missed:.1f} s with sound but no text"
        )


@dataclass(frozen=True, slots=True)
class TimedText:
    """The text of a recording with its times; no segments if there is no speech.

    Example:
        >>> timed = model.transcribe("a.wav")  # doctest: +SKIP
        >>> [(word.text, word.start, word.end) for word in timed.words]  # doctest: +SKIP
        [('go', 0.31, 0.52), ('forward', 0.52, 0.98)]
    """

    segments: Sequence[Segment]
    """A tuple; of a recording with a journal, read from there."""
    duration: Seconds
    """Of the recording."""
    confidence: float
    """Probability that all of it is right."""
    language: str | None = None
    warnings: tuple[str, ...] = ()
    """What was amiss with the recording, a line each."""
    coverage: Coverage | None = None
    """Of what was transcribed; none of what was aligned."""

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def commands(self) -> tuple[Segment, ...]:
        """The segments that are commands."""
        return tuple(segment for segment in self.segments if segment.command is not None)

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    def as_command(self, command: Command) -> "TimedText":
        """All of it as one segment that is a command; no segment if there is no word."""
        segments = (Segment(self.words, self.confidence, command),) if self.segments else ()
        return replace(self, segments=segments)


def _later(word: Word, seconds: Seconds) -> Word:
    tokens = tuple(replace(t, start=t.start + seconds, end=t.end + seconds) for t in word.tokens)
    return replace(word, start=word.start + seconds, end=word.end + seconds, tokens=tokens)
