"""Prefix beam search: log-probs -> the token sequences of the highest total probability."""

import copy
import math
from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import TypeAlias

import numpy as np

from asr.decoding.hotwords import HotWords, TokenPhrases
from asr.decoding.hypothesis import Candidate, DecodingConfig
from asr.model.labels import BLANK, LogProbs
from asr.text.tokenizer import Tokenizer
from asr.units import Frames

BLOCK: Frames = 256
"""Frames whose scores are Python lists at a time; after each block the tree is pruned."""

_Key: TypeAlias = tuple[int, int]
"""A prefix, and the token that lengthens it."""
_Kept: TypeAlias = tuple[int, float, float]
"""A prefix, ln p of its paths that end in a blank, and of those that end in its last token."""


def prefix_beam_search(
    log_probs: LogProbs,
    beam: int,
    *,
    top_tokens: int | None = None,
    hotwords: HotWords | None = None,
    start: int = 0,
    end: Sequence[int] = (),
) -> list[tuple[tuple[int, ...], float]]:
    """Find the token sequences whose paths together are the most probable.

    A prefix has two sums: over its paths that end in a blank, and over those that end in its last
    token. A further frame of that token lengthens only the former. The sums are exact if the beam
    holds all sequences and all tokens take part (Graves & Jaitly 2014, algorithm 1; Hannun et al.
    2014). Memory follows the sequences that are kept, not the frames.

    Args:
        log_probs: (T, V) of one utterance.
        beam: how many prefixes are kept after each frame.
        top_tokens: by how many of a frame's best tokens a prefix may be lengthened; None takes all.
        hotwords: phrases of tokens that are favoured.
        start: their state before the first token.
        end: tokens that they are shown after the last.

    Returns:
        At most `beam` sequences of tokens, each once, with its log-probability. The best comes
        first, hot words considered; the log-probability is without them.
    """
    beams = PrefixBeam(beam, top_tokens=top_tokens, hotwords=hotwords, start=start, end=end)
    beams.accept(log_probs)
    return beams.found()


class PrefixBeam:
    """The search under way, frames after frames.

    Args:
        beam: as in `prefix_beam_search`, as are all others.
    """

    def __init__(
        self,
        beam: int,
        *,
        top_tokens: int | None = None,
        hotwords: HotWords | None = None,
        start: int = 0,
        end: Sequence[int] = (),
    ) -> None:
        self._beam, self._top_tokens, self._hotwords, self._end = beam, top_tokens, hotwords, end
        self._tree = _Tree(start)
        self._kept: list[_Kept] = [(0, 0.0, -math.inf)]

    def accept(self, log_probs: LogProbs) -> None:
        """Read the next frames, (T, V)."""
        log_probs = np.asarray(log_probs)
        count = log_probs.shape[1] if self._top_tokens is None else min(self._top_tokens, log_probs.shape[1])
        for first in range(0, len(log_probs), BLOCK):
            block = log_probs[first : first + BLOCK]
            best = np.argsort(-block, axis=1, kind="stable")[:, :count].tolist()
            for frame, tokens in zip(block.tolist(), best, strict=True):
                self._kept = _advance(self._tree, self._kept, frame, tokens, self._beam, self._hotwords)
            self._kept = self._tree.pruned(self._kept)

    def running(self) -> list[tuple[int, ...]]:
        """The sequences that are kept, best first, hot words considered."""
        tree = self._tree
        scored = [(_add(blank, token) + tree.bonuses[prefix], prefix) for prefix, blank, token in self._kept]
        return [tree.sequence(prefix) for _, prefix in sorted(scored, key=lambda each: -each[0])]

    def found(self) -> list[tuple[tuple[int, ...], float]]:
        """What `prefix_beam_search` returns."""
        tree, found = self._tree, []
        for prefix, blank, token_last in self._kept:
            bonus, state = tree.bonuses[prefix], tree.states[prefix]
            if self._hotwords is not None:
                for token in self._end:
                    state, change = self._hotwords.step(state, token)
                    bonus += change
                bonus += self._hotwords.finish(state)
            score = _add(blank, token_last)
            found.append((score + bonus, tree.sequence(prefix), score))
        found.sort(key=lambda each: -each[0])
        return [(tokens, score) for _, tokens, score in found]


class PrefixSearch:
    """The search without an n-gram model, which finds any spelling.

    Args:
        tokenizer: the acoustic model's.
    """

    unspelt: tuple[str, ...] = ()
    fused = False

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._hot: TokenPhrases | None = None

    def favouring(self, hotwords: Mapping[str, float]) -> "PrefixSearch":
        """This search with hot words."""
        other = copy.copy(self)
        other._hot = TokenPhrases(self._tokenizer, hotwords)
        return other

    def begin(self, config: DecodingConfig) -> "_PrefixRun":
        """Begin to read an utterance."""
        return _PrefixRun(self._tokenizer, self._hot, config)


