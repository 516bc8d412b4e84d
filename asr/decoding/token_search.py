"""Beam search with an n-gram model of tokens, which finds any spelling."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.flashlight import flashlight, lm_score, ranked, step
from asr.decoding.greedy import collapse
from asr.decoding.hotwords import TokenPhrases
from asr.decoding.hypothesis import Candidate, DecodingConfig
from asr.decoding.vocabulary import are_words, nothing_spelt, separator
from asr.lm.ngram import LOG10
from asr.model.labels import BLANK, IMPOSSIBLE, LogProbs
from asr.text.tokenizer import WORD_START, Tokenizer


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
        self._flashlight = flashlight()
        self._tokenizer = tokenizer
        units = tokenizer.pieces
        self.fused = not are_words(tokenizer)
        if not self.fused:
            units = tuple(piece.removeprefix(WORD_START) for piece in units)
        self.unspelt = tuple(sorted(set(words) - set(units)))
        if len(self.unspelt) == len(words):
            raise nothing_spelt(path, words, tokenizer)
        self._lm = self._flashlight.read(path, ["<blank>", *units])
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
        options = decoder.LexiconFreeDecoderOptions(**self._flashlight.options(config, lm_weight))
        space = separator(self._tokenizer)
        search = decoder.LexiconFreeDecoder(options, lm, BLANK if space is None else space, BLANK, [])
        return _TokenRun(self, search, lm)

    def candidate(self, tokens: tuple[int, ...]) -> Candidate:
        """A text of tokens."""
        bonus = self._hot.earned(tokens) if self._hot else 0.0
        return Candidate(tokens, self._tokenizer.decode(tokens), lm_score(self._lm, tokens), bonus)


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
            step(self._search, np.maximum(log_probs, IMPOSSIBLE))

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all hypotheses that are kept, the best first."""
        found = (tuple(collapse(list(result.tokens)[1:])) for result in ranked(self._search))
        return list(dict.fromkeys(found))

    def finish(self) -> list[Candidate]:
        """The texts that are proposed."""
        self._search.decode_end()
        results = self._search.get_all_final_hypothesis()  # the first token and the last belong to no frame
        found = dict.fromkeys(tuple(collapse(list(result.tokens)[1:-1])) for result in results)
        return [self._of.candidate(tokens) for tokens in found]
