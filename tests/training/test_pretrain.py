"""From audio without transcripts to weights that training begins with."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.tones import RATE, write_corpus

from asr.errors import ConfigError, DataError, ModelError
from asr.model.shape import AcousticConfig
from asr.progress import SILENT
from asr.recogniser.model_folder import load_model
from asr.training.logbook import read_metrics
from asr.training.pretrain import pretrain
from asr.training.settings import BpttConfig, OptimiserConfig, PretrainConfig, TrainConfig
from asr.training.train import train

SHAPE = AcousticConfig(channels=4, layers=2, hidden=12)
SMALL = PretrainConfig(acoustic=SHAPE, bptt=BpttConfig(segment=0.4), epochs=3, batch_seconds=4.0, threads=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=20, dev=4)


@pytest.fixture(scope="module")
def pretrained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pretrained")
    return pretrain(SMALL, [corpus / "train.jsonl.gz"], [corpus / "dev.jsonl.gz"], out, SILENT)


def test_forecasts_get_better_and_leave_curves_and_a_described_model(pretrained: Path):
    epochs = [r for r in read_metrics(pretrained.parent / "metrics.jsonl") if r["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert epochs[-1]["dev_loss"] < epochs[0]["dev_loss"]
    assert (pretrained.parent / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert "off by" in (pretrained / "README.md").read_text()


def test_the_same_call_gives_the_same_weights(pretrained: Path, corpus: Path, tmp_path: Path):
    again = pretrain(SMALL, [corpus / "train.jsonl.gz"], [corpus / "dev.jsonl.gz"], tmp_path, SILENT)
    assert (again / "model.safetensors").read_bytes() == (pretrained / "model.safetensors").read_bytes()


def test_a_pretrained_model_cannot_transcribe_and_says_what_to_do(pretrained: Path):
    with pytest.raises(ModelError, match="was only pretrained and cannot transcribe; train it: asr train DATA --init"):
        load_model(pretrained)


def test_training_begins_with_pretrained_weights_and_its_own_statistics(pretrained: Path, corpus: Path, tmp_path: Path):
    """At a learning rate of next to nothing they are still there at the end."""
    config = TrainConfig(
        acoustic=SHAPE, epochs=1, threads=2, init=str(pretrained), optimiser=OptimiserConfig(learning_rate=1e-12)
    )
    best = load_model(train(config, corpus, tmp_path / "run", SILENT))
    before = load_model(pretrained, untaught=True)
    for name, tensor in before.acoustic.state_dict().items():
        if not name.startswith("output."):
            torch.testing.assert_close(best.acoustic.state_dict()[name], tensor, rtol=0, atol=1e-8)
    torch.testing.assert_close(best.features.mean, before.features.mean)  # of the same recordings
    wider = dataclasses.replace(config, acoustic=dataclasses.replace(SHAPE, hidden=16, dropout=0.5))
    with pytest.raises(ConfigError, match=r"^init: .*another shape \(acoustic\.hidden was 12, is 16\)"):
        train(wider, corpus, tmp_path / "other", SILENT)


def test_what_cannot_be_pretrained_on_is_named(tmp_path: Path, corpus: Path):
    console = SILENT
    with pytest.raises(ConfigError, match="no audio was named"):
        pretrain(SMALL, [], [], tmp_path / "run", console)
    with pytest.raises(DataError, match="fewer than 20 pieces"):
        pretrain(SMALL, [corpus / "dev.jsonl.gz"], [], tmp_path / "run", console)
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(DataError, match=r"text\.wav: not readable as audio"):
        pretrain(SMALL, [tmp_path], [], tmp_path / "run", console)
    soundfile.write(tmp_path / "text.wav", np.full(1600, 0.1), RATE)
    with pytest.raises(DataError, match=r"no held-out piece is longer than 0\.12 s"):
        pretrain(SMALL, [corpus / "train.jsonl.gz"], [tmp_path / "text.wav"], tmp_path / "run", console)


def test_every_twentieth_piece_is_held_out(corpus: Path, tmp_path: Path):
    one = dataclasses.replace(SMALL, epochs=1)
    best = pretrain(one, [corpus / "train.jsonl.gz"], [], tmp_path, SILENT)
    assert "trained on 19 utterances" in (best / "README.md").read_text()


def test_the_model_card_names_no_path_of_the_audio(tmp_path: Path):
    draw = np.random.default_rng(0)
    for number in range(21):
        soundfile.write(tmp_path / f"secret-{number}.wav", 0.1 * draw.standard_normal(RATE // 2), RATE)
    best = pretrain(dataclasses.replace(SMALL, epochs=1), [tmp_path], [], tmp_path / "run", SILENT)
    card = (best / "README.md").read_text()
    assert "20 utterances" in card
    assert str(tmp_path) not in card and "secret" not in card
