"""A worker or a loader that the system kills ends the run with one line; it goes on."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from support.processes import at_call, begin, ended, needs_proc
from support.runs import SMALL, same, weights

from asr.cli import exit_codes
from asr.progress import SILENT
from asr.training.train import train
from asr.training.trainer import Trainer


@needs_proc
@pytest.mark.parametrize("who", ["worker", "loader"])
def test_a_killed_child_is_one_line_and_the_run_goes_on(finished: Path, corpus: Path, tmp_path: Path, who):
    out, log = tmp_path / "run", tmp_path / "log"

    def kill():
        first, *others = sorted(multiprocessing.active_children(), key=lambda child: child.pid)
        os.kill(first.pid if who == "worker" else others[-1].pid, signal.SIGKILL)

    def disturbed():
        at_call(Trainer, "_collect", 2, kill)
        with exit_codes():
            train(SMALL, corpus, out, SILENT)

    process = begin(log, disturbed)
    code, told = ended(process), log.read_text()
    assert code == 1 and told.startswith(f"asr: a {who} process died") and told.count("\n") == 1
    train(SMALL, corpus, out, SILENT)
    assert same(weights(finished), weights(out))
