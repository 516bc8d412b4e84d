"""Word (or token) n-gram language models, and how well a model predicts a text.

Training is interpolated modified Kneser-Ney, the default of the field's n-gram tools (Chen &
Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 3).
Sentence starts are counted as in Heafield et al. 2013. All counts stay in memory, some 300 bytes
an n-gram. For more than a few ten million words take KenLM's `lmplz`, whose files serve as well.

A file is ARPA text, or KenLM's binary of one. Probabilities are natural logarithms here and base 10
in ARPA files.
"""

import math
import mmap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ConfigError, DataError, ModelError
from asr.files import atomic

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
LOG10 = math.log(10)
NEVER = -99.0
"""ARPA's base 10 logarithm of nothing."""

_BINARY = b"mmap lm http://kheafield.com/code"

Ngram = tuple[str, ...]


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


class NgramModel:
    """Probabilities of words after up to `order` - 1 others, with back-off.

    Args:
        order: length of the longest n-grams.
        log_probs: n-gram to ln p(last word | the words before it), shorter ones too.
        back_offs: history to the ln factor of the shorter history's probabilities; 0 if it is
            absent.
    """

    def __init__(self, order: int, log_probs: Mapping[Ngram, float], back_offs: Mapping[Ngram, float]) -> None:
        self.order = order
        self.log_probs = log_probs
        self.back_offs = back_offs

    def __contains__(self, word: str) -> bool:
        return (word,) in self.log_probs and word not in (START, UNKNOWN)

    def log_prob(self, history: Ngram, word: str) -> float:
        """ln p(word | history). Words unknown to the model are `<unk>`, in the history too."""
        known = tuple(w if (w,) in self.log_probs else UNKNOWN for w in (*history, word))
        history, word = known[:-1][-(self.order - 1) :] if self.order > 1 else (), known[-1]
        given_up = 0.0
        while (*history, word) not in self.log_probs:
            given_up += self.back_offs.get(history, 0.0)
            history = history[1:]
        return given_up + self.log_probs[(*history, word)]

    def predict(self, sentences: Iterable[str]) -> Prediction:
        """Measure a text, each sentence by itself. As in SRILM, unknown words do not count."""
        nats, words, unknown = 0.0, 0, 0
        for sentence in sentences:
            history: Ngram = (START,)
            for word in (*sentence.split(), END):
                if word in self:
                    nats -= self.log_prob(history, word)
                    words += 1
                else:
                    unknown += 1
                history = (*history, word)[-self.order :]
        return Prediction(nats, words, unknown)

    def write(self, path: Path) -> None:
        """Write an ARPA file.

        Raises:
            AsrError: if it cannot be written.
        """
        orders: list[list[Ngram]] = [[] for _ in range(self.order)]
        for ngram in sorted(self.log_probs):
            orders[len(ngram) - 1].append(ngram)
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write("\\data\\\n")
            file.writelines(f"ngram {length}={len(ngrams)}\n" for length, ngrams in enumerate(orders, start=1))
            for length, ngrams in enumerate(orders, start=1):
                file.write(f"\n\\{length}-grams:\n")
                for ngram in ngrams:
                    log_prob = max(NEVER, self.log_probs[ngram] / LOG10)
                    back_off = f"\t{self.back_offs.get(ngram, 0.0) / LOG10:.7f}" if length < self.order else ""
                    file.write(f"{log_prob:.7f}\t{' '.join(ngram)}{back_off}\n")
            file.write("\n\\end\\\n")


def train_ngram(sentences: Iterable[str], order: int) -> NgramModel:
    """Estimate a model of a text, each sentence framed by `<s>` and `</s>`.

    Its vocabulary is the text's, and `<unk>`.

    Args:
        sentences: words separated by white space; empty ones are passed over.
        order: words of an n-gram, 1 to 9.

    Raises:
        ConfigError: if `order` is out of range.
        DataError: if there is no word.
    """
    if not 1 <= order <= 9:
        raise ConfigError(f"--order {order} is not allowed; 3 is usual for words, 6 for characters, and 9 the most")
    counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        words = (START, *(w for w in sentence.split() if w not in (START, END, UNKNOWN)), END)
        if len(words) > 2:
            for length, found in enumerate(counts, start=1):
                found.update(zip(*(words[i:] for i in range(length)), strict=False))
    if not counts[0]:
        raise DataError("the text holds no word to train a language model on")
    for length in range(order - 1, 0, -1):
        # Below the longest n-grams, a count is the number of different words before one. Before <s>
        # there can be none.
        shorter = Counter(ngram[1:] for ngram in counts[length])
        shorter.update({ngram: count for ngram, count in counts[length - 1].items() if ngram[0] == START})
        counts[length - 1] = shorter
    del counts[0][(START,)]
    probabilities: dict[Ngram, float] = {(word,): 0.0 for word in (UNKNOWN, *(word for (word,) in counts[0]))}
    uniform = 1 / len(probabilities)
    back_offs: dict[Ngram, float] = {}
    for length, found in enumerate(counts, start=1):
        discounts = _discounts(found)
        totals: defaultdict[Ngram, int] = defaultdict(int)
        reserved: defaultdict[Ngram, float] = defaultdict(float)
        for ngram, count in found.items():
            totals[ngram[:-1]] += count
            reserved[ngram[:-1]] += discounts[min(count, 3)]
        for history, total in totals.items():
            back_offs[history] = reserved[history] / total
        if length == 1:
            found[(UNKNOWN,)] = 0
        for ngram, count in found.items():
            history = ngram[:-1]
            lower = probabilities[ngram[1:]] if length > 1 else uniform
            kept = max(0.0, count - discounts[min(count, 3)]) / totals[history]
            probabilities[ngram] = kept + back_offs[history] * lower
    del back_offs[()]  # the empty history's share is in the unigrams already
    log_probs = {ngram: math.log(probability) for ngram, probability in probabilities.items()}
    log_probs[(START,)] = NEVER * LOG10
    return NgramModel(order, log_probs, {history: math.log(share) for history, share in back_offs.items()})


def _discounts(counts: Mapping[Ngram, int]) -> tuple[float, float, float, float]:
    """What is taken from counts of 0, 1, 2, and 3 or more (Chen & Goodman 1998, equation 26).

    They come from how many n-grams have a count of 1, 2, 3 and 4. A text too small or too regular
    to have all of these takes KenLM's fallback.
    """
    seen = Counter(counts.values())
    one, two, three, four = (seen[count] for count in (1, 2, 3, 4))
    if min(one, two, three, four) > 0:
        share = one / (one + 2 * two)
        found = (1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three)
        if all(0 < discount <= count for count, discount in enumerate(found, start=1)):
            return (0.0, *found)
    return (0.0, 0.5, 1.0, 1.5)


def vocabulary(path: Path) -> list[str]:
    """Read the words of an ARPA file or a KenLM binary, without `<s>`, `</s>` and `<unk>`.

    Raises:
        ModelError: if the file is missing, neither of the two, damaged, or without words.
    """
    try:
        with path.open("rb") as file:
            words = list(_binary_words(file.fileno()) if file.read(len(_BINARY)) == _BINARY else _arpa_words(path))
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
        if not any(line.strip() == "\\1-grams:" for line in lines):
            raise ValueError("it has no line \\1-grams:")
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
