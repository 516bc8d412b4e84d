"""N-gram models: probabilities that are some, known answers, and files that other programs read."""

import math

import pytest
from hypothesis import strategies as st

from asr.errors import ModelError
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.ngram import END, LOG10, START, vocabulary

TEXT = ["a b c", "a b", "b c a b", "a", "c c a b a", "b a b c", "a b d"]
sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12)


def test_prediction_counts_known_words_and_sentence_ends():
    model = train_ngram(TEXT, NgramConfig(2))
    found = model.predict(["a b", "a z"])
    history = [((START,), "a"), (("a",), "b"), (("b",), END), ((START,), "a"), (("z",), END)]
    assert (found.words, found.unknown) == (5, 1)
    assert found.nats == pytest.approx(-sum(model.log_prob(*pair) for pair in history))
    assert found.perplexity == pytest.approx(math.exp(found.nats / 5))


PRUNED = NgramConfig(4, prune=3e-3)


@pytest.mark.parametrize("config", [*map(NgramConfig, (1, 2, 3, 4)), PRUNED], ids=["1", "2", "3", "4", "pruned"])
def test_kenlm_reads_the_file_and_finds_the_same_probabilities(tmp_path, config):
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
    from flashlight.lib.text.dictionary import Dictionary

    model = train_ngram(TEXT, config)
    assert (0 < len(model.levels[-1]) < len(train_ngram(TEXT, NgramConfig(config.order)).levels[-1])) == (
        config is PRUNED
    )
    model.write(tmp_path / "lm.arpa")
    assert vocabulary(tmp_path / "lm.arpa") == ["a", "b", "c", "d"]
    if config.order == 1:
        return  # KenLM itself refuses unigram models
    dictionary = Dictionary()
    words = ["a", "b", "c", "d", "zebra"]
    for word in words:
        dictionary.add_entry(word)
    lm = kenlm.KenLM(str(tmp_path / "lm.arpa"), dictionary)
    for sentence in [*TEXT, "d d d zebra a b c d"]:
        state, history = lm.start(False), (START,)
        for word in sentence.split():
            state, score = lm.score(state, words.index(word))
            assert score * LOG10 == pytest.approx(model.log_prob(history, word), abs=1e-5)
            history = (*history, word)
        assert lm.finish(state)[1] * LOG10 == pytest.approx(model.log_prob(history, END), abs=1e-5)


def test_words_of_a_binary_stand_at_its_end(tmp_path):
    path = tmp_path / "lm.bin"
    path.write_bytes(
        b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(99) + "<unk>\0<s>\0naïve\0</s>\0".encode()
    )
    assert vocabulary(path) == ["naïve"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no language model to read"),
        (b"", "no line"),
        (b"hello world\n", "no line"),
        (b"\\data\\\nngram 1=2\n", "1-grams"),
        (b"\\data\\\n\\1-grams:\n-1\ta\n", "ends among"),
        (b"\\data\\\n\\1-grams:\nnonsense\n\\end\\\n", "no unigram"),
        (b"\\data\\\n\\1-grams:\n-1\t<unk>\n\n\\end\\\n", "knows no word"),
        (b"\xff\xfe\x00", "not an n-gram"),
        (b"mmap lm http://kheafield.com/code format version 5\n", "list its words"),
    ],
)
def test_what_is_no_language_model_is_named(tmp_path, content, message):
    path = tmp_path / "lm.arpa"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="lm.arpa: .*" + message):
        vocabulary(path)
