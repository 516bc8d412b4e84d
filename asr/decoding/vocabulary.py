"""What the recogniser's tokens and a language model's words have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.decoding.hotwords import HotWords
from asr.errors import ModelError
from asr.lm.ngram import UNKNOWN
from asr.text.tokenizer import WORD_START, CharacterTokenizer, SentencePieceTokenizer, Tokenizer


class TokenPhrases:
    """Hot words as sequences of tokens; where a token parts words, it stands at either end of a phrase, as if at the text's too."""

    def __init__(self, tokenizer: Tokenizer, bonuses: Mapping[str, float]) -> None:
        space = separator(tokenizer)
        self.border = () if space is None else (space,)
        self.words = HotWords(
            {(*self.border, *tokenizer.encode(phrase), *self.border): bonus for phrase, bonus in bonuses.items()}
        )
        self.start = 0
        for token in self.border:
            self.start, _ = self.words.step(self.start, token)

    def earned(self, tokens: Sequence[int]) -> float:
        return self.words.earned((*self.border, *tokens, *self.border))


def separator(tokenizer: Tokenizer) -> int | None:
    """The token that parts words, if one does nothing else."""
    if isinstance(tokenizer, CharacterTokenizer) and WORD_START in tokenizer.pieces:
        return 1 + tokenizer.pieces.index(WORD_START)
    return None


def are_tokens(units: Sequence[str], tokenizer: Tokenizer) -> bool:
    """Whether a language model is one of tokens: words of one letter are none, since no word begins among them."""
    pieces = tokenizer.pieces
    marked = any(unit.startswith(WORD_START) for unit in units) or not any(p.startswith(WORD_START) for p in pieces)
    return marked and set(units) <= set(pieces)


def are_words(tokenizer: Tokenizer) -> bool:
    """Whether each token is a whole word."""
    return isinstance(tokenizer, SentencePieceTokenizer) and all(
        piece == UNKNOWN or piece.startswith(WORD_START) for piece in tokenizer.pieces
    )


def nothing_spelt(path: Path, words: Sequence[str], tokenizer: Tokenizer) -> ModelError:
    return ModelError(
        f"{path}: none of its {len(words)} words, such as {words[0]!r}, can be spelt with the model's tokens, "
        f"{alphabet(tokenizer)}; are both of one language, case and form?"
    )


def letters(tokenizer: Tokenizer) -> set[str]:
    return set("".join(tokenizer.pieces)) - {WORD_START}


def alphabet(tokenizer: Tokenizer) -> str:
    known = sorted(letters(tokenizer))
    return "".join(known[:60]) + ("..." if len(known) > 60 else "")
