"""Log-probs -> the token sequences whose paths together are the most probable."""

import math
from collections.abc import Sequence
from heapq import nlargest

from torch import Tensor

from asr.decoding.hotwords import HotWords
from asr.model.ctc import BLANK


def prefix_beam_search(
    log_probs: Tensor,
    beam: int,
    *,
    top_tokens: int | None = None,
    hotwords: HotWords | None = None,
    start: int = 0,
    end: Sequence[int] = (),
) -> list[tuple[tuple[int, ...], float]]:
    """Find the token sequences whose paths together are the most probable (Graves & Jaitly 2014, algorithm 1; Hannun et al. 2014).

    A prefix is the sum over its paths that end in a blank, and over those that end in its last token, which a further
    frame of that token does not lengthen. With a beam as wide as there are sequences, and all tokens, the sums are exact.

    Args:
        log_probs: (T, V) of one utterance, on any device.
        beam: how many prefixes are kept after each frame.
        top_tokens: by how many of a frame's best tokens a prefix may be lengthened; None takes all.
        hotwords: phrases of tokens that are favoured.
        start: their state before the first token.
        end: tokens that they are shown after the last.

    Returns:
        At most `beam` sequences of tokens, each once, with its log-probability; the best first, hot words considered.
    """
    lasts, parents, states, bonuses = [BLANK], [-1], [start], [0.0]  # the kept prefixes, as a tree; 0 is the empty one
    numbers: dict[tuple[int, int], int] = {(-1, BLANK): 0}
    kept = [(0, 0.0, -math.inf)]  # prefix, ln p of its paths that end in a blank, and in its last token
    count = log_probs.shape[1] if top_tokens is None else min(top_tokens, log_probs.shape[1])
    best = log_probs.topk(count, dim=1).indices.tolist()
    for frame, tokens in zip(log_probs.tolist(), best, strict=True):
        blanks: dict[tuple[int, int], float] = {}
        tokens_last: dict[tuple[int, int], float] = {}
        for prefix, blank, token_last in kept:
            key, last = (parents[prefix], lasts[prefix]), lasts[prefix]
            total = _add(blank, token_last)
            blanks[key] = total + frame[BLANK]
            if last != BLANK:
                tokens_last[key] = _add(tokens_last.get(key, -math.inf), token_last + frame[last])
            for token in tokens:
                if token != BLANK:
                    longer = (prefix, token)
                    score = (blank if token == last else total) + frame[token]
                    tokens_last[longer] = _add(tokens_last.get(longer, -math.inf), score)
        totals = {key: _add(blanks.get(key, -math.inf), score) for key, score in tokens_last.items()}
        for key in blanks.keys() - tokens_last.keys():
            totals[key] = blanks[key]
        steps = {}
        if hotwords is not None:
            for prefix, token in totals:
                if prefix >= 0:
                    state, change = hotwords.step(states[prefix], token)
                    steps[prefix, token] = state, bonuses[prefix] + change
        ranked = [
            (score + steps[key][1] if key in steps else score, key)
            for key, score in totals.items()
            if score > -math.inf
        ]
        kept = []
        for _, key in nlargest(beam, ranked):
            if key not in numbers:
                numbers[key] = len(lasts)
                state, bonus = steps.get(key, (0, 0.0))
                parents.append(key[0])
                lasts.append(key[1])
                states.append(state)
                bonuses.append(bonus)
            kept.append((numbers[key], blanks.get(key, -math.inf), tokens_last.get(key, -math.inf)))
    found = []
    for prefix, blank, token_last in kept:
        bonus, state = bonuses[prefix], states[prefix]
        if hotwords is not None:
            for token in end:
                state, change = hotwords.step(state, token)
                bonus += change
            bonus += hotwords.finish(state)
        score = _add(blank, token_last)
        found.append((score + bonus, _sequence(prefix, parents, lasts), score))
    found.sort(key=lambda each: -each[0])
    return [(tokens, score) for _, tokens, score in found]


def _add(a: float, b: float) -> float:
    """ln(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def _sequence(prefix: int, parents: list[int], lasts: list[int]) -> tuple[int, ...]:
    tokens = []
    while prefix:
        tokens.append(lasts[prefix])
        prefix = parents[prefix]
    return tuple(reversed(tokens))
