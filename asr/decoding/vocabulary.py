"""What tokens can spell, and whether a language model's units are tokens or words."""

from collections.abc import Sequence
from pathlib import Path

from asr.errors import ModelError
from asr.lm.ngram import UNKNOWN
from asr.text.tokenizer import WORD_START, CharacterTokenizer, SentencePieceTokenizer, Tokenizer


def separator(tokenizer: Tokenizer) -> int | None:
    """The token that stands between words, None if no token does only that."""
    if isinstance(tokenizer, CharacterTokenizer) and WORD_START in tokenizer.pieces:
        return 1 + tokenizer.pieces.index(WORD_START)
    return None


def are_tokens(units: Sequence[str], tokenizer: Tokenizer) -> bool:
    """Whether a language model's units are the tokenizer's tokens.

    Words of one letter are not: none of them is marked as the start of a word.
    """
    pieces = tokenizer.pieces
    marked = any(unit.startswith(WORD_START) for unit in units) or not any(p.startswith(WORD_START) for p in pieces)
    return marked and set(units) <= set(pieces)


def are_words(tokenizer: Tokenizer) -> bool:
    """Whether each token is a whole word."""
    return isinstance(tokenizer, SentencePieceTokenizer) and all(
        piece == UNKNOWN or piece.startswith(WORD_START) for piece in tokenizer.pieces
    )


def nothing_spelt(path: Path, words: Sequence[str], tokenizer: Tokenizer) -> ModelError:
    """The error of a language model none of whose words the tokens can spell."""
    return ModelError(
        f"{path}: none of its {len(words)} words, such as {words[0]!r}, can be spelt with the model's tokens, "
        f"{alphabet(tokenizer)}; are both of one language, case and form?"
    )


def letters(tokenizer: Tokenizer) -> set[str]:
    """The characters that the tokens can spell, without the space."""
    return set("".join(tokenizer.pieces)) - {WORD_START}


def alphabet(tokenizer: Tokenizer) -> str:
    """These characters in order, for messages: at most 60 of them."""
    known = sorted(letters(tokenizer))
    return "".join(known[:60]) + ("..." if len(known) > 60 else "")
