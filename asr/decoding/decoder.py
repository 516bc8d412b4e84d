"""Decoding with language models: a beam search proposes texts, exact scores rank them.

A text's score, in nats, is the sum of

    ln P(its tokens | audio)                over all CTC paths, whichever search found the text;
                                            blank as much less probable as `blank_penalty` says
    second_weight x ln P2(text | audio)     the same by a second recogniser
    lm_weight x ln P(text)                  by the n-gram model, the recurrent model, or both
    word_bonus x words
    what its hot words earn

Two language models are interpolated log-linearly, by `rnn_share`. The search is shallow fusion with
the n-gram model; the other two models rank what it finds. It depends on the n-gram model's units:

    words                         flashlight's search through a lexicon: only words that it knows
    tokens                        flashlight's search without a lexicon: any spelling
    words, and so are the tokens  the same by the acoustic model alone; the n-gram model ranks too
    there is none                 `prefix_beam.prefix_beam_search`
"""

import copy
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asr.audio.reader import Waveform
from asr.decoding.hypothesis import Candidate, DecodingConfig, Hypothesis, Run, Search
from asr.decoding.likelihood import log_likelihoods
from asr.decoding.prefix_beam import PrefixSearch
from asr.decoding.searchers import Searchers
from asr.decoding.token_search import TokenSearch
from asr.decoding.vocabulary import alphabet, are_tokens, are_words, letters
from asr.decoding.word_search import WordSearch
from asr.errors import ConfigError, ModelError
from asr.lm.kenlm import for_kenlm
from asr.lm.ngram import vocabulary
from asr.model.labels import BLANK, IMPOSSIBLE, LogProbs
from asr.recogniser.engine import Engine
from asr.text.tokenizer import Tokenizer

if TYPE_CHECKING:  # PyTorch's
    import torch

    from asr.lm.rnn import RnnLm


CERTAIN = math.log(0.99)
"""ln P(blank) above which a frame is certainly blank. Of such frames in a row the search reads one.

Every hypothesis reads the others as blank, too, at next to no cost (Chen et al. 2017, "Phone
synchronous speech recognition with CTC lattices"). Searched, they would let the beam forget: in
each, every text is held twice, with a blank at its end and with its last token going on. Texts are
ranked by all frames in any case.
"""


