"""Model folders and training checkpoints on disk. Nothing here executes what it reads: safetensors, JSON, and tensors only.

A model folder holds `model.safetensors`, `config.json`, the tokenizer's file and a `README.md` for people. Every file appears whole or
not at all: it is written under a temporary name, synced, and renamed.
"""

import contextlib
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from asr.config import from_dict, to_dict
from asr.errors import AsrError, ConfigError, ModelError
from asr.recogniser import Recogniser, RecogniserConfig
from asr.tokenizer import load_tokenizer

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there replaces `path` at the end, and vanishes after an error.

    Raises:
        AsrError: if it cannot be written (a full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise AsrError(f"{path}: cannot be written ({reason}); what was there before is untouched") from None
    finally:
        temporary.unlink(missing_ok=True)


def save_model(folder: Path, recogniser: Recogniser, *, readme: str) -> None:
    """Write a model folder; an older model there is replaced file by file, its weights last but for the README."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / CONFIG_FILE) as path:
        path.write_text(json.dumps(to_dict(recogniser.config), indent=2) + "\n", encoding="utf-8")
    recogniser.tokenizer.save(folder)
    weights = {name: tensor.contiguous().cpu() for name, tensor in recogniser.acoustic.state_dict().items()}
    with atomic(folder / WEIGHTS_FILE) as path:
        safetensors.torch.save_file(weights, path)
    with atomic(folder / "README.md") as path:
        path.write_text(readme, encoding="utf-8")


def load_model(folder: Path, device: torch.device | None = None) -> Recogniser:
    """Read a model folder.

    Raises:
        ModelError: if the folder is not a model's, or a part is missing, damaged or does not fit the others.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: not a model folder, it has no {name}; training writes one to RUN/best")
    try:
        values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        config = from_dict(RecogniserConfig, values, where=str(folder / CONFIG_FILE))
    except (OSError, ValueError, ConfigError) as error:
        raise ModelError(
            f"{folder / CONFIG_FILE}: cannot be used ({error}); copy the whole model folder again"
        ) from None
    recogniser = Recogniser(config, load_tokenizer(folder))
    try:
        recogniser.acoustic.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS_FILE))
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: cannot be used ({reason}); copy the whole model folder again"
        ) from None
    return recogniser.to(device or torch.device("cpu"))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


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
