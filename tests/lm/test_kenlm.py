"""KenLM's binary of a model: KenLM finds in it what it finds in the model's text."""

import hashlib
import random
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ModelError
from asr.lm.compact import is_compact, read_compact, write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.kenlm import _MIDDLE, FORM, _hashes, _table, for_kenlm, write_binary
from asr.lm.ngram import END, LOG10, START, Level, NgramModel, is_binary, vocabulary

TEXT = ["a b c", "a b", "b c a b", "a", "c c a b a", "b a b c", "a b d", "naïve a", "extraordinarily b a c", "absolute"]
WORDS = ("a", "b", "c", "d", "naïve", "extraordinarily", "absolute", "unheard")


def read(path):
    """KenLM's model, and the number of each word."""
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
    from flashlight.lib.text.dictionary import Dictionary

    dictionary = Dictionary()
    for word in WORDS:
        dictionary.add_entry(word)
    return kenlm.KenLM(str(path), dictionary)


def scores(lm, words):
    """Of each word of a sentence and of its end, base 10."""
    state, found = lm.start(False), []
    for word in words:
        state, score = lm.score(state, WORDS.index(word))
        found.append(score)
    return [*found, lm.finish(state)[1]]


sentences = st.lists(st.sampled_from(WORDS[:-1]), min_size=1, max_size=6).map(" ".join)


@unhurried
@given(
    text=st.lists(sentences, min_size=1, max_size=12),
    order=st.integers(2, 6),
    prune=st.sampled_from([0.0, 1e-3, 1e-2]),
    said=st.lists(st.lists(st.sampled_from(WORDS), max_size=8), max_size=6),
)
def test_kenlm_scores_a_binary_as_the_text_that_it_parses_itself(tmp_path_factory, text, order, prune, said):
    folder = tmp_path_factory.mktemp("lm")
    model = train_ngram(text, NgramConfig(order, prune=prune))
    model.write(folder / "lm.arpa")
    write_binary(model, folder / "lm.bin")
    assert is_binary(folder / "lm.bin") and sorted(vocabulary(folder / "lm.bin")) == sorted(
        vocabulary(folder / "lm.arpa")
    )
    binary, parsed = read(folder / "lm.bin"), read(folder / "lm.arpa")
    for words in said:
        assert scores(binary, words) == pytest.approx(scores(parsed, words), abs=2e-6)


def test_a_search_finds_the_rounded_scores_of_a_compact_model(tmp_path):
    write_compact(train_ngram(TEXT, NgramConfig(3, prune=1e-3)), tmp_path / "words.ngram")
    model = read_compact(tmp_path / "words.ngram")
    with for_kenlm(tmp_path / "words.ngram") as path:
        assert path.parent != tmp_path
        assert set(vocabulary(path)) == set(WORDS[:-1])
        lm = read(path)
    words, history = ["a", "b", "c", "d", "naïve", "b", "a"], (START,)
    for word, score in zip([*words, END], scores(lm, words), strict=True):
        assert score * LOG10 == pytest.approx(model.log_prob(history, word), abs=1e-5)
        history = (*history, word)


def test_a_compact_model_is_unpacked_once(tmp_path):
    found = []
    for name, text in (("a.ngram", TEXT), ("the same.ngram", TEXT), ("b.ngram", TEXT[1:])):
        write_compact(train_ngram(text, NgramConfig(2)), tmp_path / name)
        with for_kenlm(tmp_path / name) as path:
            found.append((path, path.stat().st_ino))
    assert found[0] == found[1] != found[2]


def test_what_is_kept_for_the_next_start_is_of_the_form_that_is_written_now(tmp_path):
    """Whoever changes what `write_binary` writes raises `FORM`, so that no older file is taken."""
    vocabulary = ["<unk>", START, END, "b", "extraordinarily"]
    words = Level(np.zeros(5, np.int64), np.arange(5), np.array([-9.0, -99.0, -1.0, -2.0, -3.0]), np.arange(-5.0, 0.0))
    pairs = Level(np.array([1, 3]), np.array([3, 4]), np.array([-0.5, -1.5]), np.array([-0.25, 0.0]))
    triples = Level(np.array([0]), np.array([4]), np.array([-0.125]), np.zeros(1))
    write_binary(NgramModel(vocabulary, [words, pairs, triples]), tmp_path / "lm.bin")
    checksum = hashlib.sha256((tmp_path / "lm.bin").read_bytes()).hexdigest()
    assert (FORM, checksum[:16]) == (1, "666936600e7d51fb")