class Decoder:
    """Log-probs of one utterance -> its best hypotheses.

    Args:
        tokenizer: the acoustic model's.
        config: beam and weights.
        ngram: an n-gram model of words or of tokens.
        rnn: a recurrent model, which ranks what the search proposes.
        second: another recogniser of the same sample rate, which ranks too; it may have other
            tokens, such as characters beside words.
        hotwords: phrases to favour, and what each occurrence earns, in nats.

    Raises:
        ConfigError: if a hot word cannot be spelt.
        ModelError: if a model cannot be used with these tokens.
        MissingExtra: if an n-gram model is given and flashlight-text is not installed.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: DecodingConfig,
        *,
        ngram: Path | None = None,
        rnn: "RnnLm | None" = None,
        second: Engine | None = None,
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        self.config = config
        for name, model in (("recurrent language model", rnn), ("second recogniser", second)):
            if model is not None and not letters(tokenizer) & letters(model.tokenizer):
                raise ModelError(
                    f"the {name} writes {alphabet(model.tokenizer)}, the recogniser {alphabet(tokenizer)}; "
                    "are both of one language, case and form?"
                )
        self._tokenizer, self._rnn, self._second = tokenizer, rnn, second
        self._plain: Search
        if ngram is None:
            self._plain = PrefixSearch(tokenizer)
        else:
            with for_kenlm(ngram) as file:
                words = vocabulary(file)
                kind = TokenSearch if are_words(tokenizer) or are_tokens(words, tokenizer) else WordSearch
                self._plain = kind(tokenizer, file, words)
        self._search = self._favouring(hotwords or {})
        self._searchers: Searchers | None = None
        self.has_ngram, self.has_rnn, self.has_second = ngram is not None, rnn is not None, second is not None

    def with_hotwords(self, hotwords: Mapping[str, float]) -> "Decoder":
        """A decoder that favours other phrases; all else is shared with this one.

        Raises:
            ConfigError: if a hot word cannot be spelt.
        """
        other = copy.copy(self)
        other._search, other._searchers = self._favouring(hotwords), None
        return other

    def _favouring(self, hotwords: Mapping[str, float]) -> Search:
        phrases = {" ".join(phrase.split()): bonus for phrase, bonus in hotwords.items()}
        tokenizer = self._tokenizer
        for phrase, bonus in phrases.items():
            if not isinstance(bonus, int | float) or not math.isfinite(bonus):
                raise ConfigError(f"hot word {phrase!r}: its bonus must be a finite number of nats, got {bonus!r}")
            if not phrase or tokenizer.decode(tokenizer.encode(phrase)) != phrase:
                raise ConfigError(f"hot word {phrase!r} cannot be spelt with the model's tokens, {alphabet(tokenizer)}")
        return self._plain.favouring(phrases) if phrases else self._plain

    def in_processes(self, count: int) -> "Decoder":
        """A decoder that any thread may ask, and that decodes whole utterances in processes.

        It is this one elsewhere than on Linux, where none can be forked, and with a recurrent
        model. Call it before there are threads.

        Args:
            count: how many processes.

        Raises:
            OSError: if there can be no more processes.
        """
        if sys.platform != "linux" or self.has_rnn:
            return self
        self.begin()  # what the first search builds is built once
        other = copy.copy(self)
        other._searchers = Searchers(self, count)
        return other

    @property
    def fused(self) -> bool:
        """Whether the weights of the n-gram model and of words count in the search.

        Else they count in the ranking alone.
        """
        return self._search.fused

    @property
    def device(self) -> "torch.device":
        """Where hypotheses are ranked: the recurrent model's device, else the CPU."""
        import torch

        return self._rnn.device if self._rnn is not None else torch.device("cpu")

    @property
    def unspelt(self) -> tuple[str, ...]:
        """Words of the n-gram model that the tokens cannot spell, and so no hypothesis holds."""
        return self._search.unspelt

    def second_log_probs(self, waveforms: Sequence[Waveform]) -> Sequence[LogProbs | None]:
        """Score utterances by the second recogniser, for `__call__`.

        Args:
            waveforms: (N,) each.

        Returns:
            Of each utterance (T2, V2), by the second recogniser's own frames and tokens; None if
            there is no second recogniser.
        """
        return [None] * len(waveforms) if self._second is None else self._second.log_probs(waveforms)

    def __call__(
        self, log_probs: LogProbs, config: DecodingConfig | None = None, *, second: LogProbs | None = None
    ) -> list[Hypothesis]:
        """Find the best texts, each once.

        Args:
            log_probs: (T, V); without a frame the empty text is the only one.
            config: in place of the decoder's own.
            second: what `second_log_probs` gave for the utterance.

        Returns:
            At most `config.beam` hypotheses, best first.
        """
        if self._searchers is not None:
            return self._searchers(log_probs, config or self.config, second)
        decoding = self.begin(config)
        decoding.accept(log_probs)
        return decoding.finish(second=second)

    def begin(self, config: DecodingConfig | None = None) -> "Decoding":
        """Begin to decode an utterance whose frames come in pieces."""
        return Decoding(self, config or self.config, self._search.begin(config or self.config))

    def scored(
        self, candidates: Sequence[Candidate], log_probs: LogProbs, config: DecodingConfig, second: LogProbs | None
    ) -> list[Hypothesis]:
        """Score what a search proposes by all models, and rank it."""
        by_text = {candidate.text: candidate for candidate in reversed(candidates)}
        candidates = list(reversed(by_text.values()))  # of equal texts the better one, in the search's order
        texts = [candidate.text for candidate in candidates]
        acoustic_scores = log_likelihoods(log_probs, [candidate.tokens for candidate in candidates])
        second_scores = self._second_scores(second, texts)
        rnn_scores = [0.0] * len(texts)
        if self._rnn is not None and self._rnn_share(config) > 0:
            rnn_scores = self._rnn.log_probs(texts)
        hypotheses = [
            Hypothesis(found.tokens, found.text, 0.0, acoustic, other, found.ngram_score, rnn, found.bonus)
            for found, acoustic, other, rnn in zip(candidates, acoustic_scores, second_scores, rnn_scores, strict=True)
        ]
        return self.rank(hypotheses, config)

    def rank(self, hypotheses: Sequence[Hypothesis], config: DecodingConfig) -> list[Hypothesis]:
        """Weigh the parts of hypotheses' scores anew, and sort them, best first."""
        share = self._rnn_share(config)
        ranked = []
        for found in hypotheses:
            acoustic_score = found.acoustic_score + config.second_weight * found.second_score
            lm_score = (1 - share) * found.ngram_score + share * found.rnn_score
            bonus = config.word_bonus * len(found.text.split()) + found.bonus
            ranked.append(replace(found, score=acoustic_score + config.lm_weight * lm_score + bonus))
        return sorted(ranked, key=lambda hypothesis: -hypothesis.score)

    def _second_scores(self, log_probs: LogProbs | None, texts: Sequence[str]) -> list[float]:
        """ln P(text | audio) of each text by the second recogniser.

        Next to nothing for a text that it cannot spell or has too few frames for; 0 without it.
        """
        if self._second is None or log_probs is None or len(log_probs) == 0:
            return [0.0] * len(texts)
        tokenizer = self._second.tokenizer
        spelt = [tuple(tokenizer.encode(text)) for text in texts]
        return [
            max(value, IMPOSSIBLE) if tokenizer.decode(tokens) == text else IMPOSSIBLE
            for value, tokens, text in zip(log_likelihoods(log_probs, spelt), spelt, texts, strict=True)
        ]

    def _rnn_share(self, config: DecodingConfig) -> float:
        """The recurrent model's share of the language models that there are."""
        return 0.0 if not self.has_rnn else config.rnn_share if self.has_ngram else 1.0


