"""A run that is killed, whenever, goes on with the same call and ends with the same weights."""

import dataclasses
import os
import random
import sys
import time
from pathlib import Path

import pytest
from support.listening import Lines
from support.processes import KILLED, at_call, begin, die, ended, gone, needs_proc
from support.runs import SMALL, same, weights

from asr.progress import SILENT
from asr.training.checkpoint import LAST, load_newest
from asr.training.logbook import read_metrics
from asr.training.train import train
from asr.training.trainer import Trainer

pytestmark = needs_proc


def training(corpus: Path, out: Path, config=SMALL) -> None:
    train(config, corpus, out, Lines(sys.stderr))


def epochs(run: Path) -> list[tuple[int, float]]:
    records = read_metrics(run / "metrics.jsonl")
    return [(record["step"], record["wer"]) for record in records if record["kind"] == "epoch"]


def interrupted(corpus: Path, out: Path, draw: random.Random) -> bool:
    """Train, and be killed in the start or some checkpoints later; whether it lived until then."""
    checkpoint, seen, wanted = out / "checkpoints" / LAST, set(), draw.choice([0, 1, 1, 2, 3, 4])
    process = begin(out.with_suffix(".log"), training, corpus, out)
    deadline = time.monotonic() + 120
    while len(seen) < wanted and process.is_alive() and time.monotonic() < deadline:
        found = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        seen |= {found} - {0}
        time.sleep(0.001)
    process.join(draw.uniform(0.0, 0.1 if wanted else 1.5))
    process.kill()
    process.join()
    assert gone(process.pid)
    return process.exitcode != 0


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_a_run_killed_at_random_ends_with_the_same_weights(finished: Path, corpus: Path, tmp_path: Path, kills: int):
    """SIGKILL at random instants: inside start-ups, steps, evaluations and writes alike."""
    draw, done, runs = random.Random(kills), 0, 0
    while done < kills:
        runs += 1
        out = tmp_path / f"run-{runs}"
        while done < kills and interrupted(corpus, out, draw):
            done += 1
        process = begin(out.with_suffix(".log"), training, corpus, out)
        code, told = ended(process), out.with_suffix(".log").read_text()
        assert code == 0, (code, told)
        assert same(weights(finished), weights(out))
        assert epochs(out) == epochs(finished)
        assert "Traceback" not in told
    print(f"{done} kills in {runs} runs")


@pytest.mark.parametrize(
    ("point", "precision"),
    [
        ("between two renames", "float32"),
        *(
            pytest.param(point, precision, marks=pytest.mark.soak)
            for point, precision in [
                ("half written", "float32"),
                ("before it is synced", "float32"),
                ("after them", "float32"),
                ("between two renames", "bfloat16"),
            ]
        ),
    ],
)
def test_a_kill_inside_a_write_loses_at_most_that_write(finished: Path, corpus: Path, tmp_path: Path, point, precision):
    """Under autocast on a CPU, too."""
    config, reference, out = dataclasses.replace(SMALL, precision=precision), finished, tmp_path / "run"
    if precision != "float32":
        reference = tmp_path / "undisturbed"
        train(config, corpus, reference, SILENT)
    write, replace = Path.write_bytes, Path.replace

    def half(path, content):
        write(path, content[: len(content) // 2])
        die()

    def renamed(path, target):
        if path.name == LAST and point == "between two renames":
            replace(path, target)
            die()
        replace(path, target)
        if target.name == LAST and point == "after them":
            die()

    def trained():
        def arm():  # in the sixth step
            if point == "half written":
                Path.write_bytes = half
            elif point == "before it is synced":
                os.fsync = die
            else:
                Path.replace = renamed

        at_call(Trainer, "_collect", 6, arm)
        train(config, corpus, out, SILENT)

    assert ended(begin(tmp_path / "log", trained)) == KILLED, (tmp_path / "log").read_text()
    step = 6 if point == "after them" else 5
    assert load_newest(out / "checkpoints", SILENT)["position"]["step"] == step
    train(config, corpus, out, SILENT)
    assert same(weights(reference), weights(out))
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["last.pt", "previous.pt"]
