"""Memory that does not suffice: the longest utterance is named, with what helps."""

import dataclasses
import io
from itertools import count
from pathlib import Path

import pytest
import torch
from support.listening import Lines
from support.runs import SMALL, batch

from asr.errors import TrainingError
from asr.files import locked
from asr.progress import SILENT
from asr.recogniser.recogniser import Recogniser
from asr.training.settings import BpttConfig
from asr.training.shortage import lacks_memory, shortage
from asr.training.train import train
from asr.training.trainer import Trainer


def exhaust(*_):
    torch.empty(2**46)  # more than there are addresses: PyTorch itself fails


def python(*_):
    raise MemoryError


def cuda(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("kind", [exhaust, python, cuda])
def test_a_step_without_memory_names_its_longest_utterance(corpus: Path, tmp_path: Path, monkeypatch, kind):
    """In any of the workers. With recomputation the same run goes on, to other last bits."""
    gradient, calls = Trainer._shard_gradient, count()

    def short(*arguments):
        return gradient(*arguments) if next(calls) < 4 else kind()  # each worker counts its own

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_shard_gradient", short)
        with pytest.raises(TrainingError) as caught:
            train(SMALL, corpus, tmp_path, SILENT)
    message = str(caught.value)
    assert message.startswith("cpu has too little memory for a step; its longest utterance is train-")
    assert message.endswith("lower --batch-seconds (it is 4), or go on with --bptt.recompute always")
    with locked(tmp_path):
        pass
    if kind is exhaust:
        told = io.StringIO()
        recompute = dataclasses.replace(SMALL.bptt, recompute="always")
        train(dataclasses.replace(SMALL, bptt=recompute), corpus, tmp_path, Lines(told))
        assert "goes on with --bptt.recompute always: its weights may differ in their last bits from" in told.getvalue()
        assert "; going on from epoch " in told.getvalue()


def test_evaluation_without_memory_is_an_error_too(corpus: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Recogniser, "emissions", exhaust)
    with pytest.raises(TrainingError, match="cpu has too little memory, not in a step; free some"):
        train(dataclasses.replace(SMALL, epochs=1), corpus, tmp_path, SILENT)


@pytest.mark.parametrize(
    ("texts", "bptt", "remedy"),
    [
        (["a", "abc"], BpttConfig(), "lower --batch-seconds (it is 4), or go on with --bptt.recompute always"),
        (["abc"], BpttConfig(), "go on with --bptt.recompute always"),
        (["abc"], BpttConfig("full"), "take --bptt.mode truncated"),
        (["abc"], BpttConfig(recompute="always"), "leave that utterance out, or prepare it in pieces"),
    ],
)
def test_the_remedy_is_one_that_helps(texts, bptt, remedy):
    group = [batch(texts)]
    error = shortage(dataclasses.replace(SMALL, bptt=bptt), torch.device("cpu"), group)
    assert f"longest utterance is utterance-{len(texts) - 1} with" in str(error) and str(error).endswith(remedy)


def test_other_errors_are_not_taken_for_it():
    assert not lacks_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not lacks_memory(ValueError("not enough memory"))
