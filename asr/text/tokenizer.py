"""Text <-> tokens. Token 0 is CTC's blank and never text."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol

import sentencepiece

from asr.config import at_least, check, parse_json
from asr.errors import ConfigError, ModelError
from asr.files import atomic

WORD_START = "\u2581"
"""Stands for the space before a word in what tokens are called, as in SentencePiece."""
CHARACTERS_FILE = "characters.json"
SENTENCEPIECE_FILE = "sentencepiece.model"


@dataclass(frozen=True)
class TokenizerConfig:
    """What a token is.

    Raises:
        ConfigError: if `size` is too small.
    """

    units: Literal["characters", "sentencepiece", "words"] = "characters"
    """Characters of the training text, subwords learned from it (Kudo 2018), or its few words."""
    size: int = 100
    """Number of subwords; characters and words need no number."""

    def __post_init__(self) -> None:
        check(self, "tokenizer", size=at_least(4))


class Tokenizer(Protocol):
    """What the rest of the program asks of either kind."""

    @property
    def size(self) -> int:
        """Number of tokens, blank included."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """What the tokens from 1 on are called in a language model of tokens.

        Never white space: `WORD_START` stands for a space.
        """

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, none of them 0.

        Characters that were never trained on have no token and are left out.
        """

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens without blanks and repeats, its words parted by single spaces."""

    def spellings(self, words: Sequence[str]) -> list[list[int] | None]:
        """Tokens of each word; None of a word that they do not give back as it was."""

    def words(self, tokens: Sequence[int]) -> list[range]:
        """Positions of the tokens of each word, as `decode` has them; spaces belong to none."""

    def save(self, folder: Path) -> None:
        """Write one file into a model folder, in place of any other tokenizer's."""


class CharacterTokenizer:
    """One token a Unicode character of the training text, spaces included.

    Tokens are in code point order, from 1.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = tuple(characters)
        self._tokens = {character: token for token, character in enumerate(self.characters, start=1)}

    @property
    def size(self) -> int:
        return 1 + len(self.characters)

    @property
    def pieces(self) -> tuple[str, ...]:
        return tuple(WORD_START if character == " " else character for character in self.characters)

    def encode(self, text: str) -> list[int]:
        return [self._tokens[character] for character in text if character in self._tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        return " ".join("".join(self.characters[token - 1] for token in tokens).split())

    def spellings(self, words: Sequence[str]) -> list[list[int] | None]:
        return [tokens if self.decode(tokens := self.encode(word)) == word else None for word in words]

    def words(self, tokens: Sequence[int]) -> list[range]:
        spaces = (position for position, token in enumerate(tokens) if self.characters[token - 1].isspace())
        return [range(a + 1, b) for a, b in pairwise([-1, *spaces, len(tokens)]) if a + 1 < b]

    def save(self, folder: Path) -> None:
        with atomic(folder / CHARACTERS_FILE) as path:
            path.write_text(json.dumps(self.characters, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / SENTENCEPIECE_FILE).unlink(missing_ok=True)


class SentencePieceTokenizer:
    """Subwords of a unigram language model (Kudo 2018), or whole words, one token each, from 1."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._unknown = self._processor.unk_id()

    @property
    def size(self) -> int:
        return 1 + int(self._processor.vocab_size())

    @property
    def pieces(self) -> tuple[str, ...]:
        return tuple(self._processor.id_to_piece(piece) for piece in range(self.size - 1))

    def encode(self, text: str) -> list[int]:
        return [piece + 1 for piece in self._processor.encode(text) if piece != self._unknown]

    def decode(self, tokens: Sequence[int]) -> str:
        pieces = [token - 1 for token in tokens if token - 1 != self._unknown]
        return " ".join(self._processor.decode(pieces).split())

    def spellings(self, words: Sequence[str]) -> list[list[int] | None]:
        # All at once: one by one, most of the time would be the library's own Python.
        spelt = self._processor.encode(list(words), num_threads=1)
        given_back = self._processor.decode(spelt, num_threads=1) if spelt else []
        return [
            [piece + 1 for piece in pieces] if text == word else None
            for word, pieces, text in zip(words, spelt, given_back, strict=True)
        ]

    def words(self, tokens: Sequence[int]) -> list[range]:
        pieces = (self._processor.id_to_piece(token - 1) for token in tokens)
        starts = [position for position, piece in enumerate(pieces) if position and piece.startswith(WORD_START)]
        words = [range(a, b) for a, b in pairwise([0, *starts, len(tokens)])]
        return [word for word in words if self.decode(tokens[word.start : word.stop])]  # else a lone space, or unknown

    def save(self, folder: Path) -> None:
        with atomic(folder / SENTENCEPIECE_FILE) as path:
            path.write_bytes(self._model)
        (folder / CHARACTERS_FILE).unlink(missing_ok=True)


def train_tokenizer(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Learn the tokens of the training transcripts.

    Raises:
        ConfigError: if there is no text, or too little of it for the number of subwords.
    """
    texts = sorted(set(texts))
    characters = sorted(set("".join(texts)))
    if not characters:
        raise ConfigError("no training transcript holds any text; was the corpus prepared?")
    if config.units == "characters":
        return CharacterTokenizer(characters)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=config.size if config.units == "sentencepiece" else 1 + len(set(" ".join(texts).split())),
            model_type="unigram" if config.units == "sentencepiece" else "word",
            character_coverage=1.0,
            normalization_rule_name="identity",
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).rsplit("]", 1)[-1].strip()
        raise ConfigError(f"tokenizer.size {config.size} does not fit the training text: {reason}") from None
    return SentencePieceTokenizer(model.getvalue())


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a model folder.

    Raises:
        ModelError: if there is none, or it is damaged.
    """
    try:
        if (folder / SENTENCEPIECE_FILE).is_file():
            model = (folder / SENTENCEPIECE_FILE).read_bytes()
            if not model:
                raise ValueError("an empty file")
            return SentencePieceTokenizer(model)
        characters = parse_json((folder / CHARACTERS_FILE).read_text(encoding="utf-8"))
        if not (isinstance(characters, list) and all(isinstance(c, str) and len(c) == 1 for c in characters)):
            raise ValueError("not a list of characters")
        if len(set(characters)) != len(characters):
            raise ValueError("not a list of different characters")
        return CharacterTokenizer(characters)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: its tokenizer cannot be read ({error}); copy the whole model folder again"
        ) from None
