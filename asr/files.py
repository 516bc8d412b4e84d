"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from asr.errors import AsrError


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
    except OSError as error:
        raise AsrError(f"{path}: cannot be written ({error.strerror}); what was there before is untouched") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
