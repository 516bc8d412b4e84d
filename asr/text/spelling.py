"""A text as tokens, with the tokens of each word: of what is aligned, and of what was decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import DataError
from asr.text.normalise import normalise
from asr.text.tokenizer import Tokenizer

_SHOWN = 5


@dataclass(frozen=True)
class Spelling:
    """A token sequence and its words: each one's text and the positions of its tokens.

    A word has at least one token. Tokens between words (spaces) belong to none.
    """

    tokens: tuple[int, ...]
    words: tuple[tuple[str, range], ...]


def spell(text: str, tokenizer: Tokenizer) -> Spelling:
    """Spell a text that is to be aligned; words stay as they are written.

    Tokens cannot spell some words as they stand (capitals, punctuation). Such a word is spelled in
    its basic form, see `text.normalise`. A word of punctuation alone has no sound, and is left out.

    Raises:
        DataError: if there are words that the tokens cannot spell in either form; names some. If
            there is no word at all.
    """
    tokens: list[int] = []
    words: list[tuple[str, range]] = []
    unspelled: list[str] = []
    space = tokenizer.encode(" ")
    for word in normalise(text, "verbatim").split():
        basic = normalise(word)
        spelled = _spelled([word], tokenizer) or _spelled(basic.split(), tokenizer)
        if spelled:
            tokens += space if tokens else []
            words.append((word, range(len(tokens), len(tokens) + len(spelled))))
            tokens += spelled
        elif basic:
            unspelled.append(word)
    if unspelled:
        more = f" and {len(unspelled) - _SHOWN} more" if len(unspelled) > _SHOWN else ""
        raise DataError(
            f"the model has no tokens for {', '.join(map(repr, unspelled[:_SHOWN]))}{more}; "
            "write words and numbers as they are spoken, in the characters that it was trained on"
        )
    if not words:
        raise DataError("the text has no words to align")
    return Spelling(tuple(tokens), tuple(words))


def split_words(tokens: Sequence[int], tokenizer: Tokenizer) -> Spelling:
    """Find the words in decoded tokens."""
    words = ((tokenizer.decode(tokens[at.start : at.stop]), at) for at in tokenizer.words(tokens))
    return Spelling(tuple(tokens), tuple(words))


def _spelled(parts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """Tokens of words, a space between them; none if one cannot be spelled."""
    tokens: list[int] = []
    for part in parts:
        spelled = tokenizer.encode(part)
        if tokenizer.decode(spelled) != part:
            return []
        tokens += [*(tokenizer.encode(" ") if tokens else []), *spelled]
    return tokens
