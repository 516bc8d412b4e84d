"""A self-test: training, resuming, export and every engine, on sound that is made on the spot.

Each step is a function of a working folder, called in a sandbox. The sample that comes with the
package is no recording: `recipes/sample.py` has computed it from the English model, so that this
reads a known text in it.
"""

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from asr.checkup.finding import Fact, Finding, Problem
from asr.checkup.packages import version_of
from asr.checkup.sandbox import Sandbox, SandboxError
from asr.errors import DataError
from asr.progress import Bar
from asr.recogniser.bundled import bundled_model, sample
from asr.recogniser.engines import EngineName
from asr.recogniser.onnx_runtime import INT8_FILE, MODEL_FILE
from asr.units import Seconds

LIMIT: Seconds = 180.0
"""For a step: on a quiet machine the slowest takes seconds."""
RATE = 16_000
TEXTS = {"train": ("a b", "b a", "a", "b"), "dev": ("ab",), "test": ("ba",)}
PITCHES = {"a": 300.0, "b": 900.0, " ": 0.0}
"""Of the letters, in Hz; the space is silence."""
FOLDER = "english"
"""Inside the working folder: a copy of the package's model, with ONNX graphs."""


class _StopsAtSecondStep(Bar):
    """Progress that interrupts a training when its second step is done, but not yet saved."""

    def say(self, line: str) -> None:
        pass

    def update(self, done: float, doing: str | None = None) -> None:
        if doing is not None and done >= 2:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def bar(self, doing: str, total: float | None, *, unit: str = "") -> Iterator[Bar]:
        yield self


Step: TypeAlias = Callable[[Path], dict[str, Fact]]


def trial(folder: Path, sandbox: Sandbox, model: Path | None = None) -> Iterator[Finding]:
    """Run the steps that this installation can run, one after the other.

    Args:
        folder: where they write.
        sandbox: who runs them.
        model: a model folder to be tried, too.
    """
    torch, onnx, onnxruntime, flashlight = (
        version_of(name) is not None for name in ("torch", "onnx", "onnxruntime", "flashlight-text")
    )
    steps: dict[str, tuple[Step, Path]] = {}
    if torch:
        steps |= {"train, stop, resume": (train_and_resume, folder), "read by torch": (read_by_torch, folder)}
    if torch and onnx and onnxruntime:
        steps["export"] = export_english, folder
        steps |= {"read by onnx": (read_by_onnx, folder), "read by int8": (read_by_int8, folder)}
    if torch and flashlight:
        steps["read by search"] = read_by_search, folder
    if model is not None:
        steps["model"] = read_model, model.resolve()
    for name, (step, argument) in steps.items():
        yield _tried(name, step, argument, sandbox)
    if not steps:
        remedy = "asr doctor --model DIR tries a folder with model.onnx"
        yield Finding(
            "trial", {}, (Problem("without PyTorch the model of the package cannot be tried", remedy, False),)
        )


def _tried(name: str, step: Step, folder: Path, sandbox: Sandbox) -> Finding:
    began = time.monotonic()
    try:
        facts = sandbox.call(step, folder, limit=LIMIT)
    except SandboxError as error:
        remedy = "mend what is listed above; if nothing is, report it with asr doctor --json"
        return Finding(f"trial: {name}", {}, (Problem(str(error), remedy),))
    return Finding(f"trial: {name}", {**facts, "seconds": round(time.monotonic() - began, 1)})


