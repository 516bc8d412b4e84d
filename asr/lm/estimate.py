"""Texts -> n-gram models: modified Kneser-Ney smoothing, and less of a model at little loss.

Smoothing is interpolated modified Kneser-Ney, the default of the field's n-gram tools (Chen &
Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 3).
Sentence starts are counted as in Heafield et al. 2013. Pruning is by relative entropy (Stolcke
1998, "Entropy-based pruning of backoff language models"), with histories as frequent as they are in
the text.

Counts are arrays in memory, some 100 bytes a word of the text: 14 million words take 1.5 GB. For
ten times as much take KenLM's `lmplz`, whose files serve as well.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from asr.config import NOT_NEGATIVE, at_least, between, check
from asr.errors import DataError
from asr.lm.ngram import END, NOTHING, START, UNKNOWN, Floats, Integers, Level, NgramModel

TINY = 1e-12
"""Probability that stands for none, where a ratio needs some."""


@dataclass(frozen=True)
class NgramConfig:
    """What an n-gram model keeps of a text.

    Raises:
        ConfigError: if a value is not allowed.
    """

    order: int = 3
    """Words of an n-gram: 3 is usual for words, 6 for characters."""
    vocabulary: int | None = None
    """So many of the most frequent words are known. All the others are one, which is unknown."""
    min_counts: tuple[int, ...] = ()
    """How often n-grams of 2, 3, ... words must occur to be kept; the last one holds for longer."""
    prune: float = 0.0
    """N-grams whose loss raises perplexity by less than this share are dropped, such as 1e-8."""

    def __post_init__(self) -> None:
        check(self, order=between(1, 9), vocabulary=at_least(1), min_counts=at_least(1), prune=NOT_NEGATIVE)


def train_ngram(sentences: Sequence[str], config: NgramConfig) -> NgramModel:
    """Estimate a model of a text, each sentence framed by `<s>` and `</s>`.

    What is dropped goes to the back-off, so that probabilities still sum to one. With a limited
    vocabulary, n-grams of unknown words are dropped too: no decoder writes an unknown word.

    Args:
        sentences: words separated by white space; empty ones are passed over.
        config: what to keep.

    Raises:
        DataError: if there is no word.
    """
    vocabulary, text = _numbered(sentences, config.vocabulary)
    tables = _counted(text, len(vocabulary), config.order, vocabulary.index(START))
    ends = int(tables[0].counts.sum() - tables[0].counts[vocabulary.index(START)])
    _smooth(tables, vocabulary.index(START))
    if config.vocabulary is not None:
        unknown = vocabulary.index(UNKNOWN)
        for length in range(config.order - 1, 0, -1):
            _keep(tables, length, ~tables[length].holds(unknown, tables, length))
    for length in range(config.order - 1, 0, -1):
        if config.min_counts:
            least = config.min_counts[min(length, len(config.min_counts)) - 1]
            _keep(tables, length, tables[length].counts >= least)
    for length in range(config.order - 1, 0, -1):
        if config.prune:
            _keep(tables, length, _losses(tables, length, ends) >= config.prune)
    return NgramModel(vocabulary, [_level(tables, length) for length in range(config.order)])


@dataclass
class _Table:
    """The n-grams of one length, sorted by history, then by word; all arrays (N,)."""

    histories: Integers
    """Numbers of the n-grams without their last words, in the table before."""
    words: Integers
    suffixes: Integers
    """Numbers of the n-grams without their first words, in the table before."""
    counts: Integers
    """How often each is in the text."""
    probabilities: Floats = field(default_factory=lambda: np.zeros(0))
    """Of the word after the history."""

    def holds(self, word: int, tables: "Sequence[_Table]", length: int) -> npt.NDArray[np.bool_]:
        """Whether each n-gram holds a word."""
        found: npt.NDArray[np.bool_] = self.words == word
        if length:
            found |= tables[length - 1].holds(word, tables, length - 1)[self.histories]
        return found


def _numbered(sentences: Sequence[str], limit: int | None) -> tuple[list[str], Integers]:
    """The vocabulary, sorted, and the text as numbers of words, each sentence after a `<s>`."""
    special = {START, END, UNKNOWN}
    found = Counter(chain.from_iterable(map(str.split, sentences)))
    for word in special:
        del found[word]
    if not found:
        raise DataError("the text holds no word to train a language model on")
    # Of equally frequent words the first in the alphabet: the order of the text plays no part.
    ranked = sorted(found, key=lambda word: (-found[word], word))
    vocabulary = sorted({*ranked[:limit], *special})
    numbers = {word: number for number, word in enumerate(vocabulary)}
    left_out = dict.fromkeys(found.keys() - numbers.keys(), numbers[UNKNOWN])
    numbers |= left_out
    start, end = numbers[START], numbers[END]
    for word in special:
        del numbers[word]

    def framed(sentence: str) -> list[int]:
        known = [numbers[word] for word in sentence.split() if word in numbers]
        return [start, *known, end] if known else []

    return vocabulary, np.fromiter(chain.from_iterable(map(framed, sentences)), dtype=np.int64)


def _counted(text: Integers, size: int, order: int, start: int) -> list[_Table]:
    """Count the n-grams of each length; none goes beyond its sentence."""
    starts = text == start
    numbers = text
    tables = [
        _Table(np.zeros(size, np.int64), np.arange(size), np.zeros(size, np.int64), np.bincount(text, minlength=size))
    ]
    for _ in range(1, order):
        before = np.roll(numbers, 1)
        before[starts] = -1
        keys, found, counts = np.unique(
            np.where(before < 0, -1, before * size + text), return_inverse=True, return_counts=True
        )
        found -= 1  # the first key is that of no n-gram: sentences begin somewhere
        suffixes = np.zeros(len(keys) - 1, np.int64)
        suffixes[found[found >= 0]] = numbers[found >= 0]
        tables.append(_Table(keys[1:] // size, keys[1:] % size, suffixes, counts[1:]))
        numbers = found
    return tables


def _smooth(tables: Sequence[_Table], start: int) -> None:
    """Put a probability to every n-gram."""
    begins = tables[0].words == start
    for length, table in enumerate(tables):
        counts = table.counts
        if length:
            begins = begins[table.histories]
        if length + 1 < len(tables):
            # Below the longest n-grams, a count is the number of different words before one. Before
            # <s> there can be none.
            preceded = np.bincount(tables[length + 1].suffixes, minlength=len(counts))
            counts = np.where(begins, counts, preceded)
        if length == 0:
            counts = np.where(begins, 0, counts)
        discounts = np.array(_discounts(counts))[np.minimum(counts, 3)]
        groups = len(tables[length - 1].words) if length else 1
        totals = np.bincount(table.histories, counts, groups)
        shares = np.bincount(table.histories, discounts, groups) / np.maximum(totals, 1)
        lower = tables[length - 1].probabilities[table.suffixes] if length else 1 / (len(counts) - 1)
        table.probabilities = (counts - discounts) / totals[table.histories] + shares[table.histories] * lower
        if length == 0:
            table.probabilities[start] = 0.0


def _discounts(counts: Integers) -> tuple[float, float, float, float]:
    """What is taken from counts of 0, 1, 2, and 3 or more (Chen & Goodman 1998, equation 26).

    They come from how many n-grams have a count of 1, 2, 3 and 4. A text too small or too regular
    to have all of these takes KenLM's fallback.
    """
    _, one, two, three, four = (int(number) for number in np.bincount(np.minimum(counts, 5), minlength=6)[:5])
    if min(one, two, three, four) > 0:
        share = one / (one + 2 * two)
        found = (1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three)
        if all(0 < discount <= count for count, discount in enumerate(found, start=1)):
            return (0.0, *found)
    return (0.0, 0.5, 1.0, 1.5)


def _left(tables: Sequence[_Table], length: int) -> tuple[Floats, Floats]:
    """Of each history, what its n-grams leave of its probability, and of the shorter history's."""
    table, before = tables[length], tables[length - 1]
    own = np.bincount(table.histories, table.probabilities, len(before.words))
    lower = np.bincount(table.histories, before.probabilities[table.suffixes], len(before.words))
    return np.maximum(1 - own, TINY), np.maximum(1 - lower, TINY)


