"""A corpus of tones, and a run on it that nothing disturbed, for the tests of a folder."""

from pathlib import Path

import pytest
from support.runs import SMALL
from support.tones import write_corpus

from asr.progress import SILENT
from asr.training.train import train


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=18, dev=4)


@pytest.fixture(scope="session")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished")
    train(SMALL, corpus, out, SILENT)
    return out
