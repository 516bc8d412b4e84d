"""Both tokenizers: text survives them, the blank never comes out, and a damaged file is refused."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ConfigError, ModelError
from asr.text.tokenizer import (
    CHARACTERS_FILE,
    SENTENCEPIECE_FILE,
    CharacterTokenizer,
    TokenizerConfig,
    load_tokenizer,
    train_tokenizer,
)

TEXTS = ["the quick brown fox", "jumps over the lazy dog", "don't", "наука", "नमस्ते दुनिया", "the lazy dog sleeps"]
ALPHABET = sorted(set("".join(TEXTS)))
texts_of_known_characters = st.text(ALPHABET, max_size=30).map(lambda text: " ".join(text.split()))

CHARACTERS = train_tokenizer(TokenizerConfig(), TEXTS)
SUBWORDS = train_tokenizer(TokenizerConfig(units="sentencepiece", size=len(ALPHABET) + 4), TEXTS)
both = pytest.mark.parametrize("tokenizer", [CHARACTERS, SUBWORDS], ids=["characters", "sentencepiece"])


@both
@unhurried
@given(text=texts_of_known_characters)
def test_text_survives_the_way_through_tokens(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@both
@unhurried
@given(text=st.text(max_size=30) | texts_of_known_characters)
def test_tokens_are_in_range_and_never_the_blank(tokenizer, text):
    assert all(1 <= token < tokenizer.size for token in tokenizer.encode(text))


@both
def test_unknown_characters_are_left_out(tokenizer):
    assert tokenizer.encode("the fox€") == tokenizer.encode("the fox")
    assert tokenizer.decode(tokenizer.encode("the Ω fox€")) == "the fox"
    assert tokenizer.decode(tokenizer.encode("Ω€")) == ""


@both
@unhurried
@given(data=st.data())
def test_any_tokens_become_words_parted_by_single_spaces(tokenizer, data):
    text = tokenizer.decode(data.draw(st.lists(st.integers(1, tokenizer.size - 1), max_size=20)))
    assert text == " ".join(text.split())


@both
@unhurried
@given(words=st.lists(st.text(max_size=9) | texts_of_known_characters, max_size=5))
def test_words_are_spelt_together_as_one_by_one(tokenizer, words):
    alone = [tokenizer.encode(word) if tokenizer.decode(tokenizer.encode(word)) == word else None for word in words]
    assert tokenizer.spellings(words) == alone


@both
def test_no_text_has_no_tokens_and_no_tokens_have_no_text(tokenizer):
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


def test_characters_are_numbered_from_one_in_code_point_order():
    tokenizer = train_tokenizer(TokenizerConfig(), ["ba", "c a"])
    assert tokenizer.size == 5
    assert tokenizer.encode(" abc") == [1, 2, 3, 4]


def test_subwords_are_of_the_wanted_number_and_shorten_what_is_frequent():
    assert SUBWORDS.size == 1 + len(ALPHABET) + 4
    assert len(SUBWORDS.encode("the lazy dog")) < len(CHARACTERS.encode("the lazy dog"))


@pytest.mark.parametrize("units", ["characters", "sentencepiece", "words"])
def test_tokens_depend_on_the_set_of_texts_alone(tmp_path, units):
    config = TokenizerConfig(units=units, size=len(ALPHABET) + 4)
    for name, texts in (("one", TEXTS), ("other", [*reversed(TEXTS), TEXTS[0]])):
        (tmp_path / name).mkdir()
        train_tokenizer(config, texts).save(tmp_path / name)
    (one,), (other,) = ((tmp_path / name).iterdir() for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


@both
def test_a_saved_tokenizer_is_the_same_when_loaded(tmp_path, tokenizer):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer) and loaded.size == tokenizer.size
    assert all(loaded.encode(text) == tokenizer.encode(text) for text in TEXTS)
    every = range(1, tokenizer.size)
    assert loaded.decode(every) == tokenizer.decode(every)


def test_a_tokenizer_takes_the_place_of_one_of_the_other_kind(tmp_path):
    for tokenizer in (CHARACTERS, SUBWORDS, CHARACTERS):
        tokenizer.save(tmp_path)
        assert type(load_tokenizer(tmp_path)) is type(tokenizer)
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("size", [4, len(ALPHABET), 5000])
def test_a_number_of_subwords_that_the_text_does_not_allow_is_named(size):
    with pytest.raises(ConfigError, match=f"tokenizer.size {size} does not fit the training text: Vocabulary size"):
        train_tokenizer(TokenizerConfig(units="sentencepiece", size=size), TEXTS)


def test_too_few_subwords_are_refused_before_any_text_is_seen():
    with pytest.raises(ConfigError, match=r"tokenizer.size must be at least 4, got 3"):
        TokenizerConfig(size=3)


@pytest.mark.parametrize("texts", [[], ["", ""]])
@pytest.mark.parametrize("units", ["characters", "sentencepiece", "words"])
def test_no_training_text_is_a_mistake(units, texts):
    with pytest.raises(ConfigError, match="no training transcript holds any text"):
        train_tokenizer(TokenizerConfig(units=units), texts)


class Trap:
    """Unpickled, it raises; so a test that meets it fails."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def damaged_files():
    subwords = SUBWORDS._model
    for name, content in {
        "no JSON": b"",
        "cut off": json.dumps(ALPHABET).encode()[:-3],
        "not a list": b'{"a": 1}',
        "a string": b'"abc"',
        "longer than a character": b'["a", "bc"]',
        "numbers": b"[1, 2]",
        "twice the same": b'["a", "b", "a"]',
        "not UTF-8": b'["\xff"]',
        "pickle": pickle.dumps(Trap()),
    }.items():
        yield pytest.param(CHARACTERS_FILE, content, id=f"characters: {name}")
    for name, content in {"cut off": subwords[:200], "empty": b"", "pickle": pickle.dumps(Trap())}.items():
        yield pytest.param(SENTENCEPIECE_FILE, content, id=f"sentencepiece: {name}")


@pytest.mark.parametrize(("name", "content"), damaged_files())
def test_a_damaged_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_tokenizer(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: its tokenizer cannot be read (") and "\n" not in message


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=f"tokenizer cannot be read .*{CHARACTERS_FILE}"):
        load_tokenizer(tmp_path)


def test_decoding_parts_words_by_single_spaces():
    assert CharacterTokenizer(" ab").decode([1, 2, 1, 1, 3, 1]) == "a b"


def test_words_are_tokens_of_their_own_and_others_have_none():
    tokenizer = train_tokenizer(TokenizerConfig(units="words"), ["ken lo ken", "lo lo"])
    assert tokenizer.size == 4  # blank, sentencepiece's unknown, ken, lo
    ken, lo = tokenizer.encode("ken lo")
    assert tokenizer.encode("lo ken lo") == [lo, ken, lo]
    assert tokenizer.encode("kenlo maybe lo") == [lo]
    assert tokenizer.decode([lo, lo, ken]) == "lo lo ken"
