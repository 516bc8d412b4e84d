"""Decoding with language models: a beam search proposes texts, exact scores rank them.

A text's score, in nats, is

    ln P(its tokens | audio) + second_weight x ln P2(text | audio) + lm_weight x ln P(text) + word_bonus x words
    + what its hot words earn

where the first term sums over all CTC paths, whichever search found the text, the second is the same by a second recogniser, such
as one of characters beside one of words, and ln P(text) is the n-gram model's, the recurrent model's, or both, weighted by
`rnn_share` (log-linear interpolation). The search is shallow fusion with the n-gram model; the second recogniser and the recurrent
model rank what it finds:

    a model of words     flashlight's lexicon search (Collobert et al. 2016, arXiv 1609.03193): only words that the model knows
    a model of tokens    flashlight's search without a lexicon: any spelling
    tokens are words     the same by sound alone; the model of words ranks what it finds too
    no n-gram model      `decode.prefix_beam_search`
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asr.checkpoint import load_model
from asr.config import from_dict, read_settings, to_dict, write_settings
from asr.ctc import BLANK, LARGEST_LATTICE, ctc_loss
from asr.decode import collapse, prefix_beam_search
from asr.errors import ConfigError, MissingExtra, ModelError
from asr.hotwords import HotWords
from asr.lm import LOG10, UNKNOWN, vocabulary
from asr.recogniser import Recogniser
from asr.rnn_lm import RnnLm, load_rnn_lm
from asr.tokenizer import WORD_START, CharacterTokenizer, SentencePieceTokenizer, Tokenizer

DECODING_FILE = "decoding.json"
SECOND_FOLDER = "second"
IMPOSSIBLE = -1e4
"""Stands for ln 0 in what flashlight is given, whose sums do not take infinities."""
THRESHOLD = 50.0
"""Nats behind the best hypothesis at which flashlight drops one."""


@dataclass(frozen=True)
class DecodingConfig:
    """How to search, and what the parts of a score weigh.

    Raises:
        ConfigError: if a value is not allowed.
    """

    beam: int = 50
    """Hypotheses that are kept after each frame."""
    top_tokens: int = 10
    """How many of a frame's best tokens may lengthen a hypothesis."""
    lm_weight: float = 0.7
    """Factor of the language models' log-probability."""
    word_bonus: float = 0.0
    """Nats a word, against a language model's preference for few of them."""
    rnn_share: float = 0.5
    """The recurrent model's part, where there are two: 0 is none of it, 1 only it."""
    second_weight: float = 0.2
    """Factor of the second recogniser's log-probability, where there is one; the first's is 1."""

    def __post_init__(self) -> None:
        for name in ("beam", "top_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.lm_weight < float("inf") or not abs(self.word_bonus) < float("inf"):
            raise ConfigError(
                f"lm_weight must be 0 or more and word_bonus a number, got {self.lm_weight} and {self.word_bonus}"
            )
        if not 0 <= self.second_weight < float("inf"):
            raise ConfigError(f"second_weight must be 0 or more, got {self.second_weight}")
        if not 0 <= self.rnn_share <= 1:
            raise ConfigError(f"rnn_share must be from 0 to 1, got {self.rnn_share}")


@dataclass(frozen=True)
class TunedDecoding:
    """A model folder's `decoding.json`: what was tuned on dev, and for which language models, kept in the folder too."""

    lm: tuple[str, ...] = ()
    """File and folder names in the model folder."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    second: bool = False
    """Whether a second recogniser is in the model folder, in `second/`."""


@dataclass(frozen=True)
class Hypothesis:
    """A text that may have been said, and the parts of its score, all natural logarithms."""

    tokens: tuple[int, ...]
    text: str
    score: float
    acoustic: float
    """ln P(tokens | audio), over all CTC paths."""
    second: float = 0.0
    """ln P(text | audio) by the second recogniser, 0 without one."""
    ngram: float = 0.0
    """ln P(text) by the n-gram model, 0 without one."""
    rnn: float = 0.0
    """ln P(text) by the recurrent model, 0 without one."""
    bonus: float = 0.0
    """What its hot words earn."""


@dataclass(frozen=True)
class _Candidate:
    """What a search proposes."""

    tokens: tuple[int, ...]
    text: str
    ngram: float
    bonus: float


class Decoder:
    """Log-probs of one utterance -> its best texts.

    Args:
        tokenizer: the acoustic model's.
        config: beam and weights.
        ngram: an n-gram model of words or of tokens.
        rnn: a recurrent model, which ranks what the search proposes.
        second: another recogniser of the same sample rate, which does so too.
        hotwords: phrases and what each occurrence of one earns, in nats.

    Raises:
        ConfigError: if a hot word cannot be spelt.
        ModelError: if the n-gram model cannot be used with these tokens.
        MissingExtra: if an n-gram model is given and flashlight-text is not installed.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: DecodingConfig,
        *,
        ngram: Path | None = None,
        rnn: RnnLm | None = None,
        second: Recogniser | None = None,
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        self.config = config
        phrases = {" ".join(phrase.split()): bonus for phrase, bonus in (hotwords or {}).items()}
        for phrase in phrases:
            if not phrase or tokenizer.decode(tokenizer.encode(phrase)) != phrase:
                raise ConfigError(
                    f"hot word {phrase!r} cannot be spelt with the model's tokens, {_alphabet(tokenizer)}"
                )
        if rnn is not None and not _letters(tokenizer) & _letters(rnn.tokenizer):
            raise ModelError(
                f"the recurrent language model writes {_alphabet(rnn.tokenizer)}, the recogniser {_alphabet(tokenizer)}; "
                "are both of one language, case and form?"
            )
        if second is not None and not _letters(tokenizer) & _letters(second.tokenizer):
            raise ModelError(
                f"the second recogniser writes {_alphabet(second.tokenizer)}, the first {_alphabet(tokenizer)}; "
                "are both of one language, case and form?"
            )
        self._tokenizer, self._rnn, self._second = tokenizer, rnn, second
        self._search: _WordSearch | _TokenSearch | _PlainSearch
        if ngram is None:
            self._search = _PlainSearch(tokenizer, phrases)
        else:
            words = vocabulary(ngram)
            kind = _TokenSearch if _are_words(tokenizer) or _are_tokens(words, tokenizer) else _WordSearch
            self._search = kind(tokenizer, ngram, words, phrases)
        self.has_ngram, self.has_rnn, self.has_second = ngram is not None, rnn is not None, second is not None

    @property
    def fused(self) -> bool:
        """Whether the search depends on the n-gram model's weight and the word bonus, or the ranking alone."""
        return self._search.fused

    @property
    def unspelt(self) -> tuple[str, ...]:
        """Words of the n-gram model that the tokens cannot spell, and so can never be heard."""
        return self._search.unspelt

    def second_log_probs(self, waveforms: Tensor, num_samples: Tensor) -> list[Tensor | None]:
        """What the second recogniser hears in utterances, for `__call__`.

        Args:
            waveforms: (B, N) float32.
            num_samples: (B,), valid samples.

        Returns:
            Of each utterance its own frames and tokens, (T2, V2), on the CPU; None if there is no second recogniser.
        """
        if self._second is None:
            return [None] * len(waveforms)
        emissions = self._second.emissions(waveforms, num_samples)
        return [rows[:length].cpu() for rows, length in zip(emissions.log_probs, emissions.lengths, strict=True)]

    @torch.no_grad()
    def __call__(
        self, log_probs: Tensor, config: DecodingConfig | None = None, *, second: Tensor | None = None
    ) -> list[Hypothesis]:
        """Find the best texts, best first, each once.

        Args:
            log_probs: (T, V); without a frame the empty text is the only one.
            config: in place of the decoder's own.
            second: what `second_log_probs` gave for the utterance.
        """
        config = config or self.config
        log_probs = log_probs.detach().float().cpu()
        if len(log_probs) == 0:
            return [Hypothesis((), "", 0.0, 0.0)]
        candidates = {found.text: found for found in reversed(self._search(log_probs, config))}
        best = list(reversed(candidates.values()))  # of equal texts the better one, in the search's order
        longest = 2 * max(len(found.tokens) for found in best) + 1
        best = best[: max(1, LARGEST_LATTICE // (longest * len(log_probs)))]
        acoustic = _log_likelihoods(log_probs, [found.tokens for found in best])
        other = self._by_second(second, [found.text for found in best])
        recurrent = [0.0] * len(best)
        if self._rnn is not None and self._share(config) > 0:
            recurrent = self._rnn.log_probs([found.text for found in best])
        return self.rank(
            [
                Hypothesis(found.tokens, found.text, 0.0, heard, again, found.ngram, written, found.bonus)
                for found, heard, again, written in zip(best, acoustic, other, recurrent, strict=True)
            ],
            config,
        )

    def rank(self, hypotheses: Sequence[Hypothesis], config: DecodingConfig) -> list[Hypothesis]:
        """Score hypotheses anew, and sort them, best first."""
        share = self._share(config)
        ranked = []
        for found in hypotheses:
            written = (1 - share) * found.ngram + share * found.rnn
            said = config.word_bonus * len(found.text.split()) + found.bonus
            heard = found.acoustic + config.second_weight * found.second
            ranked.append(replace(found, score=heard + config.lm_weight * written + said))
        return sorted(ranked, key=lambda hypothesis: -hypothesis.score)

    def _by_second(self, log_probs: Tensor | None, texts: Sequence[str]) -> list[float]:
        """ln P(text | audio) of each; next to nothing for what the second recogniser cannot write, or has too few frames for."""
        if self._second is None or log_probs is None or len(log_probs) == 0:
            return [0.0] * len(texts)
        tokenizer = self._second.tokenizer
        spelt = [tuple(tokenizer.encode(text)) for text in texts]
        return [
            max(value, IMPOSSIBLE) if tokenizer.decode(tokens) == text else IMPOSSIBLE
            for value, tokens, text in zip(_log_likelihoods(log_probs, spelt), spelt, texts, strict=True)
        ]

    def _share(self, config: DecodingConfig) -> float:
        """The recurrent model's, of the language models that there are."""
        return 0.0 if not self.has_rnn else config.rnn_share if self.has_ngram else 1.0


def _log_likelihoods(log_probs: Tensor, sequences: Sequence[tuple[int, ...]]) -> list[float]:
    """ln P(tokens | audio) of each token sequence; a sequence that the frames do not suffice for has minus infinity."""
    longest = 2 * max(map(len, sequences)) + 1
    size = max(1, LARGEST_LATTICE // (longest * len(log_probs)))
    values: list[float] = []
    for part in (sequences[i : i + size] for i in range(0, len(sequences), size)):
        lengths = torch.tensor([len(tokens) for tokens in part])
        targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(tokens).long() for tokens in part], batch_first=True)
        frames = torch.full((len(part),), len(log_probs))
        found = ctc_loss(log_probs.expand(len(part), -1, -1), frames, targets, lengths)
        values += torch.where(found.feasible, -found.values, -torch.inf).tolist()
    return values


class _PlainSearch:
    """Without an n-gram model."""

    unspelt: tuple[str, ...] = ()
    fused = False

    def __init__(self, tokenizer: Tokenizer, hotwords: Mapping[str, float]) -> None:
        self._tokenizer = tokenizer
        self._hot = _TokenPhrases(tokenizer, hotwords) if hotwords else None

    def __call__(self, log_probs: Tensor, config: DecodingConfig) -> list[_Candidate]:
        hot = self._hot
        found = prefix_beam_search(
            log_probs,
            config.beam,
            top_tokens=config.top_tokens,
            hotwords=hot.words if hot else None,
            start=hot.start if hot else 0,
            end=hot.border if hot else (),
        )
        return [
            _Candidate(tokens, self._tokenizer.decode(tokens), 0.0, hot.earned(tokens) if hot else 0.0)
            for tokens, _ in found
        ]


class _TokenPhrases:
    """Hot words as sequences of tokens; where a token parts words, it stands at either end of a phrase, as if at the text's too."""

    def __init__(self, tokenizer: Tokenizer, bonuses: Mapping[str, float]) -> None:
        separator = _separator(tokenizer)
        self.border = () if separator is None else (separator,)
        self.words = HotWords(
            {(*self.border, *tokenizer.encode(phrase), *self.border): bonus for phrase, bonus in bonuses.items()}
        )
        self.start = 0
        for token in self.border:
            self.start, _ = self.words.step(self.start, token)

    def earned(self, tokens: Sequence[int]) -> float:
        return self.words.earned((*self.border, *tokens, *self.border))


class _WordSearch:
    """With a model of words: the lexicon is what it knows and the tokens can spell, and the hot words."""

    fused = True

    def __init__(self, tokenizer: Tokenizer, path: Path, words: list[str], hotwords: Mapping[str, float]) -> None:
        flashlight = _flashlight()
        self._flashlight = flashlight
        self._separator = _separator(tokenizer)
        spellings = {word: tuple(tokenizer.encode(word)) for word in words}
        self.unspelt = tuple(word for word in words if tokenizer.decode(spellings[word]) != word)
        if len(self.unspelt) == len(words):
            raise _nothing_spelt(path, words, tokenizer)
        for word in self.unspelt:
            del spellings[word]
        for word in " ".join(hotwords).split():
            spellings.setdefault(word, tuple(tokenizer.encode(word)))
        self._words = list(spellings)
        self._spellings = list(spellings.values())
        self._lm = _load_kenlm(flashlight, path, [*self._words, UNKNOWN])
        numbers = {word: number for number, word in enumerate(self._words)}
        phrases = {tuple(numbers[word] for word in phrase.split()): bonus for phrase, bonus in hotwords.items()}
        self._hot = HotWords(phrases) if phrases else None
        self._tries: dict[float, Any] = {}
        # Where no token parts words, a column of its own stands for the last token of a word going on.
        self._pause = tokenizer.size if self._separator is None else self._separator
        self._end = () if self._separator is None else (self._separator,)
        self._columns = tokenizer.size + (self._separator is None)

    def _trie(self, lm_weight: float) -> Any:
        """The lexicon, each node with the score of its best word at the start of a sentence, so that pruning looks ahead."""
        if self._tries and (self._hot is None or lm_weight in self._tries):
            return next(iter(self._tries.values())) if self._hot is None else self._tries[lm_weight]
        trie = self._flashlight.decoder.Trie(self._columns, self._pause)
        start = self._lm.start(False)
        for number, spelling in enumerate(self._spellings):
            _, score = self._lm.score(start, number)
            if self._hot is not None and lm_weight:
                score += self._hot.step(0, number)[1] / (lm_weight * LOG10)
            trie.insert([*spelling, *self._end], number, score)
        trie.smear(self._flashlight.decoder.SmearingMode.MAX)
        self._tries = {lm_weight: trie}
        return trie

    def __call__(self, log_probs: Tensor, config: DecodingConfig) -> list[_Candidate]:
        decoder = self._flashlight.decoder
        lm_weight = max(config.lm_weight, 1e-3)  # at 0 hot words could not speak through the language model
        lm = self._lm if self._hot is None else self._flashlight.boosted(self._lm, self._hot, lm_weight * LOG10)
        options = decoder.LexiconDecoderOptions(
            beam_size=config.beam,
            beam_size_token=config.top_tokens,
            beam_threshold=THRESHOLD,
            lm_weight=lm_weight * LOG10,  # which multiplies base 10 logarithms
            word_score=config.word_bonus,
            unk_score=-torch.inf,
            sil_score=0.0,
            log_add=True,
            criterion_type=decoder.CriterionType.CTC,
        )
        search = decoder.LexiconDecoder(
            options, self._trie(lm_weight), lm, self._pause, BLANK, len(self._words), [], False
        )
        scores = self._paused(log_probs).contiguous()
        found: dict[tuple[int, ...], None] = {}
        for result in search.decode(scores.data_ptr(), *scores.shape):
            found[tuple(word for word in result.words if word >= 0)] = None
        return [self._candidate(words) for words in found]

    def _paused(self, log_probs: Tensor) -> Tensor:
        """Make sure that the last word can end.

        With a separator, a frame of it is appended. Without, a column is, in which the best token of a frame may go on from the
        frame before, since the search offers nothing else between two words.
        """
        log_probs = log_probs.clamp(min=IMPOSSIBLE)
        if self._separator is not None:
            last = torch.full((1, log_probs.shape[1]), IMPOSSIBLE)
            last[0, self._separator] = 0.0
            return torch.cat([log_probs, last])
        best = log_probs[:, BLANK + 1 :].max(dim=1)
        goes_on = torch.zeros(len(log_probs), dtype=torch.bool)
        goes_on[1:] = best.indices[1:] == best.indices[:-1]
        return torch.cat([log_probs, best.values.where(goes_on, IMPOSSIBLE)[:, None]], dim=1)

    def _candidate(self, words: tuple[int, ...]) -> _Candidate:
        spelt = [self._spellings[word] for word in words]
        tokens = [token for word in spelt for token in (*word, *self._end)]
        state, total = self._lm.start(False), 0.0
        for word in words:
            state, score = self._lm.score(state, word)
            total += score
        total += self._lm.finish(state)[1]
        text = " ".join(self._words[word] for word in words)
        bonus = self._hot.earned(words) if self._hot else 0.0
        return _Candidate(tuple(tokens[: len(tokens) - len(self._end)]), text, total * LOG10, bonus)


class _TokenSearch:
    """With a model of tokens, be they words: any spelling.

    Word bonuses count in the ranking only. So tokens that are words, each of which would earn one, are searched without the
    language model: one that charges for every word and grants no bonus drops the texts that the ranking would choose.
    """

    def __init__(self, tokenizer: Tokenizer, path: Path, words: list[str], hotwords: Mapping[str, float]) -> None:
        self._flashlight = _flashlight()
        self._tokenizer = tokenizer
        units = tokenizer.pieces
        self.fused = not _are_words(tokenizer)
        if not self.fused:
            units = tuple(piece.removeprefix(WORD_START) for piece in units)
        self.unspelt = tuple(sorted(set(words) - set(units)))
        if len(self.unspelt) == len(words):
            raise _nothing_spelt(path, words, tokenizer)
        self._lm = _load_kenlm(self._flashlight, path, ["<blank>", *units])
        self._hot = _TokenPhrases(tokenizer, hotwords) if hotwords else None

    def __call__(self, log_probs: Tensor, config: DecodingConfig) -> list[_Candidate]:
        decoder, hot = self._flashlight.decoder, self._hot
        lm_weight = max(config.lm_weight if self.fused else 0.0, 1e-3)
        lm = self._lm
        if hot is not None:
            lm = self._flashlight.boosted(lm, hot.words, lm_weight * LOG10, hot.start, hot.border)
        options = decoder.LexiconFreeDecoderOptions(
            beam_size=config.beam,
            beam_size_token=config.top_tokens,
            beam_threshold=THRESHOLD,
            lm_weight=lm_weight * LOG10,
            sil_score=0.0,
            log_add=True,
            criterion_type=decoder.CriterionType.CTC,
        )
        separator = _separator(self._tokenizer)
        search = decoder.LexiconFreeDecoder(options, lm, BLANK if separator is None else separator, BLANK, [])
        scores = log_probs.clamp(min=IMPOSSIBLE).contiguous()
        found: dict[tuple[int, ...], None] = {}
        for result in search.decode(scores.data_ptr(), *scores.shape):
            found[tuple(collapse(list(result.tokens)[1:-1]))] = None  # the first and the last belong to no frame
        return [self._candidate(tokens) for tokens in found]

    def _candidate(self, tokens: tuple[int, ...]) -> _Candidate:
        state, total = self._lm.start(False), 0.0
        for token in tokens:
            state, score = self._lm.score(state, token)
            total += score
        total += self._lm.finish(state)[1]
        bonus = self._hot.earned(tokens) if self._hot else 0.0
        return _Candidate(tokens, self._tokenizer.decode(tokens), total * LOG10, bonus)


@dataclass(frozen=True)
class _Flashlight:
    """flashlight-text, imported when it is needed."""

    decoder: Any
    kenlm: Any
    dictionary: Any

    def boosted(self, lm: Any, words: HotWords, scale: float, start: int = 0, end: Sequence[int] = ()) -> Any:
        """A language model that adds what hot words earn, divided by `scale`, which the search multiplies it by."""

        class Boosted(self.decoder.LM):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.states: dict[Any, int] = {}

            def start(self, start_with_nothing: bool) -> Any:
                state = lm.start(start_with_nothing)
                self.states = {state: start}
                return state

            def score(self, state: Any, unit: int) -> tuple[Any, float]:
                reached, score = lm.score(state, unit)
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
    """The language model, its words numbered as `units` are."""
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


def _separator(tokenizer: Tokenizer) -> int | None:
    """The token that parts words, if one does nothing else."""
    if isinstance(tokenizer, CharacterTokenizer) and WORD_START in tokenizer.pieces:
        return 1 + tokenizer.pieces.index(WORD_START)
    return None


def _are_tokens(units: Sequence[str], tokenizer: Tokenizer) -> bool:
    """Whether a language model is one of tokens: words of one letter are none, since no word begins among them."""
    pieces = tokenizer.pieces
    marked = any(unit.startswith(WORD_START) for unit in units) or not any(p.startswith(WORD_START) for p in pieces)
    return marked and set(units) <= set(pieces)


def _are_words(tokenizer: Tokenizer) -> bool:
    """Whether each token is a whole word."""
    return isinstance(tokenizer, SentencePieceTokenizer) and all(
        piece == UNKNOWN or piece.startswith(WORD_START) for piece in tokenizer.pieces
    )


def _nothing_spelt(path: Path, words: Sequence[str], tokenizer: Tokenizer) -> ModelError:
    return ModelError(
        f"{path}: none of its {len(words)} words, such as {words[0]!r}, can be spelt with the model's tokens, "
        f"{_alphabet(tokenizer)}; are both of one language, case and form?"
    )


def _letters(tokenizer: Tokenizer) -> set[str]:
    return set("".join(tokenizer.pieces)) - {WORD_START}


def _alphabet(tokenizer: Tokenizer) -> str:
    letters = sorted(_letters(tokenizer))
    return "".join(letters[:60]) + ("..." if len(letters) > 60 else "")


def load_decoder(
    folder: Path,
    recogniser: Recogniser,
    lm: Sequence[Path],
    *,
    second: Path | None = None,
    beam: int | None = None,
    hotwords: Mapping[str, float] | None = None,
) -> Decoder:
    """Build a decoder with the weights that were tuned for a model, or the usual ones.

    Args:
        folder: the model's.
        recogniser: the model's.
        lm: an n-gram file, the folder of a recurrent language model, or both.
        second: the model folder of a second recogniser.
        beam: in place of the stored width.
        hotwords: phrases and their bonuses.

    Raises:
        ModelError: if a language model, the second recogniser or `decoding.json` cannot be used.
        ConfigError: if two language models of one kind are given, the recognisers' sample rates differ, or a value is not allowed.
        MissingExtra: if flashlight-text is needed and not installed.
    """
    stored = load_tuned(folder)
    config = stored.decoding if stored else DecodingConfig()
    if beam is not None:
        config = from_dict(DecodingConfig, to_dict(config) | {"beam": beam}, where="--beam")
    folders = [path for path in lm if path.is_dir()]
    files = [path for path in lm if not path.is_dir()]
    if len(folders) > 1 or len(files) > 1:
        raise ConfigError("--lm takes one n-gram file, one folder of a recurrent language model, or one of each")
    other = load_model(second, recogniser.device) if second is not None else None
    rates = [model.config.features.sample_rate for model in (recogniser, other) if model is not None]
    if len(set(rates)) > 1:
        raise ConfigError(f"{second}: hears {rates[1]} samples a second, {folder} {rates[0]}; train both at one rate")
    return Decoder(
        recogniser.tokenizer,
        config,
        ngram=files[0] if files else None,
        rnn=load_rnn_lm(folders[0]) if folders else None,
        second=other,
        hotwords=hotwords,
    )


def load_tuned(folder: Path) -> TunedDecoding | None:
    """Read what was tuned for a model, None if nothing was.

    Raises:
        ModelError: if it is damaged.
    """
    path = folder / DECODING_FILE
    if not path.is_file():
        return None
    return read_settings(TunedDecoding, path, remedy="tune again, or delete it")


def tuned_models(folder: Path) -> tuple[tuple[Path, ...], Path | None]:
    """The language models that `asr tune` has put into a model folder, and the second recogniser if there is one.

    Raises:
        ModelError: if there are none.
    """
    tuned = load_tuned(folder)
    if tuned is None or not tuned.lm:
        raise ModelError(f"{folder}: has no language model; name one after --lm, or run `asr tune` with it first")
    return tuple(folder / name for name in tuned.lm), folder / SECOND_FOLDER if tuned.second else None


def save_tuned(folder: Path, tuned: TunedDecoding) -> None:
    """Write `decoding.json` into a model folder.

    Raises:
        AsrError: if it cannot be written.
    """
    write_settings(folder / DECODING_FILE, tuned)
