"""Beam search with an n-gram model of words, through a lexicon."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.flashlight import flashlight, lm_score, ranked, step
from asr.decoding.greedy import collapse
from asr.decoding.hotwords import HotWords
from asr.decoding.hypothesis import Candidate, DecodingConfig
from asr.decoding.vocabulary import nothing_spelt, separator
from asr.lm.ngram import LOG10, UNKNOWN
from asr.model.labels import BLANK, IMPOSSIBLE, LogProbs
from asr.text.tokenizer import Tokenizer


class WordSearch:
    """The search with a model of words, through a lexicon.

    The lexicon holds the words that the model knows and the tokens can spell. After them comes the
    unknown word, and then hot words that the model does not know.

    Args:
        tokenizer: the acoustic model's.
        path: the model's file.
        words: those of the model.

    Raises:
        ModelError: if the tokens can spell none of the words, or the file cannot be read.
        MissingExtra: if flashlight-text is not installed.
    """

    fused = True

    def __init__(self, tokenizer: Tokenizer, path: Path, words: list[str]) -> None:
        self._flashlight = flashlight()
        self._tokenizer = tokenizer
        self.separator = separator(tokenizer)
        spelt = dict(zip(words, tokenizer.spellings(words), strict=True))
        spellings = {word: tuple(tokens) for word, tokens in spelt.items() if tokens is not None}
        self.unspelt = tuple(word for word, tokens in spelt.items() if tokens is None)
        if not spellings:
            raise nothing_spelt(path, words, tokenizer)
        self._words = [*spellings, UNKNOWN]
        self._spellings = [*spellings.values(), ()]
        self._unknown = len(spellings)
        self._lm = self._flashlight.read(path, self._words)
        start = self._lm.start(False)
        self._firsts = [self._lm.score(start, number)[1] for number in range(len(self._words))]
        """Score of each word at the start of a sentence."""
        self._hot: HotWords | None = None
        self._tries: dict[float, Any] = {}
        # Where no token parts words, a column of its own stands for a word's last token going on.
        self._pause = tokenizer.size if self.separator is None else self.separator
        self._end = () if self.separator is None else (self.separator,)
        self.columns = tokenizer.size + (self.separator is None)
        self.pauses = (BLANK, self._pause)
        """Tokens that are of no word."""

    def favouring(self, hotwords: Mapping[str, float]) -> "WordSearch":
        """This search, which has none, with hot words; the model is shared."""
        numbers = {word: number for number, word in enumerate(self._words)}
        new = list(dict.fromkeys(word for word in " ".join(hotwords).split() if word not in numbers))
        numbers.update(zip(new, range(len(numbers), len(numbers) + len(new)), strict=True))
        other = copy.copy(self)
        other._words = [*self._words, *new]
        other._spellings = [*self._spellings, *(tuple(self._tokenizer.encode(word)) for word in new)]
        other._firsts = [*self._firsts, *[self._firsts[self._unknown]] * len(new)]
        phrases = {tuple(numbers[word] for word in phrase.split()): bonus for phrase, bonus in hotwords.items()}
        other._hot, other._tries = HotWords(phrases), {}
        return other

    def _trie(self, lm_weight: float) -> Any:
        """The lexicon as a prefix tree.

        Each node has the score of its best word at the start of a sentence, so that pruning looks
        ahead.
        """
        if self._tries and (self._hot is None or lm_weight in self._tries):
            return next(iter(self._tries.values())) if self._hot is None else self._tries[lm_weight]
        trie = self._flashlight.decoder.Trie(self.columns, self._pause)
        for number, (spelling, score) in enumerate(zip(self._spellings, self._firsts, strict=True)):
            if number == self._unknown:
                continue
            if self._hot is not None and lm_weight:
                score += self._hot.step(0, number)[1] / (lm_weight * LOG10)
            trie.insert([*spelling, *self._end], number, score)
        trie.smear(self._flashlight.decoder.SmearingMode.MAX)
        self._tries = {lm_weight: trie}
        return trie

    def begin(self, config: DecodingConfig) -> "_WordRun":
        """Begin to read an utterance."""
        decoder = self._flashlight.decoder
        lm_weight = max(config.lm_weight, 1e-3)  # at 0 hot words could not speak through the language model
        lm = self._lm
        if self._hot is not None:
            lm = self._flashlight.boosted(lm, self._hot, lm_weight * LOG10, unknown=self._unknown)
        shared = self._flashlight.options(config, lm_weight)
        options = decoder.LexiconDecoderOptions(**shared, word_score=config.word_bonus, unk_score=-np.inf)
        trie = self._trie(lm_weight)
        search = decoder.LexiconDecoder(options, trie, lm, self._pause, BLANK, self._unknown, [], False)
        return _WordRun(self, search, (trie, lm))

    def candidate(self, words: Sequence[int]) -> Candidate:
        """A text of words, by their numbers."""
        text = " ".join(self._words[word] for word in words)
        bonus = self._hot.earned(words) if self._hot else 0.0
        tokens = self.spelt(words)[: -1 if words and self._end else None]
        known = [min(word, self._unknown) for word in words]
        return Candidate(tokens, text, lm_score(self._lm, known), bonus)

    def spelt(self, words: Sequence[int]) -> tuple[int, ...]:
        """Tokens of words, what ends each included."""
        return tuple(token for word in words for token in (*self._spellings[word], *self._end))


class _WordRun:
    """The search of an utterance.

    It makes sure that the last word can end. With a separator, a frame of it is appended. Without
    one, a column is: in it the best token of a frame may go on from the frame before, since the
    search offers nothing else between two words.

    Args:
        of: whose it is.
        search: flashlight's decoder.
        held: what that refers to.
    """

    def __init__(self, of: WordSearch, search: Any, held: Any) -> None:
        self._of, self._search, self._held = of, search, held
        self._before: int | None = None
        """The best token of the last frame."""
        search.decode_begin()

    def accept(self, log_probs: LogProbs) -> None:
        """Read the next frames, (T, V)."""
        if not len(log_probs):
            return
        scores = np.maximum(log_probs, IMPOSSIBLE)
        if self._of.separator is None:
            tokens = scores[:, BLANK + 1 :]
            best = tokens.argmax(axis=1)
            goes_on = best == np.append(-1 if self._before is None else self._before, best[:-1])
            self._before = int(best[-1])
            column = np.where(goes_on, tokens.max(axis=1), IMPOSSIBLE)
            scores = np.concatenate([scores, column[:, None]], axis=1)
        step(self._search, scores)

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all hypotheses that are kept, the best first."""
        return list(dict.fromkeys(self._tokens(result) for result in ranked(self._search)))

    def finish(self) -> list[Candidate]:
        """The texts that are proposed."""
        if self._of.separator is not None:
            last = np.full((1, self._of.columns), IMPOSSIBLE)
            last[0, self._of.separator] = 0.0
            step(self._search, last)
        self._search.decode_end()
        results = self._search.get_all_final_hypothesis()
        return [self._of.candidate(words) for words in dict.fromkeys(map(_words, results))]

    def _tokens(self, result: Any) -> tuple[int, ...]:
        """Those of whole words, and of the one in the making."""
        ends = [place for place, word in enumerate(result.words) if word >= 0]
        rest = collapse(list(result.tokens)[ends[-1] + 1 if ends else 0 :])
        return (*self._of.spelt(_words(result)), *(token for token in rest if token not in self._of.pauses))


def _words(result: Any) -> tuple[int, ...]:
    """Numbers of the words of what flashlight found."""
    return tuple(word for word in result.words if word >= 0)
