"""Phrases that a decoder should favour: names and jargon that training has hardly seen.

The automaton of Aho & Corasick (1975), "Efficient string matching", follows all phrases at once.
A hypothesis is paid for a phrase as the phrase grows, so that it survives in the beam. It pays back
if the phrase breaks off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asr.decoding.vocabulary import separator
from asr.text.tokenizer import Tokenizer

Phrase = tuple[int, ...]
USUAL_BONUS = 6.0
"""Nats that a phrase earns where nobody says how many."""


@dataclass(frozen=True)
class _Node:
    promised: float
    """What the phrase in the making has been paid so far."""
    earned: float
    """What the phrases that end here pay for good."""


class HotWords:
    """Phrases of units (words or tokens), each with its bonus in nats.

    A sequence of units earns the bonuses of all phrases in it, each as often as it occurs; phrases
    may overlap. States are numbers; 0 is that of no phrase.

    Args:
        bonuses: what each phrase earns.
    """

    def __init__(self, bonuses: Mapping[Phrase, float]) -> None:
        children: list[dict[int, int]] = [{}]
        promised, earned = [0.0], [0.0]
        for phrase, bonus in bonuses.items():
            state = 0
            for depth, unit in enumerate(phrase, start=1):
                if unit not in children[state]:
                    children[state][unit] = len(children)
                    children.append({})
                    promised.append(0.0)
                    earned.append(0.0)
                state = children[state][unit]
                if depth < len(phrase):
                    promised[state] = max(promised[state], bonus * depth / len(phrase))
            earned[state] += bonus
        fallback = [0] * len(children)
        waiting = list(children[0].values())
        for state in waiting:  # breadth first: what it falls back to is shorter, and done
            earned[state] += earned[fallback[state]]
            for unit, child in children[state].items():
                other = fallback[state]
                while other and unit not in children[other]:
                    other = fallback[other]
                fallback[child] = children[other].get(unit, 0)
                waiting.append(child)
        self._children, self._fallback = children, fallback
        self._nodes = [_Node(*pair) for pair in zip(promised, earned, strict=True)]

    def step(self, state: int, unit: int) -> tuple[int, float]:
        """Follow one more unit: the state it leads to, and the change of the hypothesis's score."""
        before = self._nodes[state].promised
        while state and unit not in self._children[state]:
            state = self._fallback[state]
        state = self._children[state].get(unit, 0)
        return state, self._nodes[state].promised - before + self._nodes[state].earned

    def finish(self, state: int) -> float:
        """What the end of the sequence changes in the score: a phrase in the making is not paid."""
        return -self._nodes[state].promised

    def earned(self, units: Sequence[int]) -> float:
        """What a whole sequence earns."""
        state, total = 0, 0.0
        for unit in units:
            state, change = self.step(state, unit)
            total += change
        return total + self.finish(state)


class TokenPhrases:
    """Hot words as sequences of tokens.

    Where a token stands between words, it stands at both ends of each phrase too, so that a phrase
    is found only as whole words. A text counts as if it stood between two of these tokens.

    Args:
        tokenizer: the acoustic model's.
        bonuses: phrases of words, and what each earns, in nats.
    """

    def __init__(self, tokenizer: Tokenizer, bonuses: Mapping[str, float]) -> None:
        space = separator(tokenizer)
        self.border = () if space is None else (space,)
        self.words = HotWords(
            {(*self.border, *tokenizer.encode(phrase), *self.border): bonus for phrase, bonus in bonuses.items()}
        )
        self.start = 0
        """The state before the first token of a text."""
        for token in self.border:
            self.start, _ = self.words.step(self.start, token)

    def earned(self, tokens: Sequence[int]) -> float:
        """What a whole text earns."""
        return self.words.earned((*self.border, *tokens, *self.border))
