"""Estimated n-gram models: probabilities that are some, known answers, and what pruning costs."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ConfigError, DataError
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.ngram import END, START, UNKNOWN

TEXT = ["a b c", "a b", "b c a b", "a", "c c a b a", "b a b c", "a b d"]
LARGER = [" ".join(words) for words in product("ab", "abc", "abcd", "a", "bd")] + 3 * TEXT + ["e a b"]
sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12)
configs = st.builds(
    NgramConfig,
    st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.lists(st.integers(1, 3), max_size=3).map(tuple),
    st.sampled_from([0.0, 1e-3, 1e-2, 1.0]),
)


@unhurried
@given(sentences, configs, st.lists(st.sampled_from(["a", "b", "d", START, "unheard"]), max_size=4))
def test_what_may_follow_a_history_sums_to_one(text, config, history):
    model = train_ngram(text, config)
    words = {*model.vocabulary} - {START}
    assert {END, UNKNOWN} <= words
    total = sum(math.exp(model.log_prob(tuple(history), word)) for word in words)
    assert total == pytest.approx(1.0, abs=1e-9)


def test_a_bigram_model_by_hand():
    """Two sentences "a": counts too regular for estimated discounts.

    So discounts are 1/2 for ones, 1 for twos, 3/2 for more. Of words, a and </s> each follow one
    other word: (1 - 1/2)/2 + 1/2 x 1/3 = 5/12, and <unk> has 1/2 x 1/3. After <s>, a was seen
    twice: (2 - 1)/2 + 1/2 x 5/12 = 17/24.
    """
    model = train_ngram(["a", "a"], NgramConfig(2))
    assert math.exp(model.log_prob((), "a")) == pytest.approx(5 / 12)
    assert math.exp(model.log_prob((), "other")) == pytest.approx(1 / 6)
    assert math.exp(model.log_prob((START,), "a")) == pytest.approx(17 / 24)
    assert math.exp(model.log_prob(("a",), "a")) == pytest.approx(1 / 2 * 5 / 12)


def ngrams(model):
    """Texts of the n-grams of a model."""
    texts = [list(model.vocabulary)]
    for level in model.levels[1:]:
        texts.append(
            [f"{texts[-1][h]} {model.vocabulary[w]}" for h, w in zip(level.histories, level.words, strict=True)]
        )
    return [set(each) for each in texts]


def test_all_but_the_most_frequent_words_are_one_word_and_in_no_ngram():
    """Of d, e, f, once each, the first in the alphabet is known."""
    model = train_ngram([*TEXT, "f d e a"], NgramConfig(3, vocabulary=4))
    assert set(model.vocabulary) == {"a", "b", "c", "d", START, END, UNKNOWN}
    assert not any(UNKNOWN in ngram for level in ngrams(model)[1:] for ngram in level)
    assert model.log_prob((), "e") == model.log_prob((), "f") == model.log_prob((), UNKNOWN)
    whole = train_ngram([*TEXT, "f d e a"], NgramConfig(3))
    assert math.exp(model.log_prob((), "e")) > math.exp(whole.log_prob((), UNKNOWN)), "it was seen"


def test_rare_ngrams_are_left_out_unless_longer_ones_need_them():
    whole, few = (ngrams(train_ngram(LARGER, NgramConfig(3, min_counts=counts))) for counts in ((), (1, 5)))
    framed = [f"{START} {sentence} {END}".split() for sentence in LARGER]

    def count(ngram):
        words = ngram.split()
        return sum(s[i : i + len(words)] == words for s in framed for i in range(len(s)))

    assert few[0] == whole[0] and few[1] == whole[1]
    assert few[2] == {ngram for ngram in whole[2] if count(ngram) >= 5} != whole[2]
    short = ngrams(train_ngram(LARGER, NgramConfig(3, min_counts=(5,))))
    needed = {part for n in short[2] for part in (n.rsplit(" ", 1)[0], n.split(" ", 1)[1])}
    assert short[1] == {ngram for ngram in whole[1] if count(ngram) >= 5} | needed


def test_pruning_drops_the_ngrams_whose_loss_costs_least():
    """Against Stolcke's definition: the relative entropy of the model without one n-gram.

    It is summed over all words after the history, which is as frequent as in the text.
    """
    whole = train_ngram(LARGER, NgramConfig(2))
    words = [word for word in whole.vocabulary if word != START]
    framed = [f"{START} {sentence} {END}".split() for sentence in LARGER]
    total = sum(len(sentence) - 1 for sentence in framed)
    rise = {}
    for pair in ngrams(whole)[1]:
        history, dropped = pair.split()
        seen = {w for w in words if f"{history} {w}" in ngrams(whole)[1]} - {dropped}
        own = {w: math.exp(whole.log_prob((history,), w)) for w in words}
        lower = {w: math.exp(whole.log_prob((), w)) for w in words}
        scale = (1 - sum(own[w] for w in seen)) / (1 - sum(lower[w] for w in seen))
        without = {w: own[w] if w in seen else scale * lower[w] for w in words}
        share = sum(sentence[:-1].count(history) for sentence in framed) / total
        rise[pair] = math.expm1(share * sum(own[w] * math.log(own[w] / without[w]) for w in words))
    for threshold in sorted(rise.values())[::4]:
        kept = ngrams(train_ngram(LARGER, NgramConfig(2, prune=threshold * (1 + 1e-9))))[1]
        assert kept == {pair for pair, loss in rise.items() if loss > threshold * (1 + 1e-9)}


def test_the_more_is_pruned_the_worse_it_predicts_its_text():
    models = [train_ngram(LARGER, NgramConfig(3, prune=prune)) for prune in (0.0, 1e-3, 1e-2, 1.0)]
    sizes = [len(model) for model in models]
    perplexities = [model.predict(LARGER).perplexity for model in models]
    assert sizes == sorted(set(sizes), reverse=True)
    assert perplexities == sorted(set(perplexities))
    assert [len(level) for level in models[-1].levels[1:]] == [0, 0]


def test_nothing_to_learn_and_impossible_orders():
    with pytest.raises(DataError, match="no word"):
        train_ngram(["", " "], NgramConfig(2))
    for order in (0, 10):
        with pytest.raises(ConfigError, match=rf"order must lie in \[1, 9\], got {order}"):
            train_ngram(TEXT, NgramConfig(order))
