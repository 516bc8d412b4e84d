"""Training checkpoints on disk.

Reading one executes nothing: only tensors and plain values are accepted.
"""

import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from asr.errors import ModelError
from asr.files import atomic


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; only tensors and plain values are accepted.

    Raises:
        ModelError: if it is damaged, or its parts are larger than the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # as PyTorch writes it, where nothing is compressed
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("its parts are larger than the file")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{path}: not a checkpoint that can be read ({reason}); delete it to start over") from None
    return state
