"""A run is a function of its settings and data; and how it ends.

What disturbs it is in `tests/faults`.
"""

import dataclasses
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.listening import Lines
from support.runs import PLAIN, SMALL, same, trainer, weights
from support.tones import RATE, write_corpus, write_cut

from asr.data.cuts import load_cuts, save_cuts
from asr.errors import AsrError, ConfigError, TrainingError
from asr.progress import SILENT
from asr.text.tokenizer import TokenizerConfig
from asr.training.logbook import read_metrics
from asr.training.run import run
from asr.training.settings import OptimiserConfig
from asr.training.train import WordErrorGoal, train


def test_the_same_call_gives_the_same_weights_and_another_seed_others(finished: Path, corpus: Path, tmp_path: Path):
    train(SMALL, corpus, tmp_path / "again", SILENT)
    assert same(weights(finished), weights(tmp_path / "again"))
    train(dataclasses.replace(SMALL, seed=1), corpus, tmp_path / "other", SILENT)
    assert not same(weights(finished), weights(tmp_path / "other"))


def test_a_finished_run_is_not_trained_again(finished: Path, corpus: Path):
    before = weights(finished)
    assert train(SMALL, corpus, finished, SILENT) == finished / "best"
    assert same(before, weights(finished))


def test_a_run_leaves_metrics_curves_and_a_described_model(finished: Path):
    epochs = [record for record in read_metrics(finished / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert all(0 < record["dropped_share"] < 0.5 for record in epochs)
    assert (finished / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert list((finished / "tensorboard").glob("events*"))
    assert "dev WER" in (finished / "best" / "README.md").read_text()
    assert weights(finished)["best.features.mean"].max() < -1, "no statistics were taken, or lost"


def test_a_first_attempt_that_failed_does_not_bind_the_run_folder(corpus: Path, tmp_path: Path):
    short = dataclasses.replace(SMALL, epochs=1)
    with pytest.raises(ConfigError, match=r"tokenizer\.size 500 does not fit"):
        train(dataclasses.replace(short, tokenizer=TokenizerConfig("sentencepiece", 500)), corpus, tmp_path, SILENT)
    assert train(short, corpus, tmp_path, SILENT) == tmp_path / "best"


def test_two_processes_do_not_train_into_one_folder(corpus: Path, tmp_path: Path):
    holder = "import pathlib, sys, asr.files\nwith asr.files.locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    command = [sys.executable, "-c", holder, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(AsrError, match="another process is at work there"):
            train(SMALL, corpus, tmp_path, SILENT)
        process.kill()


def test_other_settings_or_data_are_refused_and_named(finished: Path, corpus: Path, tmp_path: Path):
    other = dataclasses.replace(SMALL, optimiser=OptimiserConfig(learning_rate=1e-4))
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate was 0\.002, is 0\.0001"):
        train(other, corpus, finished, SILENT)
    with pytest.raises(ConfigError, match="hold other utterances"):
        train(SMALL, write_corpus(tmp_path, train=5, dev=2), finished, SILENT)


def test_a_run_that_goes_on_with_other_workers_says_so(finished: Path, corpus: Path, tmp_path: Path):
    """Its sums are rounded in another order."""
    out = tmp_path / "moved"
    shutil.copytree(finished, out)
    settings = json.loads((out / "config.json").read_text())
    assert settings["workers"] == 2
    (out / "config.json").write_text(json.dumps({**settings, "workers": 7}))
    for _ in range(2):  # and the run's own number stays on record
        heard = io.StringIO()
        train(SMALL, corpus, out, Lines(heard))
        assert "was begun by 7 workers and goes on with 2" in heard.getvalue()
    heard = io.StringIO()
    train(SMALL, corpus, finished, Lines(heard))
    assert "workers" not in heard.getvalue()


def test_too_many_failures_in_a_row_stop_the_run_and_name_the_utterances(tmp_path: Path, corpus: Path):
    spoilt = np.full(RATE, np.nan, dtype=np.float32)
    cuts = [write_cut(tmp_path, f"bad-{n}", "abc", spoilt, subtype="FLOAT") for n in range(6)]
    save_cuts(cuts, tmp_path / "train.jsonl.gz")
    (tmp_path / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    config = dataclasses.replace(PLAIN, failures=2, batch_seconds=2.0)
    with pytest.raises(TrainingError, match=r"2 steps in a row .* bad-\d"):
        train(config, tmp_path, tmp_path / "run", SILENT)
    skipped = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "skipped"]
    assert len(skipped) == 2
    assert skipped[0]["utterances"][0].startswith("bad-")


def test_training_stops_early_when_the_dev_error_no_longer_falls(corpus: Path, finished: Path, tmp_path: Path):
    """Beginning with weights that decode something: epochs before that do not count."""
    optimiser = OptimiserConfig(learning_rate=1e-9)
    config = dataclasses.replace(SMALL, epochs=9, patience=2, optimiser=optimiser, init=str(finished / "best"))
    train(config, corpus, tmp_path, SILENT)
    epochs = [record for record in read_metrics(tmp_path / "metrics.jsonl") if record["kind"] == "epoch"]
    assert len(epochs) == 3


def test_gradients_that_float16_cannot_hold_at_any_scale_stop_a_run(corpus: Path, tmp_path: Path, monkeypatch):
    """A scaler on a CPU stands in for CUDA's; every gradient is NaN."""
    config = dataclasses.replace(PLAIN, failures=3, threads=1, epochs=30)
    subject = trainer(config)
    subject.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    objective = subject.objective

    class Spoilt:
        module = objective.module

        def views(self, progress):
            return 1

        def __call__(self, *arguments):
            loss = objective(*arguments)
            return dataclasses.replace(loss, objective=loss.objective * math.nan)

    subject.objective = Spoilt()
    train_cuts, dev_cuts = (load_cuts(corpus / f"{split}.jsonl.gz") for split in ("train", "dev"))
    goal = WordErrorGoal(subject, config, dev_cuts, SILENT)
    with pytest.raises(TrainingError, match="3 steps in a row had a loss or gradient that is not finite"):
        run(subject, goal, train_cuts, dev_cuts, tmp_path, SILENT)
    assert subject.position.step == 2 + 3, "two steps to lower the scale to 1, three failures"


def spoilt_corpus(folder: Path, corpus: Path) -> Path:
    """Every training recording holds nothing but NaN."""
    spoilt = np.full(RATE, np.nan, dtype=np.float32)
    save_cuts([write_cut(folder, "bad", "abc", spoilt, subtype="FLOAT")], folder / "train.jsonl.gz")
    (folder / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    return folder


def test_an_epoch_that_took_no_step_says_so(tmp_path: Path, corpus: Path):
    told = io.StringIO()
    train(dataclasses.replace(PLAIN, epochs=2), spoilt_corpus(tmp_path, corpus), tmp_path / "run", Lines(told))
    lines = [line for line in told.getvalue().splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    assert all("no step was taken" in line and "loss 0.000" not in line for line in lines)
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert "NaN" not in text
    epochs = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["train_loss"] for record in epochs] == [None, None]
