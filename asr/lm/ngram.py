"""Word (or token) n-gram language models, and how well a model predicts a text.

A file is ARPA text, KenLM's binary of one, or the compact form (`asr.lm.compact`). Probabilities
are natural logarithms here and base 10 in ARPA files.
"""

import contextlib
import math
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.errors import ModelError
from asr.files import atomic

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
LOG10 = math.log(10)
NEVER = -99.0
"""ARPA's base 10 logarithm of nothing."""
NOTHING = NEVER * LOG10

AT_ONCE = 1 << 18
"""N-grams that are looked up at a time, so that memory stays small."""
SHORTEST_LINE = 4
"""Bytes of an n-gram in an ARPA file, at least: a digit, a tab, a letter and the line's end."""
_COUNT = re.compile(r"ngram\s+\d+\s*=\s*(\d{1,18})")
_BINARY = b"mmap lm http://kheafield.com/code"

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """How well a model predicted a text."""

    nats: float
    """-ln P of all `words`."""
    words: int
    """Words that the model knows, and the end of each sentence."""
    unknown: int
    """Words outside the vocabulary, which count nowhere else."""

    @property
    def perplexity(self) -> float:
        """Of a word; 1 for a text without words."""
        return math.exp(self.nats / max(1, self.words))


@dataclass(frozen=True)
class Level:
    """The n-grams of one length, sorted by history, then by word; all arrays (N,)."""

    histories: Integers
    """Numbers of the n-grams without their last words, in the level below; 0 for single words."""
    words: Integers
    """Numbers of the last words, in the vocabulary."""
    log_probs: Floats
    """ln p(word | history)."""
    back_offs: Floats
    """The ln factor of what the n-gram's suffix says, where the n-gram is a history."""

    def __len__(self) -> int:
        return len(self.words)


class NgramModel:
    """Probabilities of words after up to `order` - 1 others, with back-off.

    Args:
        vocabulary: all words, with `<s>`, `</s>` and `<unk>`.
        levels: the n-grams of 1, 2, ... words. The first holds the whole vocabulary in its order.
    """

    def __init__(self, vocabulary: Sequence[str], levels: Sequence[Level]) -> None:
        self.vocabulary, self.levels = tuple(vocabulary), tuple(levels)
        if UNKNOWN not in self.vocabulary:  # what it does not know never occurs
            words = levels[0]
            rows = (np.append(words.histories, 0), np.append(words.words, len(self.vocabulary)))
            first = Level(*rows, np.append(words.log_probs, NOTHING), np.append(words.back_offs, 0.0))
            self.vocabulary, self.levels = (*self.vocabulary, UNKNOWN), (first, *levels[1:])
        self._numbers = {word: number for number, word in enumerate(self.vocabulary)}
        size, last = len(self.vocabulary), np.iinfo(np.int64).max
        self._keys = [np.append(level.histories * size + level.words, last) for level in self.levels]

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.levels)

    def __len__(self) -> int:
        return sum(map(len, self.levels))

    def __contains__(self, word: str) -> bool:
        return word in self._numbers and word not in (START, UNKNOWN)

    def log_prob(self, history: Sequence[str], word: str) -> float:
        """ln p(word | history). Words unknown to the model are `<unk>`, in the history too."""
        text = self._numbered([*history, word][-self.order :])
        return float(self._log_probs(text, np.zeros(len(text), np.bool_))[-1])

    def log_probs(self, ngrams: Integers) -> Floats:
        """Find ln p of each n-gram's last word after its others.

        Args:
            ngrams: numbers of words, (N, length); words unknown to the model are `<unk>`.

        Returns:
            (N,)
        """
        starts = np.zeros(min(len(ngrams), AT_ONCE) * ngrams.shape[1], np.bool_)
        starts[:: ngrams.shape[1]] = True
        parts = (ngrams[first : first + AT_ONCE] for first in range(0, len(ngrams), AT_ONCE))
        found = (self._log_probs(part.ravel(), starts[: part.size]).reshape(part.shape)[:, -1] for part in parts)
        return np.concatenate([np.zeros(0), *found])

    def places(self, length: int, histories: Integers, words: Integers) -> Integers:
        """Find n-grams of a length.

        Args:
            length: in words.
            histories: as in `Level`, (N,); -1 for none.
            words: as in `Level`, (N,).

        Returns:
            Their places in `levels[length - 1]`, (N,); -1 for what is none.
        """
        keys, wanted = self._keys[length - 1], histories * len(self.vocabulary) + words
        found = np.searchsorted(keys, wanted)
        return np.where(keys[found] == wanted, found, -1)

    def predict(self, sentences: Iterable[str]) -> Prediction:
        """Measure a text, each sentence by itself. As in SRILM, unknown words do not count."""
        text = self._numbered(chain.from_iterable((START, *sentence.split(), END) for sentence in sentences))
        if not len(text):
            return Prediction(0.0, 0, 0)
        starts = text == self._numbers[START]
        is_unknown = text == self._numbers[UNKNOWN]
        counted = ~starts & ~is_unknown
        nats = -float(self._log_probs(text, starts)[counted].sum())
        return Prediction(nats, int(counted.sum()), int(is_unknown.sum()))

    def _numbered(self, words: Iterable[str]) -> Integers:
        unknown = self._numbers[UNKNOWN]
        return np.fromiter((self._numbers.get(word, unknown) for word in words), dtype=np.int64)

    def _log_probs(self, text: Integers, starts: npt.NDArray[np.bool_]) -> Floats:
        """ln p of each word of a text, (N,), after those before it from the last start on."""
        found = text
        log_probs = self.levels[0].log_probs[text]
        for length, (below, level) in enumerate(pairwise(self.levels), start=2):
            before = np.roll(found, 1)
            before[starts] = -1
            before[0] = -1
            found = self.places(length, before, text)
            log_probs[before >= 0] += below.back_offs[before[before >= 0]]
            log_probs[found >= 0] = level.log_probs[found[found >= 0]]
        return log_probs

    def write(self, path: Path) -> None:
        """Write an ARPA file.

        Raises:
            AsrError: if it cannot be written.
        """
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(self.arpa())

    def arpa(self) -> Iterator[str]:
        """The text of an ARPA file, in parts."""
        yield "\\data\\\n"
        yield from (f"ngram {length}={len(level)}\n" for length, level in enumerate(self.levels, start=1))
        texts = list(self.vocabulary)
        for length, level in enumerate(self.levels, start=1):
            if length > 1:
                before, last = level.histories.tolist(), level.words.tolist()
                texts = [
                    f"{texts[history]} {self.vocabulary[word]}" for history, word in zip(before, last, strict=True)
                ]
            columns = [_decimals(level.log_probs), texts]
            if length < self.order:
                columns.append(_decimals(level.back_offs))
            yield f"\n\\{length}-grams:\n"
            yield from map("{}\n".format, map("\t".join, zip(*columns, strict=True)))
        yield "\n\\end\\\n"


