"""Two n-gram models as one: what is explicit is weighed, and all still sums to one."""

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ConfigError
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.kenlm import write_binary
from asr.lm.mix import best_share, mixed
from asr.lm.ngram import END, START, UNKNOWN

sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=8)
orders = st.integers(1, 4)
GENERAL, OWN = ["a b c", "a b", "b c a b", "a", "c c a b a"], ["a b z", "z z a", "b z"]


def probability(model, history, word):
    """As the model says it; nothing of a word that it does not know."""
    return math.exp(model.log_prob(history, word)) if word in model or word == UNKNOWN else 0.0


def ngrams(model):
    """All n-grams of a model, as words."""
    texts, found = [(word,) for word in model.vocabulary], []
    for length, level in enumerate(model.levels, start=1):
        if length > 1:
            texts = [
                (*texts[history], model.vocabulary[word])
                for history, word in zip(level.histories, level.words, strict=True)
            ]
        found += texts
    return found


@unhurried
@given(sentences, sentences, orders, orders, st.sampled_from([0.01, 0.3, 0.9]))
def test_ngrams_of_either_are_weighed_and_each_history_sums_to_one(first, second, order, other, share):
    general, own = train_ngram(first, NgramConfig(order)), train_ngram(second, NgramConfig(other))
    both = mixed(general, own, share)
    assert both.order == max(order, other)
    assert set(ngrams(both)) == {*ngrams(general), *ngrams(own)}
    for *history, word in ngrams(both):
        if word != START:
            weighed = (1 - share) * probability(general, history, word) + share * probability(own, history, word)
            assert math.exp(both.log_prob(history, word)) == pytest.approx(weighed, abs=1e-9)
    words = [word for word in both.vocabulary if word != START]
    for history in product(["a", "b", START], repeat=min(2, both.order - 1)):
        assert sum(math.exp(both.log_prob(history, word)) for word in words) == pytest.approx(1, abs=1e-6)


def test_words_of_either_are_known_and_kenlm_can_read_the_mixture(tmp_path):
    general, own = (train_ngram(text, NgramConfig(order)) for text, order in ((GENERAL, 3), (OWN, 2)))
    both = mixed(general, own, 0.25)
    assert "z" not in general and "c" not in own and {"z", "c", "a"} <= set(both.vocabulary)
    write_binary(both, tmp_path / "lm.bin")  # refuses n-grams whose ends are none


@pytest.mark.parametrize("held_out", [["a b c", "b c"], ["z z a", "b z"], ["a b c a", "a b z", "q"]])
def test_the_best_share_predicts_best(held_out):
    general, own = (train_ngram(text, NgramConfig(2)) for text in (GENERAL, OWN))
    share = best_share(general, own, held_out)
    pairs = [pair for text in held_out for words in [[START, *text.split(), END]] for pair in pairwise(words)]
    counted = [(h, w) for h, w in pairs if w != "q"]

    def nats(share):
        return -sum(
            math.log((1 - share) * probability(general, [h], w) + share * probability(own, [h], w) + 1e-300)
            for h, w in counted
        )

    assert nats(share) <= min(nats(each / 100) for each in range(1, 100)) + 1e-3


def test_no_word_that_counts_gives_no_share():
    model = train_ngram(GENERAL, NgramConfig(2))
    assert best_share(model, model, []) == 0.0


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, math.nan])
def test_a_share_of_nothing_is_refused(share):
    model = train_ngram(GENERAL, NgramConfig(2))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        mixed(model, model, share)
