"""Beam search with an n-gram model, by flashlight-text.

See Collobert et al. 2016, arXiv 1609.03193.
"""

import contextlib
import copy
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.greedy import collapse
from asr.decoding.hotwords import HotWords, TokenPhrases
from asr.decoding.hypothesis import Candidate, DecodingConfig
from asr.decoding.vocabulary import are_words, nothing_spelt, separator
from asr.errors import MissingExtra, ModelError
from asr.lm.ngram import LOG10, UNKNOWN
from asr.model.labels import BLANK, IMPOSSIBLE, LogProbs
from asr.text.tokenizer import WORD_START, Tokenizer

THRESHOLD = 50.0
"""Nats behind the best hypothesis at which flashlight drops one."""


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
        self._flashlight = _flashlight()
        self._tokenizer = tokenizer
        self.separator = separator(tokenizer)
        spellings = {word: tuple(tokenizer.encode(word)) for word in words}
        self.unspelt = tuple(word for word in words if tokenizer.decode(spellings[word]) != word)
        if len(self.unspelt) == len(words):
            raise nothing_spelt(path, words, tokenizer)
        for word in self.unspelt:
            del spellings[word]
        self._words = [*spellings, UNKNOWN]
        self._spellings = [*spellings.values(), ()]
        self._unknown = len(spellings)
        self._lm = _load_kenlm(self._flashlight, path, self._words)
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
        options = decoder.LexiconDecoderOptions(
            beam_size=config.beam,
            beam_size_token=config.top_tokens,
            beam_threshold=THRESHOLD,
            lm_weight=lm_weight * LOG10,  # which multiplies base 10 logarithms
            word_score=config.word_bonus,
            unk_score=-np.inf,
            sil_score=0.0,
            log_add=True,
            criterion_type=decoder.CriterionType.CTC,
        )
        trie = self._trie(lm_weight)
        search = decoder.LexiconDecoder(options, trie, lm, self._pause, BLANK, self._unknown, [], False)
        return _WordRun(self, search, (trie, lm))

    def candidate(self, words: Sequence[int]) -> Candidate:
        """A text of words, by their numbers."""
        text = " ".join(self._words[word] for word in words)
        bonus = self._hot.earned(words) if self._hot else 0.0
        tokens = self.spelt(words)[: -1 if words and self._end else None]
        known = [min(word, self._unknown) for word in words]
        return Candidate(tokens, text, _lm_score(self._lm, known), bonus)

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
        _step(self._search, scores)

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all hypotheses that are kept, the best first."""
        return list(dict.fromkeys(self._tokens(result) for result in _ranked(self._search)))

    def finish(self) -> list[Candidate]:
        """The texts that are proposed."""
        if self._of.separator is not None:
            last = np.full((1, self._of.columns), IMPOSSIBLE)
            last[0, self._of.separator] = 0.0
            _step(self._search, last)
        self._search.decode_end()
        results = self._search.get_all_final_hypothesis()
        return [self._of.candidate(words) for words in dict.fromkeys(map(_words, results))]

    def _tokens(self, result: Any) -> tuple[int, ...]:
        """Those of whole words, and of the one in the making."""
        ends = [place for place, word in enumerate(result.words) if word >= 0]
        rest = collapse(list(result.tokens)[ends[-1] + 1 if ends else 0 :])
        return (*self._of.spelt(_words(result)), *(token for token in rest if token not in self._of.pauses))


class TokenSearch:
    """The search with a model of tokens, which finds any spelling; the tokens may be words.

    Word bonuses count in the ranking only. So tokens that are words are searched without the
    language model. It would charge for every word and grant no bonus, and so drop the texts that
    the ranking would choose.

    Args:
        tokenizer: the acoustic model's.
        path: the language model's file.
        words: its units.

    Raises:
        ModelError: if none of its units is a token, or the file cannot be read.
        MissingExtra: if flashlight-text is not installed.
    """

    def __init__(self, tokenizer: Tokenizer, path: Path, words: list[str]) -> None:
        self._flashlight = _flashlight()
        self._tokenizer = tokenizer
        units = tokenizer.pieces
        self.fused = not are_words(tokenizer)
        if not self.fused:
            units = tuple(piece.removeprefix(WORD_START) for piece in units)
        self.unspelt = tuple(sorted(set(words) - set(units)))
        if len(self.unspelt) == len(words):
            raise nothing_spelt(path, words, tokenizer)
        self._lm = _load_kenlm(self._flashlight, path, ["<blank>", *units])
        self._hot: TokenPhrases | None = None

    def favouring(self, hotwords: Mapping[str, float]) -> "TokenSearch":
        """This search with hot words."""
        other = copy.copy(self)
        other._hot = TokenPhrases(self._tokenizer, hotwords)
        return other

    def begin(self, config: DecodingConfig) -> "_TokenRun":
        """Begin to read an utterance."""
        decoder, hot = self._flashlight.decoder, self._hot
        lm_weight = max(config.lm_weight if self.fused else 0.0, 1e-3)
        lm = self._lm
        if hot is not None:
            lm = self._flashlight.boosted(lm, hot.words, lm_weight * LOG10, start=hot.start, end=hot.border)
        options = decoder.LexiconFreeDecoderOptions(
            beam_size=config.beam,
            beam_size_token=config.top_tokens,
            beam_threshold=THRESHOLD,
            lm_weight=lm_weight * LOG10,
            sil_score=0.0,
            log_add=True,
            criterion_type=decoder.CriterionType.CTC,
        )
        space = separator(self._tokenizer)
        search = decoder.LexiconFreeDecoder(options, lm, BLANK if space is None else space, BLANK, [])
        return _TokenRun(self, search, lm)

    def candidate(self, tokens: tuple[int, ...]) -> Candidate:
        """A text of tokens."""
        bonus = self._hot.earned(tokens) if self._hot else 0.0
        return Candidate(tokens, self._tokenizer.decode(tokens), _lm_score(self._lm, tokens), bonus)


class _TokenRun:
    """The search of an utterance.

    Args:
        of: whose it is.
        search: flashlight's decoder.
        held: what that refers to.
    """

    def __init__(self, of: TokenSearch, search: Any, held: Any) -> None:
        self._of, self._search, self._held = of, search, held
        search.decode_begin()

    def accept(self, log_probs: LogProbs) -> None:
        """Read the next frames, (T, V)."""
        if len(log_probs):
            _step(self._search, np.maximum(log_probs, IMPOSSIBLE))

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all hypotheses that are kept, the best first."""
        found = (tuple(collapse(list(result.tokens)[1:])) for result in _ranked(self._search))
        return list(dict.fromkeys(found))

    def finish(self) -> list[Candidate]:
        """The texts that are proposed."""
        self._search.decode_end()
        results = self._search.get_all_final_hypothesis()  # the first token and the last belong to no frame
        found = dict.fromkeys(tuple(collapse(list(result.tokens)[1:-1])) for result in results)
        return [self._of.candidate(tokens) for tokens in found]


