"""Training checkpoints on disk: the last one, and the one before it.

Reading one executes nothing: only tensors and plain values are accepted.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from asr.errors import ModelError
from asr.files import atomic
from asr.progress import Progress

LAST = "last.pt"
PREVIOUS = "previous.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically; what was there becomes `previous.pt`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic(path, before=path.with_name(PREVIOUS)) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; only tensors and plain values are accepted.

    Raises:
        ModelError: if it is damaged, by a single bit, or its parts are larger than the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # as PyTorch writes it, where nothing is compressed
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("its parts are larger than the file")
            if damaged := archive.testzip():  # torch.load compares no checksums
                raise ValueError(f"{damaged} has changed since it was written")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file brings up all kinds
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{path}: not a checkpoint that can be read ({reason})") from None
    return state


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint in the folder, damaged or not."""
    return any((folder / name).is_file() for name in (LAST, PREVIOUS))


def load_newest(folder: Path, progress: Progress) -> dict[str, Any]:
    """Read the last checkpoint or, if it is damaged, the one before it, which takes its place.

    A kill between two renames leaves only the one before.

    Args:
        folder: has at least one of them.
        progress: is told of a damaged one.

    Raises:
        ModelError: if none can be read.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    faults = []
    for path in filter(Path.is_file, (last, previous)):
        try:
            state = load_checkpoint(path)
        except ModelError as fault:
            faults.append(fault)
            continue
        if faults:
            progress.say(f"{faults[0]}; going on from the one before it")
        path.replace(last)
        return state
    raise ModelError(f"{' and '.join(map(str, faults))}; delete {folder} to start over")
