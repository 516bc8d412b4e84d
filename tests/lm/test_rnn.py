"""The recurrent language model: one text, however it is read; and what training reaches."""

import pytest
import torch

from asr.errors import ConfigError, DataError, ModelError
from asr.lm.rnn import BOUNDARY, RnnLm, RnnLmConfig, RnnTraining, load_rnn_lm, save_rnn_lm, train_rnn_lm
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig

TOKENIZER = CharacterTokenizer(" abc")


def fresh(**shape):
    torch.manual_seed(0)
    return RnnLm(RnnLmConfig(**{"hidden": 8, "embedding": 4, **shape}), TOKENIZER).eval()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_state_carries_a_text_from_segment_to_segment(cell, layers):
    model = fresh(cell=cell, layers=layers)
    tokens = torch.randint(0, 5, (3, 20))
    whole, _ = model(tokens)
    states, parts = None, []
    for part in tokens.split([7, 1, 12], dim=1):
        found, states = model(part, states)
        parts.append(found)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)


@torch.no_grad()
def test_a_texts_probability_is_that_of_its_tokens_and_its_end_alone_or_in_a_batch():
    model = fresh()
    texts = ["ab c", "", "cab"]
    for text, found in zip(texts, model.log_probs(texts), strict=True):
        tokens = [BOUNDARY, *TOKENIZER.encode(text), BOUNDARY]
        total = sum(float(model(torch.tensor([tokens[:i]]))[0][0, -1, tokens[i]]) for i in range(1, len(tokens)))
        assert found == pytest.approx(total, abs=1e-5)


def test_long_texts_are_read_in_parts(monkeypatch):
    model = fresh(layers=2)
    texts = ["ab c" * 10, "", "cab" * 5, "c"]
    expected = model.log_probs(texts)
    shapes = []
    model.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    monkeypatch.setattr("asr.lm.rnn.READ_AT_ONCE", 8)
    assert model.log_probs(texts) == pytest.approx(expected, abs=1e-5)
    assert shapes == [(4, 8)] * 5 + [(4, 1)]


@torch.no_grad()
def test_words_and_their_tokens_have_the_same_probability_together():
    model, text = fresh(), ["ab c", "cab", "a b"]
    alone = model.predict(text, lambda word: True, running=False)
    assert -alone.nats == pytest.approx(sum(model.log_probs(text)), abs=1e-4)
    assert (alone.words, alone.unknown) == (5 + 3, 0)
    stream = torch.tensor([[BOUNDARY, *(t for s in text for t in (*TOKENIZER.encode(s), BOUNDARY))]])
    chosen = model(stream[:, :-1])[0].gather(2, stream[:, 1:, None])
    assert -model.predict(text, lambda word: True).nats == pytest.approx(float(chosen.sum()), abs=1e-4)


@torch.no_grad()
def test_words_that_are_not_to_be_counted_are_read_all_the_same():
    model = fresh()
    everything = model.predict(["ab c"], lambda word: True)
    part = model.predict(["ab c"], lambda word: word == "c")
    assert (part.words, part.unknown) == (2, 1)
    first = model(torch.tensor([[BOUNDARY, *TOKENIZER.encode("a")]]))[0][0]
    a, b = (float(first[i, TOKENIZER.encode(c)[0]]) for i, c in enumerate("ab"))
    assert everything.nats - part.nats == pytest.approx(-(a + b), abs=1e-4)
    assert model.predict(["äb c"], lambda word: True).unknown == 1  # it cannot be spelt


def test_training_learns_what_only_the_carried_state_can_know():
    """Sentences alternate, and each is longer than a segment.

    So within one segment nothing tells which is next.
    """
    text = ["aaaaab", "cccccb"] * 20
    shape, units = RnnLmConfig(hidden=12, embedding=6, dropout=0.0), TokenizerConfig()
    training = RnnTraining(epochs=25, segment=5, strands=4, learning_rate=0.03)
    model = train_rnn_lm(shape, training, units, text)
    running = model.predict(text[:20], lambda word: True)
    assert running.perplexity < 1.3  # 1.41 with every second first letter guessed


def test_the_same_text_and_seed_give_the_same_model():
    arguments = RnnLmConfig(hidden=4), RnnTraining(epochs=1, strands=2), TokenizerConfig(), ["ab c", "b"] * 9
    first, second = train_rnn_lm(*arguments), train_rnn_lm(*arguments)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_folder_gives_the_model_back(tmp_path):
    model = fresh(layers=2)
    save_rnn_lm(tmp_path / "lm", model)
    assert load_rnn_lm(tmp_path / "lm").log_probs(["ab c"]) == model.log_probs(["ab c"])
    (tmp_path / "lm" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="lm: this language model cannot be read"):
        load_rnn_lm(tmp_path / "lm")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not a recurrent language model"):
        load_rnn_lm(tmp_path)


def test_mistakes_are_named():
    with pytest.raises(DataError, match=r"fewer than --training.strands 16"):
        train_rnn_lm(RnnLmConfig(), RnnTraining(), TokenizerConfig(), ["a"])
    with pytest.raises(ConfigError, match=r"training.segment must be at least 1, got 0"):
        RnnTraining(segment=0)
    with pytest.raises(ConfigError, match=r"rnn.dropout"):
        RnnLmConfig(dropout=1.0)
