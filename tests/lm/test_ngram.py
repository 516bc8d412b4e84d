"""N-gram models: probabilities that are some, known answers, and files that other programs read."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import strategies as st

from asr.errors import ConfigError, DataError, ModelError
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.kenlm import for_kenlm
from asr.lm.ngram import END, LOG10, NOTHING, START, UNKNOWN, Level, NgramModel, vocabulary
from asr.lm.train import read_sentences, train_arpa

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
        (b"\\data\\\nngram 1=1\nngram 2 = 999999999999\n\n\\1-grams:\n-1\ta\n\n\\end\\\n", "more n-grams than fit"),
        (b"mmap lm http://kheafield.com/code format version 5\n", "list its words"),
    ],
)
def test_what_is_no_language_model_is_named(tmp_path, content, message):
    path = tmp_path / "lm.arpa"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="lm.arpa: .*" + message):
        vocabulary(path)


@pytest.mark.parametrize("order", [1, 7, 9])
def test_orders_that_no_decoder_reads_are_refused_before_anything_is_written(tmp_path, order):
    with pytest.raises(ConfigError, match=f"--order {order} is not allowed: .*2 to 6"):
        train_arpa(TEXT, tmp_path / "lm.arpa", None, config=NgramConfig(order))
    assert not (tmp_path / "lm.arpa").exists()


@pytest.mark.parametrize("order", [2, 6])
def test_kenlm_reads_every_order_that_is_allowed(tmp_path, order):
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
    from flashlight.lib.text.dictionary import Dictionary

    train_arpa(TEXT, tmp_path / "lm.arpa", TEXT, config=NgramConfig(order))
    kenlm.KenLM(str(tmp_path / "lm.arpa"), Dictionary())


def test_a_mixture_knows_the_words_of_both_however_little_one_of_them_helps(tmp_path):
    base = train_ngram(TEXT, NgramConfig(2))
    found = train_arpa(["q r"], tmp_path / "lm.arpa", ["a b c"], config=NgramConfig(2), base=base)
    assert "1 % the texts" in found and {"a", "q"} <= set(vocabulary(tmp_path / "lm.arpa"))
    with pytest.raises(DataError, match="too little text"):
        train_arpa(["a b"], tmp_path / "none.arpa", None, config=NgramConfig(2), base=base)
    assert not (tmp_path / "none.arpa").exists()


def test_a_word_is_impossible_for_a_model_without_unknown_words():
    words = Level(np.zeros(3, np.int64), np.arange(3), np.log(np.array([0.5, 0.3, 0.2])), np.zeros(3))
    pairs = Level(np.array([0]), np.array([1]), np.array([-0.1]), np.zeros(1))
    model = NgramModel([START, "a", END], [words, pairs])
    assert model.log_prob((START,), "zebra") == NOTHING
    assert model.log_prob(("zebra",), "a") == pytest.approx(math.log(0.3))
    assert model.log_prob((START,), "a") == pytest.approx(-0.1)
    assert model.predict(["a zebra"]).unknown == 1


@pytest.mark.parametrize("form", ["basic", "verbatim"])
def test_marks_of_sentences_and_unknown_words_are_no_words(tmp_path, form):
    (tmp_path / "text.txt").write_text("<s> a <unk> b </s>\n<S> <UNK>\nc\n")
    assert read_sentences([tmp_path / "text.txt"], form) == ["a b", "c"]
    model = train_ngram(read_sentences([tmp_path / "text.txt"], form), NgramConfig(2))
    assert set(model.vocabulary) == {"a", "b", "c", START, END, UNKNOWN}


def test_a_gzipped_arpa_file_decodes_like_the_file_itself(tmp_path):
    train_ngram(TEXT, NgramConfig(2)).write(tmp_path / "lm.arpa")
    (tmp_path / "lm.arpa.gz").write_bytes(gzip.compress((tmp_path / "lm.arpa").read_bytes()))
    with for_kenlm(tmp_path / "lm.arpa.gz") as path:
        assert path.read_bytes() == (tmp_path / "lm.arpa").read_bytes()
        assert vocabulary(path) == ["a", "b", "c", "d"]
    assert not path.exists()
    (tmp_path / "lm.arpa.gz").write_bytes((tmp_path / "lm.arpa.gz").read_bytes()[:40])
    with pytest.raises(ModelError, match=r"lm\.arpa\.gz: is not a whole gzip file"), for_kenlm(tmp_path / "lm.arpa.gz"):
        pass
