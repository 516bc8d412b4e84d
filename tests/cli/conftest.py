"""A user's recordings, a model, and the command line."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from support.command_line import Result
from support.tones import RATE, sentence, waveform, write_corpus

from asr import cli
from asr.data.prepare import prepare
from asr.model.shape import AcousticConfig
from asr.training.settings import TrainConfig
from asr.training.train import train


@pytest.fixture
def asr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call a command."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capfd.readouterr()
        return Result(stop.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def refused(asr) -> Callable[..., None]:
    """Call a command that must fail with one clear line."""

    def run(code: int, message: str, *arguments: object) -> None:
        result = asr(*arguments)
        assert result.code == code, (arguments, result.err)
        assert result.err.startswith("asr: ") and result.err.count("\n") == 1, (arguments, result.err)
        assert message in result.err, (arguments, result.err)

    return run


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: recordings and a text file beside each."""
    folder = tmp_path_factory.mktemp("recordings")
    draw = random.Random(0)
    for split, count in (("train", 24), ("dev", 4), ("test", 6)):
        (folder / split).mkdir()
        for number in range(count):
            text = sentence(draw)
            soundfile.write(folder / split / f"{split}-{number}.wav", waveform(text, draw), RATE)
            (folder / split / f"{split}-{number}.txt").write_text(text)
    return folder


@pytest.fixture(scope="session")
def prepared(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings' manifests."""
    return prepare("folder", tmp_path_factory.mktemp("prepared"), source=recordings).folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, hardly trained."""
    folder = tmp_path_factory.mktemp("model")
    config = TrainConfig(acoustic=AcousticConfig(channels=4, layers=1, hidden=8), epochs=1, threads=1, loaders=0)
    return train(config, write_corpus(folder, train=4, dev=2), folder / "run")


@pytest.fixture(scope="session")
def dev(model: Path) -> Path:
    """A manifest of two utterances like those that the model was trained on."""
    return model.parent.parent / "dev.jsonl.gz"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A file that is no recording."""
    path = tmp_path / "noise.wav"
    path.write_bytes(b"not audio at all")
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of text."""
    path = tmp_path / "text.txt"
    path.write_text("a-1 hello\n")
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A manifest that is damaged."""
    path = tmp_path / "cuts.jsonl"
    path.write_text('{"id": "a"\n')
    return path
