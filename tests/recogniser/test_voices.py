"""Each utterance is read by that of two models which its sound asks for, as by it alone."""

import numpy as np
import pytest
import torch
from support.tiny import RATE, gusts, recogniser, sine

from asr.audio.log_mel_numpy import NumpyLogMel
from asr.errors import ModelError
from asr.recogniser.engines import load_engine
from asr.recogniser.model_folder import WEIGHTS_FILE, compact_model, save_model
from asr.recogniser.onnx_export import export
from asr.recogniser.voices import OTHERS_FOLDER, VOICE_FILE, ByVoice, Voice, describe, load_voice

OWN, OTHERS = recogniser(seed=0, layers=2), recogniser(seed=1, layers=2)
BINS = OWN.config.features.num_mels


def deep(seconds: float, seed: int = 0) -> np.ndarray:
    return sine(300, seconds) + gusts(round(seconds * RATE), seed=seed, level=0.01)


def high(seconds: float, seed: int = 0) -> np.ndarray:
    return sine(5000, seconds) + gusts(round(seconds * RATE), seed=seed, level=0.01)


def tilt() -> Voice:
    """Takes what is louder in the lower half of the bins."""
    weights = np.zeros(2 * BINS + 1, np.float32)
    weights[: BINS // 2], weights[BINS // 2 : BINS] = 1.0, -1.0
    return Voice(weights)


def test_each_model_reads_its_utterances_and_order_is_kept():
    model, nothing = ByVoice(OWN, OTHERS, tilt()), np.zeros(0, np.float32)
    waveforms = [deep(1.0), high(0.6), nothing, deep(0.3, 1), high(2.0, 1)]
    found = model.log_probs(waveforms)
    for waveform, log_probs, alone in zip(waveforms, found, (OWN, OTHERS, OTHERS, OWN, OTHERS), strict=True):
        np.testing.assert_allclose(log_probs, alone.log_probs([waveform])[0], atol=1e-5)
    sizes = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in waveforms], batch_first=True)
    for one, other in zip(model.emissions(batch, sizes).utterances(), found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert model.log_probs([]) == []


def test_what_is_said_does_not_depend_on_what_stands_beside_it():
    model = ByVoice(OWN, OTHERS, tilt())
    alone, beside = model.log_probs([high(0.5)])[0], model.log_probs([deep(2.0), high(0.5), high(3.0)])[1]
    np.testing.assert_allclose(alone, beside, atol=1e-5)


def test_loud_frames_alone_describe_a_voice():
    log_mel = NumpyLogMel(OWN.config.features)(deep(1.0))
    paused = np.concatenate([log_mel, np.full((len(log_mel) // 2, BINS), log_mel.min() - 1, np.float32)])
    assert describe(log_mel).shape == (2 * BINS,)
    np.testing.assert_allclose(describe(paused)[:BINS], log_mel.mean(axis=0), atol=0.5)


def test_a_folder_of_two_models_is_read_as_such_by_every_engine(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    save_model(tmp_path / "a", OWN, readme="")
    assert not isinstance(load_engine(tmp_path / "a"), ByVoice)
    save_model(tmp_path / "a" / OTHERS_FOLDER, OTHERS, readme="")
    tilt().save(tmp_path / "a")
    for folder, model in ((tmp_path / "a", OWN), (tmp_path / "a" / OTHERS_FOLDER, OTHERS)):
        export(model, folder)
    waveforms = [deep(1.0), high(1.0)]
    expected = ByVoice(OWN, OTHERS, tilt()).log_probs(waveforms)
    for name in ("torch", "onnx"):
        model = load_engine(tmp_path / "a", name)
        for one, other in zip(model.log_probs(waveforms), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    compact_model(tmp_path / "a", tmp_path / "small")
    small = load_engine(tmp_path / "small", "torch")
    assert isinstance(small, ByVoice)
    for inner in (".", OTHERS_FOLDER):
        sizes = [(tmp_path / name / inner / WEIGHTS_FILE).stat().st_size for name in ("a", "small")]
        assert sizes[1] < sizes[0], "both are rounded"
    save_model(tmp_path / "a", OWN, readme="")
    assert not isinstance(load_engine(tmp_path / "a"), ByVoice), "another model has another voice"


def test_a_voice_that_is_damaged_or_of_other_features_is_named(tmp_path):
    tilt().save(tmp_path)
    assert (load_voice(tmp_path, BINS).weights == tilt().weights).all()
    with pytest.raises(ModelError, match=rf"{VOICE_FILE}: cannot be used .*other features.*copy the whole"):
        load_voice(tmp_path, BINS + 1)
    (tmp_path / VOICE_FILE).write_bytes((tmp_path / VOICE_FILE).read_bytes()[:-3])
    with pytest.raises(ModelError, match=f"{VOICE_FILE}: cannot be used"):
        load_voice(tmp_path, BINS)