class _PrefixRun(PrefixBeam):
    """The search of an utterance."""

    def __init__(self, tokenizer: Tokenizer, hot: TokenPhrases | None, config: DecodingConfig) -> None:
        super().__init__(
            config.beam,
            top_tokens=config.top_tokens,
            hotwords=hot.words if hot else None,
            start=hot.start if hot else 0,
            end=hot.border if hot else (),
        )
        self._tokenizer, self._hot = tokenizer, hot

    def finish(self) -> list[Candidate]:
        """The texts that are proposed."""
        return [
            Candidate(tokens, self._tokenizer.decode(tokens), 0.0, self._hot.earned(tokens) if self._hot else 0.0)
            for tokens, _ in self.found()
        ]


def _advance(
    tree: "_Tree",
    kept: Sequence[_Kept],
    frame: Sequence[float],
    tokens: Sequence[int],
    beam: int,
    hotwords: HotWords | None,
) -> list[_Kept]:
    """One frame: lengthen the kept prefixes by some tokens, and keep the best."""
    parents, lasts = tree.parents, tree.lasts
    blanks: dict[_Key, float] = {}
    tokens_last: dict[_Key, float] = {}
    for prefix, blank, token_last in kept:
        last = lasts[prefix]
        key = parents[prefix], last
        total = _add(blank, token_last)
        blanks[key] = total + frame[BLANK]
        if last != BLANK:
            score, other = token_last + frame[last], tokens_last.get(key)
            tokens_last[key] = score if other is None else _add(other, score)
        for token in tokens:
            if token != BLANK:
                key = prefix, token
                score, other = (blank if token == last else total) + frame[token], tokens_last.get(key)
                tokens_last[key] = score if other is None else _add(other, score)
    totals = tokens_last | blanks
    for key in blanks.keys() & tokens_last.keys():
        totals[key] = _add(blanks[key], tokens_last[key])
    steps: dict[_Key, tuple[int, float]] = {}
    if hotwords is not None:
        for prefix, token in totals:
            if prefix >= 0:
                state, change = hotwords.step(tree.states[prefix], token)
                steps[prefix, token] = state, tree.bonuses[prefix] + change
    ranked = [
        (score + steps[key][1] if key in steps else score, key) for key, score in totals.items() if score > -math.inf
    ]
    return [
        (tree.number(key, *steps.get(key, (0, 0.0))), blanks.get(key, -math.inf), tokens_last.get(key, -math.inf))
        for _, key in nlargest(beam, ranked)
    ]


class _Tree:
    """Prefixes, each its parent and a token; 0 is the empty one.

    Args:
        start: the hot words' state before the first token.
    """

    def __init__(self, start: int) -> None:
        self.lasts, self.parents, self.states, self.bonuses = [BLANK], [-1], [start], [0.0]
        self._numbers: dict[_Key, int] = {(-1, BLANK): 0}

    def number(self, key: _Key, state: int, bonus: float) -> int:
        """The prefix of a parent and a token, a new one if there is none yet."""
        if key not in self._numbers:
            self._numbers[key] = len(self.lasts)
            self.parents.append(key[0])
            self.lasts.append(key[1])
            self.states.append(state)
            self.bonuses.append(bonus)
        return self._numbers[key]

    def pruned(self, kept: Sequence[_Kept]) -> list[_Kept]:
        """Forget all prefixes that no kept one begins with, and number the others anew."""
        needed = {0}
        for prefix, _, _ in kept:
            while prefix not in needed:
                needed.add(prefix)
                prefix = self.parents[prefix]
        order = sorted(needed)  # parents come before their children, and equal scores keep their order
        new = {old: number for number, old in enumerate(order)} | {-1: -1}
        self.lasts = [self.lasts[old] for old in order]
        self.states = [self.states[old] for old in order]
        self.bonuses = [self.bonuses[old] for old in order]
        self.parents = [new[self.parents[old]] for old in order]
        self._numbers = {key: number for number, key in enumerate(zip(self.parents, self.lasts, strict=True))}
        return [(new[prefix], blank, token_last) for prefix, blank, token_last in kept]

    def sequence(self, prefix: int) -> tuple[int, ...]:
        """The tokens of a prefix."""
        tokens = []
        while prefix:
            tokens.append(self.lasts[prefix])
            prefix = self.parents[prefix]
        return tuple(reversed(tokens))


def _add(a: float, b: float) -> float:
    """ln(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))
