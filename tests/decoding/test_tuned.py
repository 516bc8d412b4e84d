"""What is kept in a model folder for decoding, and the decoder that it makes."""

import json

import pytest
import torch
from support.language import TOKENIZER
from support.tiny import recogniser

from asr.audio.features import FeatureConfig
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, load_decoder, load_tuned, save_tuned, tuned_models
from asr.errors import ConfigError, ModelError
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.model_folder import save_model
from asr.recogniser.recogniser import Recogniser


def test_the_language_model_goes_where_the_recogniser_is(tmp_path, monkeypatch):
    devices = []
    monkeypatch.setattr("asr.lm.rnn.load_rnn_lm", lambda folder, device: devices.append(device))
    model = recogniser(TOKENIZER)
    model.acoustic.to("meta")
    load_decoder(tmp_path, model, [tmp_path])
    assert devices == [torch.device("meta")]


def test_what_was_tuned_comes_back_with_the_model_folder(tmp_path):
    assert load_tuned(tmp_path) is None
    tuned = TunedDecoding(("lm.arpa",), DecodingConfig(beam=20, lm_weight=0.4))
    save_tuned(tmp_path, tuned)
    assert load_tuned(tmp_path) == tuned
    assert tuned_models(tmp_path) == ((tmp_path / "lm.arpa",), None)
    save_tuned(tmp_path, TunedDecoding(("lm.arpa",), DecodingConfig(), second=True))
    assert tuned_models(tmp_path) == ((tmp_path / "lm.arpa",), tmp_path / "second")
    (tmp_path / "decoding.json").write_text(json.dumps({"decoding": {"beem": 3}}))
    with pytest.raises(ModelError, match=r"decoding.json: cannot be used .*beem"):
        load_tuned(tmp_path)
    with pytest.raises(ModelError, match="has no language model"):
        tuned_models(tmp_path / "elsewhere")


def test_a_model_folder_names_only_what_is_in_it_and_no_binary(tmp_path):
    """KenLM follows the addresses in its binaries unseen: only who trusts a file should name it."""
    for name in ("../lm.arpa", "/etc/passwd", "..", ""):
        save_tuned(tmp_path, TunedDecoding((name,), DecodingConfig()))
        with pytest.raises(ModelError, match="which is not in this folder"):
            tuned_models(tmp_path)
    (tmp_path / "lm.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    save_tuned(tmp_path, TunedDecoding(("lm.bin",), DecodingConfig()))
    with pytest.raises(ModelError, match=r"lm.bin: is a KenLM binary; if you trust who made it, name it: --lm "):
        tuned_models(tmp_path)


def test_two_models_of_a_kind_and_two_sample_rates_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--lm takes one n-gram file"):
        load_decoder(tmp_path, recogniser(), [tmp_path / "one.arpa", tmp_path / "two.arpa"])
    slow = RecogniserConfig(
        FeatureConfig(sample_rate=8000, num_mels=16), AcousticConfig(channels=2, layers=1, hidden=6)
    )
    save_model(tmp_path / "slow", Recogniser(slow, TOKENIZER), readme="")
    with pytest.raises(ConfigError, match=r"slow: takes 8000 samples a second, .* 16000"):
        load_decoder(tmp_path, recogniser(), [], second=tmp_path / "slow")
