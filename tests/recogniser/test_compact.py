"""Compact weights: what rounding changes, and what it may not."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from support.tiny import noise, recogniser

from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, save_tuned, tuned_models
from asr.errors import ModelError
from asr.recogniser.compact import SCALE, compacted, expanded
from asr.recogniser.model_folder import SECOND_FOLDER, compact_model, load_model, save_model
from asr.text.tokenizer import CharacterTokenizer

SHAPES = [
    {"cell": "lstm", "layers": 2, "intermediate": (1,), "merge": "sum"},
    {"cell": "gru", "layers": 2, "projection": 5},
]


def test_no_weight_moves_by_more_than_half_a_step_of_its_row():
    weights = {"matrix": torch.randn(7, 5) * torch.logspace(-6, 2, 7)[:, None], "kernel": torch.randn(4, 3, 2, 2)}
    weights["matrix"][3] = 0.0
    found = expanded(compacted(weights))
    for name, tensor in weights.items():
        rows, moved = tensor.flatten(1), (found[name] - tensor).flatten(1)
        assert (moved.abs() <= rows.abs().amax(dim=1, keepdim=True) / 254 * 1.001).all()
        assert found[name].shape == tensor.shape
        torch.testing.assert_close(found[name].flatten(1).abs().amax(dim=1), rows.abs().amax(dim=1))


def test_vectors_and_counts_stay_and_a_second_rounding_changes_nothing():
    weights = {"bias": torch.randn(5), "front_end": torch.tensor(2), "matrix": torch.randn(5, 9)}
    small = compacted(weights)
    assert small["bias"] is weights["bias"] and small["front_end"] is weights["front_end"]
    assert small["matrix"].dtype == torch.int8 and small[f"matrix{SCALE}"].shape == (5,)
    again = compacted(expanded(small))
    assert torch.equal(again["matrix"], small["matrix"])
    assert torch.allclose(again[f"matrix{SCALE}"], small[f"matrix{SCALE}"], rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=["lstm", "gru"])
def test_a_model_survives_and_says_nearly_the_same(tmp_path, shape):
    made = recogniser(hidden=48, channels=8, **shape)
    with torch.no_grad():
        made.acoustic.output.weight.div_(20)  # as wide as a trained one's: the bound is of log-probs
    save_model(tmp_path / "model", made, readme="words\n")
    compact_model(tmp_path / "model", tmp_path / "small")
    loaded = load_model(tmp_path / "small")
    waveforms, num_samples = torch.from_numpy(noise(16_000)).view(2, 8_000), torch.tensor([8_000, 5_000])
    expected, found = (r.emissions(waveforms, num_samples).utterances() for r in (made, loaded))
    for before, after in zip(expected, found, strict=True):
        assert 0 < np.abs(before - after).max() < 0.03
    assert loaded.config == made.config and loaded.state().keys() == made.state().keys()
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("model", "small")]
    assert sizes[1] < 0.45 * sizes[0]  # of so small a model the names are a good part
    assert (tmp_path / "small" / "README.md").read_text() == "words\n"


def test_all_that_belongs_to_a_model_comes_along(tmp_path):
    folder, second = tmp_path / "model", tmp_path / "model" / SECOND_FOLDER
    save_model(folder, recogniser(), readme="")
    save_model(second, recogniser(CharacterTokenizer(" abcd")), readme="")
    save_tuned(folder, TunedDecoding(("lm.arpa",), DecodingConfig(lm_weight=0.3), second=True))
    (folder / "lm.arpa").write_text("words")
    (folder / ".lock").touch()
    (folder / "model.onnx").touch()
    for _ in range(2):  # the second time over the first
        compact_model(folder, tmp_path / "small")
    here, there = ({path.relative_to(f) for path in f.rglob("*")} for f in (folder, tmp_path / "small"))
    there.remove(Path("SHA256SUMS"))
    assert there == {path for path in here if path.name not in (".lock", "model.onnx")}
    assert tuned_models(tmp_path / "small") == ((tmp_path / "small" / "lm.arpa",), tmp_path / "small" / SECOND_FOLDER)
    weights = safetensors.torch.load_file(tmp_path / "small" / SECOND_FOLDER / "model.safetensors")
    assert torch.int8 in {tensor.dtype for tensor in weights.values()}
    with pytest.raises(ModelError, match="is the model folder, or in it"):
        compact_model(folder, folder)
    with pytest.raises(ModelError, match="not a model folder"):
        compact_model(tmp_path, tmp_path.parent / "elsewhere")


@pytest.mark.parametrize("fault", ["missing", "short"])
def test_scales_that_do_not_fit_are_named(tmp_path, fault):
    save_model(tmp_path / "model", recogniser(), readme="")
    compact_model(tmp_path / "model", tmp_path / "small")
    weights = safetensors.torch.load_file(tmp_path / "small" / "model.safetensors")
    scales = weights.pop(f"acoustic.output.weight{SCALE}")
    if fault == "short":
        weights[f"acoustic.output.weight{SCALE}"] = scales[1:].clone()
    safetensors.torch.save_file(weights, tmp_path / "small" / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors: cannot be used .*output.weight.scale is missing"):
        load_model(tmp_path / "small")


def test_the_settings_are_those_of_the_model(tmp_path):
    save_model(tmp_path / "model", recogniser(), readme="")
    compact_model(tmp_path / "model", tmp_path / "small")
    before, after = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("model", "small"))
    assert before == after
