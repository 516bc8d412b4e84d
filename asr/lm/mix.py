"""Two n-gram models of words -> one that knows what either knows.

Static interpolation, as in SRILM (Stolcke 2002, "SRILM - an extensible language modeling toolkit"):
the mixed model has the n-grams of both, each with its weighed probability, and back-off for the
rest. A model gives a word that it does not know no probability.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError
from asr.lm.estimate import TINY
from asr.lm.ngram import END, NOTHING, START, UNKNOWN, Floats, Integers, Level, NgramModel

PASSES = 50
"""Of expectation and maximisation; a share has long settled by then."""


def mixed(general: NgramModel, own: NgramModel, share: float) -> NgramModel:
    """Mix two models, of the same or another order and vocabulary.

    Args:
        general: the one.
        own: the other.
        share: of the other, between 0 and 1, both left out.

    Raises:
        ConfigError: if the share is not between 0 and 1.

    Example:
        >>> from asr.lm.estimate import NgramConfig, train_ngram
        >>> general, own = (train_ngram([text], NgramConfig(2)) for text in ("a b", "a c"))
        >>> both = mixed(general, own, 0.25)
        >>> round(both.log_prob(["a"], "c") - own.log_prob(["a"], "c"), 3)  # ln 0.25
        -1.386
    """
    if not 0 < share < 1:
        raise ConfigError(f"a share of {share:g} mixes nothing; it should lie between 0 and 1")
    vocabulary = _words(general, own)
    sources = [_Source(model, vocabulary) for model in (general, own)]
    weights = np.log([1 - share, share])
    levels: list[Level] = []
    texts: Integers = np.zeros((1, 0), np.int64)
    """The n-grams of the level before, (N, length), numbers of words."""
    for length in range(1, max(general.order, own.order) + 1):
        found = [source.keys(length) for source in sources]
        keys = np.unique(np.concatenate(found))
        for source, its in zip(sources, found, strict=True):
            source.places = np.searchsorted(keys, its)
        histories, words = np.divmod(keys, len(vocabulary))
        texts = np.column_stack((texts[histories], words))
        log_probs = np.logaddexp(
            *(weight + source.log_probs(texts) for weight, source in zip(weights, sources, strict=True))
        )
        if levels:
            levels[-1].back_offs[:] = _back_offs(NgramModel(vocabulary, levels), histories, texts, log_probs)
        levels.append(Level(histories, words, np.maximum(log_probs, NOTHING), np.zeros(len(keys))))
    return NgramModel(vocabulary, levels)


def best_share(general: NgramModel, own: NgramModel, sentences: Sequence[str]) -> float:
    """Find the share of the second model with which the mixture predicts a text best.

    By expectation and maximisation. Words that neither model knows do not count.

    Args:
        general: the first model.
        own: the second one.
        sentences: text that neither was trained on.

    Returns:
        Between 0 and 1; 0 if no word counts.
    """
    vocabulary = _words(general, own)
    texts = _ngrams(sentences, max(general.order, own.order), vocabulary)
    first, second = (
        np.exp(np.concatenate([np.zeros(0), *map(_Source(model, vocabulary).log_probs, texts)]))
        for model in (general, own)
    )
    counts = (first > TINY) | (second > TINY)
    first, second = first[counts], second[counts]
    share = 0.5 if len(first) else 0.0
    for _ in range(PASSES if len(first) else 0):
        share = float(np.mean(share * second / (share * second + (1 - share) * first)))
    return share


def _words(general: NgramModel, own: NgramModel) -> tuple[str, ...]:
    """The words that either model knows, each once."""
    return tuple(dict.fromkeys((*general.vocabulary, *own.vocabulary)))


def _ngrams(sentences: Iterable[str], order: int, vocabulary: Sequence[str]) -> list[Integers]:
    """Each word of a text, and the end of each sentence, after the words before it, by length."""
    numbers = {word: number for number, word in enumerate(vocabulary)}
    found = defaultdict[int, list[list[int]]](list)
    for sentence in sentences:
        words = [numbers.get(word, numbers[UNKNOWN]) for word in (START, *sentence.split(), END)]
        for end in range(2, len(words) + 1):
            ngram = words[max(0, end - order) : end]
            found[len(ngram)].append(ngram)
    return [np.array(ngrams) for ngrams in found.values()]


class _Source:
    """A model that goes into a mixture, by the numbers of the mixture's words and n-grams."""

    def __init__(self, model: NgramModel, vocabulary: Sequence[str]) -> None:
        self._model = model
        own = {word: number for number, word in enumerate(model.vocabulary)}
        self._own = np.array([own.get(word, own[UNKNOWN]) for word in vocabulary])
        self._known = np.array([word in own for word in vocabulary])
        mixed = {word: number for number, word in enumerate(vocabulary)}
        self._mixed = np.array([mixed[word] for word in model.vocabulary])
        self.places: Integers = np.zeros(1, np.int64)
        """Of each n-gram of the level before its number in the mixture."""

    def keys(self, length: int) -> Integers:
        """Name its n-grams of a length by history and word."""
        if length > self._model.order:
            return np.zeros(0, np.int64)
        level = self._model.levels[length - 1]
        keys: Integers = self.places[level.histories] * len(self._own) + self._mixed[level.words]
        return keys

    def log_probs(self, texts: Integers) -> Floats:
        """ln p of the last words of texts after the others, (N,)."""
        found = self._model.log_probs(self._own[texts[:, -self._model.order :]])
        return np.where(self._known[texts[:, -1]], found, NOTHING)


def _back_offs(below: NgramModel, histories: Integers, texts: Integers, log_probs: Floats) -> Floats:
    """Of each history, what its n-grams leave, as a share of what they leave without it."""
    size = len(below.levels[-1])

    def left(values: Floats) -> npt.NDArray[np.float64]:
        return np.maximum(1 - np.bincount(histories, np.exp(values), size), TINY)

    return np.log(left(log_probs) / left(below.log_probs(texts[:, 1:])))