def train_and_resume(folder: Path) -> dict[str, Fact]:
    """Take two steps; take them again with an interruption between; compare the weights.

    Raises:
        DataError: if the weights differ.
    """
    import torch

    from asr.audio.augment import AugmentConfig
    from asr.data.prepare import prepare
    from asr.model.shape import AcousticConfig
    from asr.training.settings import TrainConfig
    from asr.training.train import train
    from asr.workers import num_workers

    _write_tones(folder / "tones")
    data = prepare("folder", folder / "data", source=folder / "tones").folder
    config = TrainConfig(
        acoustic=AcousticConfig(channels=4, layers=1, hidden=8),
        augment=AugmentConfig(channel=0.0),
        epochs=1,
        batch_seconds=2.0,
        device="cpu",
        threads=min(2, num_workers(torch.device("cpu"), None)),
        checkpoint_every=0.0,
    )
    train(config, data, folder / "whole")
    with contextlib.suppress(KeyboardInterrupt):
        train(config, data, folder / "stopped", _StopsAtSecondStep())
    if not (folder / "stopped" / "checkpoints" / "last.pt").is_file() or (folder / "stopped" / "best").exists():
        raise DataError("training could not be stopped between its two steps")
    best = [train(config, data, folder / run) / "model.safetensors" for run in ("whole", "stopped")]
    if best[0].read_bytes() != best[1].read_bytes():
        raise DataError("a training that was stopped and resumed has other weights than one that was not")
    return {"workers": config.threads, "weights": "equal"}


def _write_tones(folder: Path) -> None:
    """Recordings whose letters are tones, each with its text beside it."""
    import soundfile

    for split, texts in TEXTS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(texts):
            time_ = np.arange(RATE // 5) / RATE
            tones = [0.3 * np.sin(2 * math.pi * PITCHES[letter] * time_) for letter in f" {text} "]
            soundfile.write(folder / split / f"{split}-{number}.wav", np.concatenate(tones), RATE)
            (folder / split / f"{split}-{number}.txt").write_text(text, encoding="utf-8")


def export_english(folder: Path) -> dict[str, Fact]:
    """Copy the package's model and write its ONNX graphs."""
    from asr.recogniser.model_folder import load_model
    from asr.recogniser.onnx_export import export

    copy = shutil.copytree(bundled_model(), folder / FOLDER, dirs_exist_ok=True)
    return {"graphs": len(export(load_model(copy), copy, int8=True))}


def read_by_torch(_folder: Path) -> dict[str, Fact]:
    """Read the sample greedily."""
    return _read(None, engine="torch")


def read_by_onnx(folder: Path) -> dict[str, Fact]:
    """The same without PyTorch."""
    return _read(folder / FOLDER, engine="onnx")


def read_by_int8(folder: Path) -> dict[str, Fact]:
    """The same with weights of 8 bits."""
    return _read(folder / FOLDER, engine="int8")


def read_by_search(_folder: Path) -> dict[str, Fact]:
    """Read the sample with the language model."""
    return _read(None, engine="torch", lm=True)


def _read(folder: Path | None, *, engine: EngineName, lm: bool = False) -> dict[str, Fact]:
    """Read the package's sample.

    Raises:
        DataError: if another text is found than stands beside the sample.
    """
    text = _text(folder, engine, lm=lm)
    if text != sample()[1]:
        raise DataError(f"reads {text!r} in the package's sample, and not {sample()[1]!r}")
    return {"text": text}


def _text(folder: Path | None, engine: EngineName, *, lm: bool = False) -> str:
    from asr.transcription.transcribe import Transcriber

    transcriber = Transcriber.load(folder, lm=lm, device="cpu", engine=engine)
    return replace(transcriber, min_confidence=0.0).transcribe(sample()[0]).text


def read_model(folder: Path) -> dict[str, Fact]:
    """Read the sample by each engine that is installed and for which the folder has weights.

    Raises:
        DataError: if there is none, or PyTorch and ONNX find different texts.
        AsrError: if the model cannot be loaded.
    """
    files: dict[EngineName, tuple[str, str]] = {
        "torch": ("model.safetensors", "torch"),
        "onnx": (MODEL_FILE, "onnxruntime"),
        "int8": (INT8_FILE, "onnxruntime"),
    }
    engines = [
        name for name, (file, library) in files.items() if (folder / file).is_file() and version_of(library) is not None
    ]
    texts = {name: _text(folder, name) for name in engines or ["auto"]}
    if texts.get("onnx", "") != texts.get("torch", texts.get("onnx", "")):
        raise DataError("model.onnx finds another text than model.safetensors; write it again: asr export")
    return {"engines": [*texts]}
