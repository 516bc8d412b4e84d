"""A text that may be right, its score, and what the parts of the score weigh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from heapq import nlargest
from typing import Protocol

from asr.config import NOT_NEGATIVE, between, check
from asr.model.labels import LogProbs


@dataclass(frozen=True)
class DecodingConfig:
    """How to search, and what the parts of a score weigh.

    Raises:
        ConfigError: if a value is not allowed.
    """

    beam: int = 50
    """Hypotheses that are kept after each frame."""
    top_tokens: int = 10
    """How many of a frame's best tokens may lengthen a hypothesis."""
    lm_weight: float = 0.7
    """Factor of the language models' log-probability."""
    word_bonus: float = 0.0
    """Nats for each word, since a language model prefers few words."""
    blank_penalty: float = 0.0
    """Nats by which blank is less probable in each frame, before its tokens sum to 1 again.

    What is taken from it goes to all tokens alike. Beside a language model a network says blank
    too often: each word must pay for its probability, and silence pays nothing.
    """
    rnn_share: float = 0.5
    """The recurrent model's part where there is an n-gram model too: 0 is none of it, 1 only it."""
    second_weight: float = 0.2
    """Factor of a second recogniser's log-probability; the first one's is 1."""

    def __post_init__(self) -> None:
        check(
            self,
            beam=between(1, 100_000),
            top_tokens=between(1, 100_000),
            lm_weight=NOT_NEGATIVE,
            blank_penalty=NOT_NEGATIVE,
            rnn_share=between(0, 1),
            second_weight=NOT_NEGATIVE,
        )


@dataclass(frozen=True)
class Hypothesis:
    """A text that may be right, and the parts of its score, all natural logarithms."""

    tokens: tuple[int, ...]
    text: str
    score: float
    """The weighted sum of all parts."""
    acoustic_score: float
    """ln P(tokens | audio), over all CTC paths, blank penalised."""
    second_score: float = 0.0
    """ln P(text | audio) by the second recogniser, 0 without one."""
    ngram_score: float = 0.0
    """ln P(text) by the n-gram model, 0 without one."""
    rnn_score: float = 0.0
    """ln P(text) by the recurrent model, 0 without one."""
    bonus: float = 0.0
    """What its hot words earn; the bonus for each word is not part of it."""


@dataclass(frozen=True)
class Candidate:
    """A text that a search proposes, with what only the search can tell of its score."""

    tokens: tuple[int, ...]
    text: str
    ngram_score: float
    bonus: float


class Run(Protocol):
    """A search that is under way: frames come in pieces, and change nothing by that."""

    def accept(self, log_probs: LogProbs) -> None:
        """Read the next frames, (T, V) float32 on the CPU, any number."""

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all hypotheses that are kept by now, the best first."""

    def finish(self) -> list[Candidate]:
        """The texts that are proposed when no frame comes any more, each once."""


class Search(Protocol):
    """What proposes texts."""

    @property
    def unspelt(self) -> tuple[str, ...]:
        """Words of its language model that the tokens cannot spell."""

    @property
    def fused(self) -> bool:
        """Whether weights of the language model and of words count in the search."""

    def favouring(self, hotwords: Mapping[str, float]) -> "Search":
        """This search, which has none, with hot words: phrases, and what each earns, in nats."""

    def begin(self, config: DecodingConfig) -> Run:
        """Begin to read an utterance."""


def best_together(lists: Sequence[Sequence[Hypothesis]]) -> tuple[Hypothesis, ...]:
    """The best texts of a recording from those of its pieces, each best first.

    As many as the longest list has. A text's score is the sum of its pieces' scores, so these are
    exactly the best.
    """
    count = max(map(len, lists), default=0)
    best = [Hypothesis((), "", 0.0, 0.0)] if count else []
    for found in lists:
        pairs = [_concatenated(one, other) for one in best for other in found[:count]] if found else best
        best = nlargest(count, pairs, key=lambda hypothesis: hypothesis.score)
    return tuple(best)


def _concatenated(one: Hypothesis, other: Hypothesis) -> Hypothesis:
    sums = {
        part.name: getattr(one, part.name) + getattr(other, part.name)
        for part in fields(Hypothesis)
        if part.name != "text"
    }
    return Hypothesis(text=f"{one.text} {other.text}".strip(), **sums)
