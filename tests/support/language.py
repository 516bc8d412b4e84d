"""A language of two letters: its tokens, a text for n-gram models, and what they must find."""

import math

from support.lattices import sums_over_all_paths

from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.ngram import END, START
from asr.text.tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer(" ab")
TEXT = ["ab a", "a ab", "b", "ab ab a", "a", "b ab"]
WIDE = {"beam": 5000, "top_tokens": 10}
"""Settings of a search that drops nothing."""


def write_lm(path, text=TEXT, order=2):
    model = train_ngram(text, NgramConfig(order))
    model.write(path)
    return model


def lm_score(model, units):
    """ln P of a sentence."""
    sentence = [START, *units, END]
    return sum(model.log_prob(tuple(sentence[:i]), sentence[i]) for i in range(1, len(sentence)))


def characters_of(text):
    return [character.replace(" ", "▁") for character in text]


def texts(log_probs, tokenizer=TOKENIZER):
    """Every text that is spelt without needless spaces, with ln P(its tokens | audio)."""
    sums = sums_over_all_paths(log_probs)
    found = {tokenizer.decode(tokens): (tokens, p) for tokens, p in sums.items()}
    return {
        text: math.log(sums[tuple(tokenizer.encode(text))])
        for text in found
        if tuple(tokenizer.encode(text)) in sums and sums[tuple(tokenizer.encode(text))] > 0
    }