def _step(search: Any, scores: LogProbs) -> None:
    """Hand frames to flashlight, which takes an address."""
    numbers = np.ascontiguousarray(scores, np.float32)
    search.decode_step(numbers.ctypes.data, *numbers.shape)


def _ranked(search: Any) -> list[Any]:
    """What flashlight keeps by now, the best first."""
    return sorted(search.get_all_final_hypothesis(), key=lambda result: -result.score)


def _words(result: Any) -> tuple[int, ...]:
    """Numbers of the words of what flashlight found."""
    return tuple(word for word in result.words if word >= 0)


def _lm_score(lm: Any, units: Sequence[int]) -> float:
    """Score a whole sentence of words or tokens, its end included, in nats."""
    state, total = lm.start(False), 0.0
    for unit in units:
        state, score = lm.score(state, unit)
        total += score
    return float((total + lm.finish(state)[1]) * LOG10)


@dataclass(frozen=True)
class _Flashlight:
    """flashlight-text, imported when it is needed."""

    decoder: Any
    kenlm: Any
    dictionary: Any

    def boosted(
        self,
        lm: Any,
        words: HotWords,
        scale: float,
        *,
        unknown: int = sys.maxsize,
        start: int = 0,
        end: Sequence[int] = (),
    ) -> Any:
        """A language model that adds what hot words earn.

        Args:
            lm: the model without them.
            words: the hot words, of the same units.
            scale: what the search multiplies scores by; bonuses are divided by it.
            unknown: the unit that the model takes all later ones for.
            start: the hot words' state before the first unit.
            end: units that they are shown after the last.
        """

        class Boosted(self.decoder.LM):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.states: dict[Any, int] = {}

            def start(self, start_with_nothing: bool) -> Any:
                state = lm.start(start_with_nothing)
                self.states = {state: start}
                return state

            def score(self, state: Any, unit: int) -> tuple[Any, float]:
                reached, score = lm.score(state, min(unit, unknown))
                self.states[reached], change = words.step(self.states[state], unit)
                return reached, score + change / scale

            def finish(self, state: Any) -> tuple[Any, float]:
                reached, score = lm.finish(state)
                hot, total = self.states[state], 0.0
                for unit in end:
                    hot, change = words.step(hot, unit)
                    total += change
                return reached, score + (total + words.finish(hot)) / scale

        return Boosted()


def is_installed() -> bool:
    """Whether flashlight-text can be imported."""
    try:
        _flashlight()
    except MissingExtra:
        return False
    return True


def _flashlight() -> _Flashlight:
    try:
        from flashlight.lib.text import decoder, dictionary
        from flashlight.lib.text.decoder import kenlm
    except ImportError:
        if sys.version_info >= (3, 13):
            raise MissingExtra(
                "decoding with an n-gram model (flashlight-text, which exists up to Python 3.12)", "lm"
            ) from None
        raise MissingExtra("decoding with an n-gram model", "lm") from None
    return _Flashlight(decoder, kenlm, dictionary)


def _load_kenlm(flashlight: _Flashlight, path: Path, units: Sequence[str]) -> Any:
    """Read a language model, its words numbered as `units` are."""
    dictionary = flashlight.dictionary.Dictionary()
    for unit in units:
        dictionary.add_entry(unit)
    try:
        with _quiet():
            return flashlight.kenlm.KenLM(str(path), dictionary)
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[-1].strip()
        raise ModelError(f"{path}: this language model cannot be read ({reason}); build or copy it again") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep KenLM's progress bar, written by C++, off the screen."""
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
