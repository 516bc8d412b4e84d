"""Tests use one thread.

Kernels of several threads that wait for one another slow each other down when tests and training
share a machine.
"""

import errno
import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Take nothing that an earlier version of the program kept; matplotlib keeps its fonts."""
    kept = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(Path(kept) / "matplotlib")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def forbidden(monkeypatch):
    """Let nobody open a folder, not even the administrator."""

    def forbid(folder: Path) -> None:
        scandir = os.scandir

        def refuse(path="."):
            if Path(os.fsdecode(path)) == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

    return forbid