def _losses(tables: Sequence[_Table], length: int, ends: int) -> Floats:
    """By which share perplexity rises if one n-gram alone is dropped (Stolcke 1998, equation 4)."""
    table, before = tables[length], tables[length - 1]
    own, lower = (each[table.histories] for each in _left(tables, length))
    probability, backed_off = table.probabilities, before.probabilities[table.suffixes]
    after = np.log((own + probability) / (lower + backed_off))
    change = probability * (np.log(backed_off) + after - np.log(probability)) + own * (after - np.log(own / lower))
    risen: Floats = np.expm1(-change * before.counts[table.histories] / ends)
    return risen


def _keep(tables: Sequence[_Table], length: int, wanted: npt.NDArray[np.bool_]) -> None:
    """Drop all other n-grams of a length, but those that longer ones begin or end with."""
    table = tables[length]
    if length + 1 < len(tables):
        longer = tables[length + 1]
        wanted = wanted.copy()
        wanted[longer.histories] = True
        wanted[longer.suffixes] = True
        numbers = np.cumsum(wanted) - 1
        longer.histories, longer.suffixes = numbers[longer.histories], numbers[longer.suffixes]
    for name in ("histories", "words", "suffixes", "counts", "probabilities"):
        setattr(table, name, getattr(table, name)[wanted])


def _level(tables: Sequence[_Table], length: int) -> Level:
    """What a model holds of a table."""
    table = tables[length]
    back_offs = np.zeros(len(table.words))
    if length + 1 < len(tables):
        own, lower = _left(tables, length + 1)
        is_history = np.bincount(tables[length + 1].histories, minlength=len(table.words)) > 0
        back_offs[is_history] = np.log(own[is_history] / lower[is_history])
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(np.log(table.probabilities), NOTHING)
    return Level(table.histories, table.words, log_probs, back_offs)
