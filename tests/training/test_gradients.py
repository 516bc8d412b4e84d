"""How far gradients reach in recognisers, fresh or trained, on utterances."""

import pytest
import torch
from support.tones import write_corpus

from asr.audio.log_mel import LogMel
from asr.data.cuts import load_cuts
from asr.model.shape import AcousticConfig
from asr.training.gradients import fresh, inspect

SHAPE = AcousticConfig(channels=2, layers=1, hidden=6)


@pytest.fixture(scope="module")
def cuts(tmp_path_factory: pytest.TempPathFactory):
    return load_cuts(write_corpus(tmp_path_factory.mktemp("corpus"), train=3, dev=1) / "train.jsonl.gz")


def test_a_fresh_recogniser_is_the_same_each_time_but_for_its_gain_and_is_inspected(cuts):
    one, same, wild = (fresh(SHAPE, cuts, gain=gain) for gain in (1.0, 1.0, 3.0))
    for name, tensor in one.state().items():
        assert torch.equal(tensor, same.state()[name])
        torch.testing.assert_close(wild.state()[name], (3 if "weight_hh" in name else 1) * tensor)
    found = inspect("tame", one, cuts, distance=0.4, probes=8)
    assert found.frame == pytest.approx(0.04)
    assert [reach.direction for reach in found.reaches] == ["forward", "backward"]


def test_a_fresh_recogniser_is_put_on_a_device_before_its_features_are_fitted(cuts, monkeypatch):
    devices = []
    monkeypatch.setattr(LogMel, "fit", lambda features, batches: devices.append(features.mean.device.type))
    recogniser = fresh(SHAPE, cuts, device=torch.device("meta"))
    assert recogniser.device.type == "meta" and devices == ["meta"]
