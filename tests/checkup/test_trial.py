"""The self-test passes where all is well, and each fault that is made in it is found."""

import shutil

import numpy as np
import pytest
import soundfile

from asr.checkup import trial
from asr.checkup.models import model_files
from asr.checkup.sandbox import SandboxError
from asr.errors import DataError, ModelError
from asr.recogniser import bundled
from asr.recogniser.checksums import changed
from asr.recogniser.onnx_runtime import OnnxRecogniser
from asr.training import run as training_run


class Here:
    """Calls in this process, and fails for some steps."""

    def __init__(self, **broken):
        self.broken, self.called = broken, []

    def call(self, step, folder, *, limit):
        self.called.append(step.__name__)
        if step.__name__ in self.broken:
            raise SandboxError(self.broken[step.__name__])
        return {"text": "a"}


@pytest.fixture
def installed(monkeypatch):
    def only(*names):
        monkeypatch.setattr(trial, "version_of", lambda name: "1" if name in names else None)

    return only


def steps(sandbox, folder, model=None):
    return [(found.name, found.is_broken) for found in trial.trial(folder, sandbox, model)]


def test_what_is_installed_decides_what_is_tried(installed, tmp_path):
    installed("torch", "onnx", "onnxruntime", "flashlight-text")
    sandbox = Here()
    assert not any(broken for _, broken in steps(sandbox, tmp_path))
    readings = ["read_by_onnx", "read_by_int8", "read_by_search"]
    assert sandbox.called == ["train_and_resume", "read_by_torch", "export_english", *readings]
    installed("torch")
    assert steps(Here(), tmp_path) == [("trial: train, stop, resume", False), ("trial: read by torch", False)]
    installed("onnxruntime")
    assert steps(Here(), tmp_path, tmp_path) == [("trial: model", False)]
    (nothing,) = trial.trial(tmp_path, Here())
    assert not nothing.is_broken and "--model" in nothing.problems[0].remedy


def test_a_step_that_fails_is_named_and_the_others_are_tried(installed, tmp_path):
    installed("torch", "onnx", "onnxruntime")
    found = dict(steps(Here(export_english="died of SIGILL"), tmp_path))
    assert [name for name, broken in found.items() if broken] == ["trial: export"] and len(found) == 5


def test_training_resumes_with_the_same_weights(tmp_path):
    assert trial.train_and_resume(tmp_path)["weights"] == "equal"


def test_training_that_forgets_a_step_is_found(tmp_path, monkeypatch):
    """As if the last checkpoint held other weights than the run had."""
    load = training_run.load_newest

    def another(folder, progress):
        state = load(folder, progress)
        if folder.parent.name == "stopped":
            state["model"] = {name: tensor * 1.01 for name, tensor in state["model"].items()}
        return state

    monkeypatch.setattr(training_run, "load_newest", another)
    with pytest.raises(DataError, match="stopped and resumed has other weights"):
        trial.train_and_resume(tmp_path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("trial")
    assert trial.export_english(folder) == {"graphs": 2}
    return folder


def test_every_engine_reads_the_sample(exported):
    expected = {"text": bundled.sample()[1]}
    for read in (trial.read_by_torch, trial.read_by_onnx, trial.read_by_int8):
        assert read(exported) == expected
    assert trial.read_model(exported / trial.FOLDER) == {"engines": ["torch", "onnx", "int8"]}


def test_the_sample_is_read_through_noise(exported, tmp_path, monkeypatch):
    """So that another processor's order of sums cannot change the text."""
    sound, rate = soundfile.read(bundled.sample()[0], dtype="float32")
    noise = np.random.default_rng(0).standard_normal(len(sound)) * 0.1 * sound.std()
    soundfile.write(tmp_path / "sample.flac", 0.5 * (sound + noise), rate)
    text = bundled.sample()[1]
    monkeypatch.setattr(trial, "sample", lambda: (tmp_path / "sample.flac", text))
    assert trial.read_by_torch(exported) == trial.read_by_int8(exported) == {"text": text}


def test_an_engine_that_reads_another_text_is_found(exported, monkeypatch):
    right = OnnxRecogniser.log_probs
    step = OnnxRecogniser.step

    def late(self, *arguments, **options):
        log_probs, stream = step(self, *arguments, **options)
        return np.roll(log_probs, 1, axis=1), stream

    monkeypatch.setattr(OnnxRecogniser, "step", late)
    monkeypatch.setattr(
        OnnxRecogniser, "log_probs", lambda self, sounds: [np.roll(found, 1, axis=1) for found in right(self, sounds)]
    )
    with pytest.raises(DataError, match="and not 'all is well"):
        trial.read_by_onnx(exported)
    with pytest.raises(DataError, match=r"model\.onnx finds another text"):
        trial.read_model(exported / trial.FOLDER)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        trial.read_model(tmp_path)


def test_a_file_that_was_changed_is_named(monkeypatch, tmp_path):
    copy = shutil.copytree(bundled.bundled_model(), tmp_path / "english")
    (fine,) = model_files()
    assert not fine.problems and fine.facts == {"checksums": "right"}
    with (copy / "lm.ngram").open("r+b") as file:
        file.seek(1000)
        file.write(b"?")
    assert changed(copy) == ["lm.ngram"]
    of_the_package, named = model_files(copy)
    assert not of_the_package.problems and not named.is_broken and "lm.ngram" in named.problems[0].what
    monkeypatch.setattr(bundled, "FOLDER", copy)
    (broken,) = model_files()
    assert broken.is_broken and "pip install" in broken.problems[0].remedy
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    assert not next(model_files()).is_broken, "a package may come without a model"