def penalised(log_probs: LogProbs, penalty: float) -> LogProbs:
    """Log-probs, (T, V), with a blank that is less probable: see `DecodingConfig.blank_penalty`."""
    if not penalty:
        return log_probs
    kept = np.log1p(np.exp(log_probs[:, BLANK]) * math.expm1(-penalty))  # ln of what is left of 1
    changed: LogProbs = log_probs - kept[:, None]
    changed[:, BLANK] -= penalty
    return changed


class Decoding:
    """An utterance that is decoded while its frames come in; `Decoder.begin` makes it."""

    def __init__(self, decoder: Decoder, config: DecodingConfig, run: Run) -> None:
        self._decoder, self._config, self._run = decoder, config, run
        self._log_probs: list[LogProbs] = []
        self._paused = False
        """Whether the last frame was certainly blank."""

    def accept(self, log_probs: LogProbs) -> None:
        """Read the next frames, (T, V), any number."""
        log_probs = penalised(np.asarray(log_probs, np.float32), self._config.blank_penalty)
        self._log_probs.append(log_probs)
        if len(log_probs):
            paused = np.append(self._paused, log_probs[:, BLANK] > CERTAIN)
            self._paused = bool(paused[-1])
            self._run.accept(log_probs[~(paused[1:] & paused[:-1])])

    def running(self) -> list[tuple[int, ...]]:
        """The tokens of all texts that are followed by now, the best first.

        Words that are alike in all of them stand: later frames change nothing before their ends.
        """
        return self._run.running()

    def finish(self, *, second: LogProbs | None = None) -> list[Hypothesis]:
        """What `Decoder.__call__` gives for all frames together; call it once."""
        log_probs = np.concatenate(self._log_probs) if self._log_probs else np.zeros((0, 1), np.float32)
        if len(log_probs) == 0:
            return [Hypothesis((), "", 0.0, 0.0)]
        return self._decoder.scored(self._run.finish(), log_probs, self._config, second)