def _decimals(values: Floats) -> list[str]:
    """Logarithms as an ARPA file has them; each value that occurs is written once."""
    different, places = np.unique(values, return_inverse=True)
    texts = [f"{value:.7f}" for value in np.maximum(different / LOG10, NEVER).tolist()]
    return [texts[place] for place in places.tolist()]


def is_binary(path: Path) -> bool:
    """Whether a file begins as a KenLM binary does; one that cannot be read does not."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_BINARY)) == _BINARY
    return False


def vocabulary(path: Path) -> list[str]:
    """Read the words of an ARPA file or a KenLM binary, without `<s>`, `</s>` and `<unk>`.

    Raises:
        ModelError: if the file is missing, neither of the two, damaged, or without words.
    """
    try:
        with path.open("rb") as file:
            words = list(_binary_words(file.fileno()) if is_binary(path) else _arpa_words(path))
    except OSError as error:
        raise ModelError(f"{path}: no language model to read ({error.strerror})") from None
    except ValueError as error:
        raise ModelError(
            f"{path}: not an n-gram language model ({error}); it should be an ARPA file or a KenLM binary"
        ) from None
    found = [word for word in dict.fromkeys(words) if word.lower() not in (START, END, UNKNOWN)]
    if not found:
        raise ModelError(f"{path}: this language model knows no word")
    return found


def _arpa_words(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        if not any(line.strip() == "\\data\\" for line, _ in zip(lines, range(1000), strict=False)):
            raise ValueError("it has no line \\data\\")
        counts = 0
        for line in lines:
            if line.strip() == "\\1-grams:":
                break
            if found := _COUNT.fullmatch(line.strip()):
                counts += int(found[1])
        else:
            raise ValueError("it has no line \\1-grams:")
        if counts * SHORTEST_LINE > path.stat().st_size:  # KenLM takes memory for all that it is told of
            raise ValueError("its head tells of more n-grams than fit into the file")
        for line in lines:
            fields = line.split()
            if not fields:
                continue
            if fields[0].startswith("\\"):
                return
            if len(fields) < 2:
                raise ValueError(f"{line.strip()!r} is no unigram")
            yield fields[1]
    raise ValueError("it ends among its unigrams")


def _binary_words(descriptor: int) -> Iterator[str]:
    """KenLM ends its binaries with the words, each followed by a zero byte, `<unk>` first."""
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        first = data.rfind(b"<unk>\0")
        if first < 0:
            raise ValueError("this binary does not list its words")
        yield from data[first:].rstrip(b"\0").decode().split("\0")
