"""Audio that disappears or is damaged while a run lasts."""

import dataclasses
import io
from pathlib import Path

import pytest
from support.listening import Lines
from support.runs import PLAIN, same, weights
from support.tones import write_corpus

from asr.errors import DataError
from asr.progress import SILENT
from asr.training.logbook import read_metrics
from asr.training.train import train


class After(Lines):
    """Does something when the first epoch is over."""

    def __init__(self, file, action):
        super().__init__(file)
        self.action = action

    def say(self, line):
        super().say(line)
        if line.startswith("epoch   1/"):
            self.action()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A corpus of one's own."""
    (tmp_path / "data").mkdir()
    return write_corpus(tmp_path / "data", train=12, dev=2)


def spoil(data: Path) -> None:
    (data / "train-03.wav").unlink()
    damaged = data / "train-05.wav"
    damaged.write_bytes(damaged.read_bytes()[:9_000])
    (data / "train-07.wav").write_bytes(b"not audio\n" * 99)


@pytest.mark.parametrize("loaders", [pytest.param(0, marks=pytest.mark.soak), 1])
def test_it_is_named_left_out_and_counted(data: Path, tmp_path: Path, loaders):
    told, config = io.StringIO(), dataclasses.replace(PLAIN, loaders=loaders)
    train(config, data, tmp_path / "run", After(told, lambda: spoil(data)))
    lines = told.getvalue().splitlines()
    for name in ("03", "05", "07"):
        assert (
            sum(line.startswith(f"utterance train-{name}: ") and line.endswith("; it is left out") for line in lines)
            == 2
        )
    assert sum("(3 utterances could not be read)" in line for line in lines) == 2
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [record["unreadable"] for record in records if record["kind"] == "epoch"] == [0, 3, 3]
    assert sum(len(record["utterances"]) for record in records if record["kind"] == "unreadable") == 6


def test_a_step_whose_utterances_are_all_gone_is_not_taken(data: Path, tmp_path: Path):
    gone = [data / f"train-{number:02d}.wav" for number in range(12)]
    told, config = io.StringIO(), dataclasses.replace(PLAIN, unreadable=12)
    train(config, data, tmp_path / "run", After(told, lambda: [path.unlink() for path in gone]))
    assert sum("no step was taken" in line for line in told.getvalue().splitlines()) == 2


def test_too_many_are_an_error_and_once_they_are_back_the_run_goes_on(data: Path, tmp_path: Path):
    config, out = dataclasses.replace(PLAIN, unreadable=2), tmp_path / "run"
    with pytest.raises(DataError) as caught:
        train(config, data, out, After(io.StringIO(), lambda: spoil(data)))
    message = str(caught.value)
    assert message.startswith("3 utterances of this epoch cannot be read, the last: utterance train-0")
    assert "bring them back and repeat the command" in message and "\n" not in message
    write_corpus(data, train=12, dev=2)
    train(dataclasses.replace(config, unreadable=0), data, out, SILENT)  # the limit may change on the way


def test_dev_must_not_change(data: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"utterance dev-01: its audio cannot be read .*; prepare the corpus again"):
        train(PLAIN, data, tmp_path / "run", After(io.StringIO(), (data / "dev-01.wav").unlink))
    write_corpus(data, train=12, dev=2)
    train(PLAIN, data, tmp_path / "undisturbed", SILENT)
    train(PLAIN, data, tmp_path / "run", SILENT)
    assert same(weights(tmp_path / "undisturbed"), weights(tmp_path / "run"))
