"""Compact n-gram models: the same n-grams, nearly the same logarithms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ModelError
from asr.lm.compact import MAGIC, STEP, read_compact, write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.ngram import NOTHING, START

TEXT = ["a b c", "a b", "b c a b", "a", "c c a b a", "b a b c", "naïve b d"]
sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12)


def table(model):
    """N-gram to its logarithms."""
    texts, found = list(model.vocabulary), {}
    for length, level in enumerate(model.levels, start=1):
        if length > 1:
            texts = [f"{texts[h]} {model.vocabulary[w]}" for h, w in zip(level.histories, level.words, strict=True)]
        found |= dict(zip(texts, zip(level.log_probs, level.back_offs, strict=True), strict=True))
    return found


@unhurried
@given(sentences, st.integers(1, 4), st.sampled_from([0.0, 1e-2, 1.0]))
def test_ngrams_come_back_and_no_logarithm_moves_by_more_than_half_a_step(tmp_path_factory, text, order, prune):
    model = train_ngram(text, NgramConfig(order, prune=prune))
    path = tmp_path_factory.mktemp("lm") / "lm.ngram"
    write_compact(model, path)
    found = read_compact(path)
    before, after = table(model), table(found)
    assert before.keys() == after.keys() and found.order == order
    for ngram, values in before.items():
        if ngram != START:
            assert after[ngram] == pytest.approx(values, abs=STEP / 2 + 1e-5)
    assert after[START][0] == NOTHING and max(log_prob for log_prob, _ in after.values()) <= 0
    assert [list(level.words) for level in found.levels[:1]] == [list(range(len(found.vocabulary)))]
    for level in found.levels[1:]:
        assert (np.diff(level.histories * len(found.vocabulary) + level.words) > 0).all()


def test_many_words_and_children_need_more_than_a_byte(tmp_path):
    text = [f"w{number} x w{number * 7 % 3000}" for number in range(3000)]
    model = train_ngram(text, NgramConfig(3))
    write_compact(model, tmp_path / "lm.ngram")
    assert table(model).keys() == table(read_compact(tmp_path / "lm.ngram")).keys()
    model.write(tmp_path / "lm.arpa")
    sizes = [(tmp_path / name).stat().st_size for name in ("lm.ngram", "lm.arpa")]
    assert sizes[0] < sizes[1] / 10


@pytest.mark.parametrize("content", [None, b"", b"\\data\\\n", MAGIC, MAGIC + b"nonsense", "short", "changed"])
def test_what_is_no_compact_model_is_named(tmp_path, content):
    path = tmp_path / "lm.ngram"
    write_compact(train_ngram(TEXT, NgramConfig(2)), path)
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        parts = {"short": whole[:-20], "changed": whole[:99] + bytes(9) + whole[108:]}
        path.write_bytes(parts[content] if isinstance(content, str) else content)
    with pytest.raises(ModelError, match=r"lm.ngram: not a compact n-gram model"):
        read_compact(path)
