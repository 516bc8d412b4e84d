"""No process of a run outlives it, whenever and however it is killed."""

import os
import time
from pathlib import Path

import pytest
import torch
from support.processes import KILLED, at_call, begin, die, ended, members, needs_proc
from support.runs import SMALL

from asr import child
from asr.audio.log_mel import LogMel
from asr.checkup.sandbox import Sandbox
from asr.child import Child, send
from asr.progress import SILENT
from asr.recogniser.recogniser import Recogniser
from asr.training import run
from asr.training.train import train
from asr.training.trainer import Trainer
from asr.workers import Workers

pytestmark = needs_proc

POINTS = {
    "start-up": (run, "claim", 1),
    "statistics": (LogMel, "forward", 1),
    "first step": (Trainer, "_collect", 1),
    "middle of a step": (Trainer, "_shard_gradient", 6),
    "checkpoint": (os, "fsync", 8),
    "evaluation": (Recogniser, "emissions", 1),
}
"""When the training process is killed: at so manieth call of what."""


def killed_at(point, corpus: Path, out: Path) -> None:
    """Train, and die at a point. Forked workers go on there."""

    def wait_and_die():
        time.sleep(0.3)  # the loader is ahead by now, and waits for somebody to take its batches
        die()

    at_call(*POINTS[point], wait_and_die)
    train(SMALL, corpus, out, SILENT)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_training_leaves_nobody_behind(corpus: Path, tmp_path: Path, point):
    assert ended(begin(tmp_path / "log", killed_at, point, corpus, tmp_path / "run")) == KILLED


@pytest.mark.parametrize("missing", ["_die_with_parent", "_watch_parent"])
def test_one_way_of_noticing_is_enough(corpus: Path, tmp_path: Path, monkeypatch, missing):
    """Where there is no Linux, or where a thread has forked."""
    monkeypatch.setattr(child, missing, lambda: None)
    assert ended(begin(tmp_path / "log", killed_at, "first step", corpus, tmp_path / "run")) == KILLED


def hold(pipe) -> None:
    """Keep the pipe full: nobody reads it."""
    while True:
        send(pipe, bytes(1_000_000))


def test_siblings_hold_no_pipe_and_one_may_be_ended_early(tmp_path: Path):
    def parent():
        first = Workers(lambda worker, share: os.getpid(), torch.device("cpu"), 2)
        children = [Child(hold) for _ in range(3)]
        children[1].end()
        assert len(members(os.getpid())) == 1 + 1 + 2
        first.close()
        assert len(members(os.getpid())) == 1 + 2
        Child(hold)  # nobody refers to it
        assert len(members(os.getpid())) == 1 + 2
        children[0].receive()
        die()

    process = begin(tmp_path / "log", parent)
    assert ended(process) == KILLED, (tmp_path / "log").read_text()


def test_children_end_with_a_program_that_forgets_them(tmp_path: Path):
    def parent():
        kept.extend(Child(hold) for _ in range(2))

    kept: list[Child] = []
    process = begin(tmp_path / "log", parent)
    assert ended(process) == 0


def test_a_sandbox_ends_with_its_program_whatever_it_does(tmp_path: Path):
    def parent():
        sandbox = Sandbox()
        sandbox.call(os.getpid, limit=60.0)  # it has begun
        sandbox._pipe.send((time.sleep, (600,)))
        die()

    assert ended(begin(tmp_path / "log", parent)) == KILLED, (tmp_path / "log").read_text()


def test_a_child_of_a_thread_lives_on_when_the_thread_ends(tmp_path: Path):
    """Linux kills a child with the thread that forked it, which is not what is wanted."""
    from threading import Thread

    def parent():
        workers = []
        thread = Thread(target=lambda: workers.append(Workers(lambda w, share: share, torch.device("cpu"), 2)))
        thread.start()
        thread.join()
        time.sleep(0.2)
        assert workers[0].run([1, 2]) == [1, 2]
        die()

    assert ended(begin(tmp_path / "log", parent)) == KILLED, (tmp_path / "log").read_text()
