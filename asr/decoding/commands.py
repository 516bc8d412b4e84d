"""Commands: the phrase of a grammar that was said, or none of them.

A phrase's score is ln P(its tokens | audio) over all CTC paths, a token. The probabilities of all
token sequences add up to 1. So it is the logarithm of a likelihood ratio: this phrase against
whatever else may have been said, by the free path or any other. Zero is certainty. A sound whose
best phrase has a score below the threshold is no command.

Any phrase that the tokens can spell can be one, at once: no lexicon, no training, any language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.config import read_settings_or, write_settings
from asr.decoding.phrase_tree import PhraseTree
from asr.errors import ConfigError, DataError
from asr.model.labels import LogProbs
from asr.text.grammar import Phrase, parse_grammar, read_grammar
from asr.text.spelling import Spelling, spell
from asr.text.tokenizer import Tokenizer
from asr.units import Seconds

COMMANDS_FILE = "commands.json"
CANDIDATES = 10
"""Phrases that are told of each sound."""


@dataclass(frozen=True)
class Rejection:
    """What a model folder's `commands.json` holds: which scores are too low."""

    threshold: float = -1.2
    """Least score of a command, in nats a token. The default was chosen on AN4."""
    rate: float | None = None
    """False accepts an hour that were asked for, of speech without commands."""
    accepted: int = 0
    """How many there were."""
    heard: Seconds = 0.0
    """Of such speech."""
    grammar: str = ""
    """Checksum of the phrases that it was fitted to."""


UNFITTED = Rejection()


@dataclass(frozen=True)
class Candidate:
    """A phrase that may have been said."""

    phrase: Phrase
    spelling: Spelling
    score: float
    """In nats a token."""
    log_prob: float
    """ln P(tokens | audio)."""


@dataclass(frozen=True)
class _Spelt:
    """A grammar, ready to listen for."""

    phrases: tuple[Phrase, ...]
    spellings: tuple[Spelling, ...]
    sizes: npt.NDArray[np.int64]
    """Tokens of each."""
    tree: PhraseTree
    by_tokens: Mapping[tuple[int, ...], Phrase]


class Commands:
    """Phrases to listen for; they may be changed between one sound and the next.

    Args:
        tokenizer: the acoustic model's.
        phrases: from a grammar.
        rejection: which scores are too low.

    Raises:
        ConfigError: if a phrase cannot be spelt, or two that sound alike mean different things.
    """

    def __init__(self, tokenizer: Tokenizer, phrases: Sequence[Phrase], rejection: Rejection = UNFITTED) -> None:
        self.rejection = rejection
        self._tokenizer = tokenizer
        self.change(phrases)

    def change(self, phrases: Sequence[Phrase]) -> None:
        """Listen for other phrases from the next sound on, in whatever holds this object.

        Raises:
            ConfigError: as for a new one; what there was stays.
        """
        self._spelt = _spelt(phrases, self._tokenizer)

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        return self._spelt.phrases

    @property
    def digest(self) -> str:
        """A checksum of what may be said, in any order."""
        return sha256("\n".join(sorted(phrase.text for phrase in self.phrases)).encode()).hexdigest()[:16]

    def __call__(self, log_probs: LogProbs) -> list[Candidate]:
        """Find the phrases that are most like a sound, best first, accepted or not.

        Args:
            log_probs: (T, V); without a frame there is none.
        """
        spelt = self._spelt  # which another thread may change
        sums = spelt.tree.log_likelihoods(np.asarray(log_probs, np.float32))
        scores = sums / spelt.sizes
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        return [
            Candidate(spelt.phrases[n], spelt.spellings[n], float(scores[n]), float(sums[n]))
            for n in best.tolist()
            if np.isfinite(scores[n])
        ]

    def find(self, text: str) -> Phrase | None:
        """The phrase that is said like a text, if there is one."""
        try:
            tokens = spell(text, self._tokenizer).tokens
        except DataError:  # with words that no phrase has
            return None
        return self._spelt.by_tokens.get(tokens)

    def accepts(self, candidate: Candidate) -> bool:
        """Whether a phrase was said, and not something else."""
        return candidate.score >= self.rejection.threshold


def _spelt(phrases: Sequence[Phrase], tokenizer: Tokenizer) -> _Spelt:
    """Spell phrases, each token sequence once."""
    found: dict[tuple[int, ...], tuple[Phrase, Spelling]] = {}
    for phrase in phrases:
        try:
            spelling = spell(phrase.text, tokenizer)
        except DataError as error:
            raise ConfigError(f"command {phrase.text!r}: {error}") from None
        other, _ = found.setdefault(spelling.tokens, (phrase, spelling))
        if (other.name, other.slots) != (phrase.name, phrase.slots):
            raise ConfigError(
                f"commands {_meaning(other)} and {_meaning(phrase)} are said alike but mean different things; "
                "leave one out or word it otherwise"
            )
    if not found:
        raise ConfigError("there is no command to listen for")
    kept, spellings = zip(*found.values(), strict=True)
    sizes = np.array([len(tokens) for tokens in found])
    return _Spelt(kept, spellings, sizes, PhraseTree(list(found)), dict(zip(found, kept, strict=True)))


def _meaning(phrase: Phrase) -> str:
    filled = ", ".join(f"{slot} {value}" for slot, value in phrase.slots)
    meaning = " of ".join(part for part in (filled, phrase.name) if part)
    return f"{phrase.text!r}" + (f" ({meaning})" if meaning else "")


def load_commands(grammar: str | Path | Sequence[str], folder: Path, tokenizer: Tokenizer) -> Commands:
    """Read commands, with the threshold that was fitted for a model.

    Args:
        grammar: its file, or its lines.
        folder: the model's.
        tokenizer: the model's.

    Raises:
        DataError: if the file cannot be read.
        ConfigError: if the grammar is wrong, or cannot be spelt.
        ModelError: if `commands.json` is damaged.
    """
    phrases = read_grammar(Path(grammar)) if isinstance(grammar, str | Path) else parse_grammar("\n".join(grammar))
    return Commands(tokenizer, phrases, load_rejection(folder))


def load_rejection(folder: Path) -> Rejection:
    """Read a model folder's threshold; one without has the usual one.

    Raises:
        ModelError: if it is damaged.
    """
    remedy = "write it again with `asr calibrate --commands`"
    return read_settings_or(UNFITTED, folder / COMMANDS_FILE, remedy=remedy)


def save_rejection(folder: Path, rejection: Rejection) -> None:
    """Write a threshold into its model's folder.

    Raises:
        AsrError: if it cannot be written.
    """
    write_settings(folder / COMMANDS_FILE, rejection)
