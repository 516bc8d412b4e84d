"""What every corpus reader returns: utterances in three splits, and faults of the files."""

from dataclasses import dataclass, field
from pathlib import Path

from asr.units import Seconds


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and its transcript, as the corpus states them.

    Nothing is checked or normalised yet.

    Attributes:
        id: unique in the corpus.
        audio: the recording.
        text: the transcript in the corpus's own spelling.
        where: "file:line" of the transcript, for messages.
        speaker: who speaks; None where the corpus does not say.
        start: where the utterance begins in the recording, in seconds.
        duration: how long it is, in seconds; None is to the recording's end.
        language: the language's code ("en"); None where unknown.
        channel: the one channel that holds it, from 0; None is the recording as it is.
        corpus: which of several corpora it comes from; None where there is only one.
        confidence: how sure the transcript is, 0 to 1; None where a person wrote it.
    """

    id: str
    audio: Path
    text: str
    where: str
    speaker: str | None = None
    start: Seconds = 0.0
    duration: Seconds | None = None
    language: str | None = None
    channel: int | None = None
    corpus: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Problem:
    """A fault in somebody's data: where it is ("file:line"), what it is and how to mend it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Splits:
    """A corpus as read: no utterance is in two splits.

    Attributes:
        train, dev, test: the utterances, in the corpus's order.
        problems: entries that did not become utterances.
        notes: decisions that the user should know of, one sentence each.
    """

    train: tuple[Utterance, ...]
    dev: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    problems: tuple[Problem, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
