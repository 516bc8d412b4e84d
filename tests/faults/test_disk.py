"""A full disk: the last good checkpoint stays, and the run goes on once there is space."""

import os
import subprocess
from pathlib import Path

import pytest
from support.processes import at_call, begin, ended, needs_proc
from support.runs import SMALL, same, weights

from asr.cli import exit_codes
from asr.progress import SILENT
from asr.training.checkpoint import load_newest
from asr.training.train import train
from asr.training.trainer import Trainer

pytestmark = needs_proc


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fails(corpus: Path, out: Path, log: Path, fill) -> str:
    """Train until nothing can be written from the sixth step on; what is said."""

    def training():
        at_call(Trainer, "_collect", 6, fill)
        with exit_codes():
            train(SMALL, corpus, out, SILENT)

    process = begin(log, training)
    assert ended(process) == 1
    assert load_newest(out / "checkpoints", SILENT)["position"]["step"] == 5
    return log.read_text()


def test_a_full_disk(finished: Path, corpus: Path, tmp_path: Path, small_disk: Path):
    out, ballast = small_disk / "run", small_disk / "ballast"

    def fill():
        with ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    return

    told = fails(corpus, out, tmp_path / "log", fill)
    assert told == (
        f"asr: {out}/checkpoints/last.pt: cannot be written (No space left on device); "
        "what was there before is untouched\n"
    )
    ballast.unlink()
    train(SMALL, corpus, out, SILENT)
    assert same(weights(finished), weights(out))


@pytest.mark.soak
def test_a_limit_on_the_size_of_files(finished: Path, corpus: Path, tmp_path: Path):
    """What a full disk does, for those who may mount nothing."""
    resource = pytest.importorskip("resource")

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))

    told = fails(corpus, tmp_path / "run", tmp_path / "log", fill)
    assert told == (
        f"asr: {tmp_path}/run/checkpoints/last.pt: cannot be written ({os.strerror(27)}); "
        "what was there before is untouched\n"
    )
    train(SMALL, corpus, tmp_path / "run", SILENT)
    assert same(weights(finished), weights(tmp_path / "run"))
