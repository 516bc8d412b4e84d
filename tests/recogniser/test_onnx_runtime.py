"""A model says without PyTorch what it says with it, from the waveform on."""

import numpy as np
import pytest
import torch
from support.tiny import RATE, noise, recogniser, streamed

from asr.errors import ConfigError, MissingExtra, ModelError
from asr.recogniser import engines
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.engines import beside, load_engine
from asr.recogniser.model_folder import save_model
from asr.recogniser.onnx_export import export
from asr.recogniser.onnx_runtime import MODEL_FILE, OnnxRecogniser, load_onnx, together
from asr.recogniser.recogniser import Recogniser

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def swelling(seconds, seed=0):
    size = round(seconds * RATE)
    return (noise(size, seed=seed) * np.linspace(0.05, 1, size) ** 2).astype(np.float32)


def both(folder, **shape):
    """A recogniser, and the same without PyTorch."""
    model = recogniser(**{"layers": 2, **shape})
    with torch.no_grad():
        model.acoustic.output.weight.div_(20)
    model.features.fit([(torch.from_numpy(swelling(3.0))[None], torch.tensor([3 * RATE]))])
    save_model(folder, model, readme="")
    export(model, folder, int8=True)
    return model, load_onnx(folder)


@pytest.mark.parametrize("shape", [{}, {"cell": "gru", "subsampling": 3}, {"chunk": 0.64, "lookahead": 0.32}])
def test_whole_utterances_of_any_length_say_the_same(tmp_path, shape):
    """A long one in a batch of short ones, one too short for a frame, and none."""
    model, found = both(tmp_path, **shape)
    waveforms = [swelling(seconds, seed=n) for n, seconds in enumerate([0.3, 7.0, 0.01, 0.3, 2.0, 0.0])]
    for one, other in zip(found.log_probs(waveforms), model.log_probs(waveforms), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert found.log_probs([]) == model.log_probs([]) == []
    batch, sizes = torch.from_numpy(np.stack([swelling(1.0), swelling(1.0, 1)])), torch.tensor([RATE, 9000])
    for one, other in zip(*(r.emissions(batch, sizes).utterances() for r in (found, model)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("shape", [{}, {"cell": "gru", "subsampling": 2}, {"chunk": 0.64, "lookahead": 0.32}])
@pytest.mark.parametrize("seconds", [0.02, 0.3, 30.0])
def test_a_stream_says_the_same(tmp_path, shape, seconds):
    model, found = both(tmp_path, **shape)
    waveform = swelling(seconds)
    expected = streamed(model, waveform, model.long_reading)
    np.testing.assert_allclose(streamed(found, waveform, found.long_reading), expected, atol=1e-4)
    assert (found.latency, found.reading) == (model.latency, model.reading)


def test_other_chunks_and_a_kept_state_say_the_same(tmp_path):
    model, found = (each.in_chunks(0.48, 0.32) for each in both(tmp_path, chunk=0.96, lookahead=0.32))
    waveform = swelling(5.0)
    expected = streamed(model, waveform, model.reading)
    first, second = EmissionStream(found, found.reading), EmissionStream(found, found.reading)
    begun = first.accept(waveform[:40_000])
    second.resume({name: array.copy() for name, array in first.state().items()})
    rest = [second.accept(waveform[40_000:]), second.finish()]
    np.testing.assert_allclose(np.concatenate([begun, *rest]), expected, atol=1e-4)


def test_eight_bits_say_nearly_the_same(tmp_path):
    model, _ = both(tmp_path, hidden=32)
    found, expected = (each.log_probs([swelling(3.0)])[0] for each in (load_onnx(tmp_path, int8=True), model))
    assert 0 < np.abs(np.exp(found) - np.exp(expected)).max() < 0.02


def test_folders_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        load_onnx(tmp_path)
    save_model(tmp_path, recogniser(), readme="")
    with pytest.raises(ModelError, match=r"has no model.onnx; .* asr export"):
        load_onnx(tmp_path)
    (tmp_path / MODEL_FILE).write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"model.onnx: cannot be used .* asr export"):
        load_onnx(tmp_path)
    other = recogniser(tokenizer=type(recogniser().tokenizer)(" abcdef"))
    export(other, tmp_path)
    with pytest.raises(ModelError, match="has other tokens"):
        load_onnx(tmp_path)


def test_new_weights_take_the_graphs_of_the_old_ones_away(tmp_path):
    model, _ = both(tmp_path)
    save_model(tmp_path, model, readme="")
    assert list(tmp_path.glob("*.onnx")) == []


def test_the_engine_is_what_the_folder_and_the_installation_have(tmp_path, monkeypatch):
    model = recogniser()
    save_model(tmp_path, model, readme="")
    missing = set()
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in missing else object())
    assert isinstance(load_engine(tmp_path), Recogniser)
    missing.add("torch")
    with pytest.raises(ModelError, match=r"has no model.onnx"):
        load_engine(tmp_path)
    with pytest.raises(MissingExtra, match="needs PyTorch: pip install torch"):
        load_engine(tmp_path, "torch")
    missing.clear()
    export(model, tmp_path)
    assert isinstance(load_engine(tmp_path), OnnxRecogniser)
    assert isinstance(load_engine(tmp_path, "torch"), Recogniser)
    missing.add("onnxruntime")
    assert isinstance(load_engine(tmp_path), Recogniser)
    with pytest.raises(ConfigError, match="leave out --device cuda"):
        load_engine(tmp_path, "onnx", "cuda")
    with pytest.raises(ConfigError, match="engine is 'tensorflow'; it is one of auto, torch, onnx, int8"):
        load_engine(tmp_path, "tensorflow")


def test_a_second_recogniser_has_the_engine_of_the_first(tmp_path):
    _, found = both(tmp_path)
    assert isinstance(beside(found, tmp_path), OnnxRecogniser)
    assert isinstance(beside(load_engine(tmp_path, "torch"), tmp_path), Recogniser)


def test_batches_are_of_like_length_and_bounded():
    lengths = [5, 0, 90, 7, 30, 31, 200]
    groups = together(lengths, 100)
    assert sorted(n for group in groups for n in group) == [0, 2, 3, 4, 5, 6]
    assert groups == [[6], [2], [5, 4, 3], [0]]
    assert all(len(group) * max(lengths[n] for n in group) <= 100 for group in groups if len(group) > 1)