def test_a_history_that_backs_off_for_nothing_is_remembered(tmp_path):
    """A back-off of 0 is +0 where longer n-grams begin with its n-gram, and -0 where none does."""
    vocabulary = ["<unk>", START, END, "a", "b", "c"]
    words = Level(np.zeros(6, np.int64), np.arange(6), np.full(6, -2.0), np.zeros(6))
    pairs = Level(np.array([3, 4]), np.array([4, 5]), np.array([-1.0, -1.5]), np.zeros(2))
    triples = Level(np.array([0]), np.array([5]), np.array([-0.25]), np.zeros(1))  # c after a b
    model = NgramModel(vocabulary, [words, pairs, triples])
    write_binary(model, tmp_path / "lm.bin")
    found = scores(read(tmp_path / "lm.bin"), ["a", "b", "c", "a"])
    assert [score * LOG10 for score in found] == pytest.approx([-2.0, -1.0, -0.25, -2.0, -2.0])


def test_other_files_are_read_where_they_are(tmp_path):
    (tmp_path / "lm.arpa").write_text("\\data\\\n")
    for name in ("lm.arpa", "none"):
        with for_kenlm(tmp_path / name) as path:
            assert path == tmp_path / name and not is_compact(path)


@pytest.mark.parametrize("order", [1, 2, 6, 7])
def test_only_models_of_2_to_6_words_can_be_searched_with(tmp_path, order):
    model = train_ngram([" ".join(TEXT)], NgramConfig(order))
    fits = 2 <= order <= 6
    with nullcontext() if fits else pytest.raises(ModelError, match=rf"lm.bin: .* these have {order}; build others"):
        write_binary(model, tmp_path / "lm.bin")
    assert (tmp_path / "lm.bin").exists() is fits


def test_an_ngram_whose_end_is_none_is_refused(tmp_path):
    """KenLM would not find it: it looks for "b c" before "a b c"."""
    count = 5
    first = Level(np.zeros(count, np.int64), np.arange(count), np.full(count, -1.0), np.zeros(count))
    second = Level(np.array([2]), np.array([3]), np.array([-1.0]), np.zeros(1))
    third = Level(np.array([0]), np.array([4]), np.array([-1.0]), np.zeros(1))
    model = NgramModel(["<unk>", START, "a", "b", END], [first, second, third])
    with pytest.raises(ModelError, match=r"lm.bin: has 3-grams whose ends are no 2-grams"):
        write_binary(model, tmp_path / "lm.bin")


@pytest.mark.parametrize("kind", ["random", "one place", "the last place", "none"])
def test_every_key_of_a_table_is_found_from_its_place_on(kind):
    draw = random.Random(0)
    size = 150
    keys = {
        "random": [draw.randrange(1, 2**64) for _ in range(100)],
        "one place": [size * draw.randrange(1, 2**50) + 7 for _ in range(100)],
        "the last place": [size * draw.randrange(1, 2**50) + size - 1 for _ in range(100)],
        "none": [],
    }[kind]
    values = np.arange(len(keys), dtype=np.float32)
    table = _table(_MIDDLE, np.array(keys, np.uint64), len(keys), prob=values, back_off=-values)
    assert len(table) == (size if keys else 1) and (table["key"] == 0).sum() == len(table) - len(keys)
    for number, key in enumerate(keys):
        place = key % size
        while table["key"][place] != key:
            assert table["key"][place] != 0
            place = (place + 1) % size
        assert (table["prob"][place], table["back_off"][place]) == (number, -number)


def test_a_words_hash_does_not_depend_on_its_neighbours():
    words = [bytes(draw.choices(range(1, 256), k=size)) for draw in [random.Random(1)] for size in [*range(40), 1000]]
    alone = [int(_hashes([word])[0]) for word in words]
    assert _hashes(words).tolist() == alone and len(set(alone)) == len(words)
