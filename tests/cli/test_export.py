"""`asr export`, and `asr transcribe` with what it wrote."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def exported(asr, model: Path, tmp_path: Path) -> Path:
    """A copy of the model with its graphs."""
    folder = shutil.copytree(model, tmp_path / "exported")
    written = asr("export", folder, "--int8")
    assert written.code == 0, written.err
    assert written.out.splitlines() == [str(folder / "model.onnx"), str(folder / "model.int8.onnx")]
    return folder


def test_the_model_for_other_voices_gets_graphs_too(asr, model: Path, tmp_path: Path):
    folder = shutil.copytree(model, tmp_path / "adapted")
    shutil.copytree(model, folder / "others")
    written = asr("export", folder)
    assert written.code == 0, written.err
    assert written.out.splitlines() == [str(folder / "model.onnx"), str(folder / "others" / "model.onnx")]


def test_every_engine_writes_the_same_text(asr, exported: Path, recordings: Path):
    test = recordings / "test"
    shown = {
        engine: asr("transcribe", test, "--model", exported, "--min-confidence", 0, "--engine", engine).out
        for engine in ("auto", "torch", "onnx", "int8")
    }
    assert shown["auto"] == shown["onnx"] == shown["torch"]
    assert len(shown["int8"].splitlines()) == len(shown["torch"].splitlines()) == 6


def test_the_same_times_and_confidences_are_written(asr, exported: Path, recordings: Path):
    path = recordings / "test" / "test-0.wav"
    one, other = (
        asr("transcribe", path, "--model", exported, "--format", "ctm", "--out", "-", "--engine", engine).out
        for engine in ("torch", "onnx")
    )
    assert one == other


def test_a_model_is_evaluated_with_the_engine_that_is_named(asr, exported: Path, dev: Path):
    shown = [
        asr("evaluate", dev, "--model", exported, "--engine", engine, "--json").out for engine in ("torch", "onnx")
    ]
    assert shown[0] == shown[1] != ""


def test_mistakes_end_in_one_clear_line(refused, exported: Path, model: Path, noise: Path, tmp_path: Path):
    refused(1, "not a model folder", "export", tmp_path / "none")
    refused(1, "has no model.onnx", "transcribe", noise, "--model", model, "--engine", "onnx")
    refused(
        2, "leave out --device cuda", "transcribe", noise, "--model", exported, "--engine", "int8", "--device", "cuda"
    )
    refused(2, "tensorflow", "transcribe", noise, "--model", exported, "--engine", "tensorflow")
