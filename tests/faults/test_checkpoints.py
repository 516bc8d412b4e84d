"""A damaged checkpoint is found, and the one before it takes its place."""

import io
import random
import shutil
from pathlib import Path

import pytest
import torch
from support.listening import Lines
from support.processes import KILLED, at_call, begin, die, ended, needs_proc
from support.runs import SMALL, same, weights

from asr.errors import ModelError
from asr.progress import SILENT
from asr.training.checkpoint import load_checkpoint, load_newest, save_checkpoint
from asr.training.train import train
from asr.training.trainer import Trainer


@pytest.fixture(scope="module")
def halfway(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in its ninth step."""
    folder = tmp_path_factory.mktemp("halfway")

    def killed():
        at_call(Trainer, "_collect", 9, die)
        train(SMALL, corpus, folder / "run", SILENT)

    assert ended(begin(folder / "log", killed)) == KILLED, (folder / "log").read_text()
    return folder / "run"


def flipped(content: bytes) -> bytes:
    """One bit in the middle is another."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {"truncated": lambda content: content[: len(content) // 2], "flipped": flipped, "empty": lambda content: b""}


@needs_proc
@pytest.mark.parametrize(
    "damage",
    [pytest.param("truncated", marks=pytest.mark.soak), "flipped", pytest.param("empty", marks=pytest.mark.soak)],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(
    halfway: Path, finished: Path, corpus: Path, tmp_path: Path, damage
):
    out = tmp_path / "run"
    shutil.copytree(halfway, out)
    last = out / "checkpoints" / "last.pt"
    last.write_bytes(DAMAGE[damage](last.read_bytes()))
    told = io.StringIO()
    train(SMALL, corpus, out, Lines(told))
    assert f"{last}: not a checkpoint that can be read (" in told.getvalue()
    assert "; going on from the one before it\n" in told.getvalue()
    assert same(weights(finished), weights(out))


@needs_proc
def test_with_two_damaged_checkpoints_there_is_one_clear_error(halfway: Path, corpus: Path, tmp_path: Path):
    out = tmp_path / "run"
    shutil.copytree(halfway, out)
    for name, damage in (("last.pt", "flipped"), ("previous.pt", "empty")):
        path = out / "checkpoints" / name
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(ModelError) as caught:
        train(SMALL, corpus, out, SILENT)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(f"; delete {out / 'checkpoints'} to start over")
    assert "last.pt: not a" in message and "previous.pt: not a" in message


def test_a_damaged_checkpoint_never_replaces_a_good_one(tmp_path: Path):
    for step in (1, 2):
        save_checkpoint(tmp_path / "last.pt", {"step": step})
    (tmp_path / "last.pt").write_bytes(b"")
    assert load_newest(tmp_path, SILENT) == {"step": 1}
    save_checkpoint(tmp_path / "last.pt", {"step": 3})
    assert [load_checkpoint(tmp_path / name)["step"] for name in ("last.pt", "previous.pt")] == [3, 1]


def test_no_flipped_bit_passes_for_a_checkpoint(tmp_path: Path):
    """It changes nothing that is read, or it is found."""
    path, draw = tmp_path / "last.pt", random.Random(0)
    save_checkpoint(path, {"weights": torch.arange(200.0), "step": 7})
    whole, found = path.read_bytes(), 0
    for _ in range(300):
        place, bit = draw.randrange(len(whole)), draw.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            state = load_checkpoint(path)
        except ModelError:
            found += 1
        else:
            assert state["step"] == 7 and torch.equal(state["weights"], torch.arange(200.0))
    assert found > 100
