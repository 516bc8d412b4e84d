"""Model folders and training checkpoints on disk. Nothing here executes what it reads: safetensors, JSON, and tensors only.

A model folder holds `model.safetensors`, `config.json`, the tokenizer's file and a `README.md` for people. Every file is
written atomically (`files.atomic`).
"""

import io
import pickle
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from asr.confidence import CONFIDENCE_FILE
from asr.config import read_settings, write_settings
from asr.errors import ModelError
from asr.files import atomic
from asr.recogniser import ACOUSTIC, Recogniser, RecogniserConfig
from asr.tokenizer import load_tokenizer

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def save_model(folder: Path, recogniser: Recogniser, *, readme: str) -> None:
    """Write a model folder; an older model there is replaced file by file, its weights last but for the README."""
    write_settings(folder / CONFIG_FILE, recogniser.config)
    recogniser.tokenizer.save(folder)
    (folder / CONFIDENCE_FILE).unlink(missing_ok=True)  # it was fitted to the older weights
    weights = {name: tensor.contiguous().cpu() for name, tensor in recogniser.state().items()}
    with atomic(folder / WEIGHTS_FILE) as path:
        path.write_bytes(safetensors.torch.save(weights))
    with atomic(folder / "README.md") as path:
        path.write_text(readme, encoding="utf-8")


def load_model(folder: Path, device: torch.device | None = None, *, untaught: bool = False) -> Recogniser:
    """Read a model folder.

    Args:
        folder: where `save_model` wrote it.
        device: where to put it; None is the CPU.
        untaught: accept a model that was only pretrained, and knows no token but the blank.

    Raises:
        ModelError: if the folder is not a model's, or a part is missing, damaged or does not fit the others.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: not a model folder, it has no {name}; training writes one to RUN/best")
    config = read_settings(RecogniserConfig, folder / CONFIG_FILE, remedy="copy the whole model folder again")
    recogniser = Recogniser(config, load_tokenizer(folder))
    try:
        weights = safetensors.torch.load_file(folder / WEIGHTS_FILE)
        if recogniser.tokenizer.size == 1 and len(weights.get(f"{ACOUSTIC}output.bias", ())) > 1:
            raise ModelError(f"{folder}: its tokenizer has lost its tokens; copy the whole model folder again")
        recogniser.load_state(weights)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[-1].strip()  # torch names the tensors last
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: cannot be used ({reason}); copy the whole model folder again"
        ) from None
    if recogniser.tokenizer.size == 1 and not untaught:
        raise ModelError(
            f"{folder}: was only pretrained and cannot transcribe; train it: asr train DATA --init {folder}"
        )
    return recogniser.to(device or torch.device("cpu"))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; only tensors and plain values are accepted.

    Raises:
        ModelError: if it is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{path}: not a checkpoint that can be read ({reason}); delete it to start over") from None
    return state
