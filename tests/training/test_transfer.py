"""Weights that training begins with."""

import dataclasses
from pathlib import Path

import pytest
import torch
from support.runs import PLAIN, SMALL, TOKENIZER

from asr.audio.features import FeatureConfig
from asr.errors import ConfigError, ModelError
from asr.progress import SILENT
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig
from asr.training.settings import OptimiserConfig
from asr.training.train import train
from asr.training.transfer import adopt


def test_weights_that_training_begins_with_go_to_the_tokens_that_both_models_know():
    torch.manual_seed(1)
    other = Recogniser(PLAIN.recogniser, CharacterTokenizer("bcxz"))
    ours = Recogniser(SMALL.recogniser, CharacterTokenizer(" abc"))
    before = ours.acoustic.output.weight.detach().clone()
    ours.features.mean.fill_(-3.0)
    adopt(ours, other)
    theirs, found = other.acoustic.output.weight, ours.acoustic.output.weight
    for token, origin in ((0, theirs[0]), (1, before[1]), (2, before[2]), (3, theirs[1]), (4, theirs[2])):
        assert torch.equal(found[token], origin)
    for name, tensor in other.acoustic.state_dict().items():
        if not name.startswith("output."):
            assert torch.equal(ours.acoustic.state_dict()[name], tensor)
    assert (ours.features.mean == -3.0).all()
    wide = Recogniser(dataclasses.replace(PLAIN.recogniser, features=FeatureConfig(num_mels=40)), TOKENIZER)
    with pytest.raises(ConfigError, match=r"^init: .*another shape \(features\.num_mels was 40, is 80\)"):
        adopt(ours, wide)


def test_what_is_taken_over_and_what_begins_anew_is_told():
    ours = Recogniser(SMALL.recogniser, CharacterTokenizer(" ABC"))
    same, lower = (Recogniser(SMALL.recogniser, CharacterTokenizer(known)) for known in (" ABC", " abc"))
    layers = SMALL.acoustic.layers
    assert adopt(ours, same) == f"all {layers} layers and 4 of 4 tokens are taken over"
    assert adopt(ours, lower) == f"all {layers} layers and 1 of 4 tokens are taken over; begin anew: A B C"


def test_a_run_begins_with_the_weights_of_another_and_refuses_what_is_no_model(
    finished: Path, corpus: Path, tmp_path: Path
):
    config = dataclasses.replace(
        SMALL, epochs=1, init=str(finished / "best"), optimiser=OptimiserConfig(learning_rate=1e-12)
    )
    best = load_model(train(config, corpus, tmp_path / "run", SILENT))
    for name, tensor in load_model(finished / "best").state().items():
        torch.testing.assert_close(best.state()[name], tensor, rtol=0, atol=1e-6)
    held = dataclasses.replace(config, rehearsal=1.0, keep_statistics=True)
    best = load_model(train(held, corpus, tmp_path / "held", SILENT))
    assert torch.equal(best.features.mean, load_model(finished / "best").features.mean)
    with pytest.raises(ConfigError, match="rehearsal needs the tokens of init"):
        train(dataclasses.replace(held, tokenizer=TokenizerConfig("words")), corpus, tmp_path / "words", SILENT)
    with pytest.raises(ModelError, match="not a model folder"):
        train(dataclasses.replace(config, init=str(tmp_path)), corpus, tmp_path / "other", SILENT)
