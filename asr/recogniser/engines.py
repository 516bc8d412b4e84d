"""Which library runs a model: PyTorch or onnxruntime."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from asr.errors import ConfigError, MissingExtra
from asr.recogniser.engine import Engine
from asr.recogniser.onnx_runtime import INT8_FILE, MODEL_FILE, OnnxRecogniser, load_onnx
from asr.recogniser.voices import OTHERS_FOLDER, VOICE_FILE, ByVoice, load_voice

EngineName: TypeAlias = Literal["auto", "torch", "onnx", "int8"]
"""What runs a model: PyTorch, or onnxruntime with weights of 32 or of 8 bits."""


def load_engine(folder: Path, name: EngineName = "auto", device: str = "auto") -> Engine:
    """Read a model folder for the engine that is wanted; that of an adapted model holds two.

    Args:
        folder: the model's.
        name: "auto" is ONNX where `asr export` has written it or PyTorch is not installed. A device
            other than the processor asks for PyTorch.
        device: "cpu", "cuda", or "auto", the better one that is there.

    Raises:
        ModelError: if the folder is not a model's, or a part of it cannot be used.
        ConfigError: if there is no such engine or device.
        MissingExtra: if the engine is not installed.
    """
    engine = _load(folder, name, device)
    if not (folder / VOICE_FILE).is_file():
        return engine
    others = _load(folder / OTHERS_FOLDER, name, device)
    return ByVoice(engine, others, load_voice(folder, engine.config.features.num_mels))


def _load(folder: Path, name: EngineName, device: str) -> Engine:
    if name not in get_args(EngineName):
        raise ConfigError(f"engine is {name!r}; it is one of {', '.join(get_args(EngineName))}")
    if name == "auto":
        name = _found(folder, device)
    elif name != "torch" and device not in ("auto", "cpu"):
        raise ConfigError(f"--engine {name} runs on processors; leave out --device {device}")
    if name != "torch":
        return load_onnx(folder, int8=name == "int8")
    if find_spec("torch") is None:
        raise MissingExtra("this engine")
    from asr.recogniser.model_folder import load_model
    from asr.workers import choose_device

    return load_model(folder, choose_device(device))


def beside(engine: Engine, folder: Path) -> Engine:
    """Read a second model folder, by the first one's library where it can be."""
    if isinstance(engine.own if isinstance(engine, ByVoice) else engine, OnnxRecogniser):
        return load_engine(folder)
    return load_engine(folder, "torch", str(engine.device))


def _found(folder: Path, device: str) -> EngineName:
    """The engine that a folder, a device and this installation ask for."""
    has_torch, has_onnx = (find_spec(library) is not None for library in ("torch", "onnxruntime"))
    if device not in ("auto", "cpu") or (has_torch and not has_onnx):
        return "torch"
    if (folder / MODEL_FILE).is_file():
        return "onnx"
    if (folder / INT8_FILE).is_file():
        return "int8"
    return "torch" if has_torch else "onnx"
