"""SIGTERM and Ctrl-C: a checkpoint, one line, the signal's exit code; and it goes on."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest
from support.processes import at_call, begin, ended, needs_proc
from support.runs import SMALL, same, weights

from asr.cli import INTERRUPTED, exit_codes
from asr.progress import SILENT
from asr.recogniser.recogniser import Recogniser
from asr.training.checkpoint import load_newest
from asr.training.stop import Stop
from asr.training.train import train
from asr.training.trainer import Trainer

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@needs_proc
@pytest.mark.parametrize(
    ("number", "during"),
    [
        (signal.SIGTERM, "a step"),
        (signal.SIGINT, "evaluation"),
        pytest.param(signal.SIGINT, "a step", marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, "evaluation", marks=pytest.mark.soak),
    ],
)
def test_a_stopped_run_loses_nothing(finished: Path, corpus: Path, tmp_path: Path, number, during):
    """The signal reaches workers and loaders too, as a terminal's or a cluster's does."""
    out, log = tmp_path / "run", tmp_path / "log"

    def stopped():
        point = (Trainer, "_backpropagate", 4) if during == "a step" else (Recogniser, "emissions", 1)
        at_call(*point, lambda: (os.killpg(0, number), time.sleep(0.1)))
        with exit_codes():
            train(dataclasses.replace(SMALL, checkpoint_every=1e9), corpus, out, SILENT)

    process = begin(log, stopped)
    assert (ended(process), log.read_text()) == (CODES[number], f"{INTERRUPTED}\n")
    position = load_newest(out / "checkpoints", SILENT)["position"]
    assert (position["step"] == 4) if during == "a step" else (position["step"] > 4 and position["epoch"] == 0)
    train(SMALL, corpus, out, SILENT)
    assert same(weights(finished), weights(out))


@needs_proc
def test_a_second_signal_does_not_wait(corpus: Path, tmp_path: Path):
    def stopped():
        at_call(
            Trainer, "_collect", 3, lambda: (os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGINT))
        )
        with exit_codes():
            train(SMALL, corpus, tmp_path / "run", SILENT)

    process = begin(tmp_path / "log", stopped)
    assert (ended(process), (tmp_path / "log").read_text()) == (130, f"{INTERRUPTED}\n")
    assert load_newest(tmp_path / "run" / "checkpoints", SILENT)["position"]["step"] == 2


def test_signals_that_somebody_handles_are_left_alone():
    def mine(*_):
        heard.append(True)

    heard: list[bool] = []
    before = signal.signal(signal.SIGTERM, mine)
    try:
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            stop.heed()
        assert heard and signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_nobody_heeded_ends_the_block():
    with pytest.raises(KeyboardInterrupt) as caught, Stop():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.args == (signal.SIGTERM,)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
