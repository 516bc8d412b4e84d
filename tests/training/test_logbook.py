"""A run's records: nothing stands twice after a resumption, and a kill costs one line at most."""

import json
import math
import time

import matplotlib.image
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from asr.training.logbook import Logbook, read_metrics


def write_step(logbook, step):
    logbook.write(
        "step",
        step,
        progress=step / 100,
        loss=3 / step,
        gradient_norm=5.0,
        gradient_norm_output=3.0,
        clip=1.0,
        learning_rate=1e-3,
    )


def write_epoch(logbook, step, epoch, wer=0.5, **changed):
    rates = {"wer": wer, "wer_low": 0.9 * wer, "wer_high": 1.1 * wer, "cer": wer / 3}
    values = {
        "train_loss": 2 / epoch,
        "dev_loss": 2.5 / epoch,
        "best": True,
        "clipped_share": 0.25,
        "dropped_share": 0.1,
    }
    logbook.write("epoch", step, epoch=epoch, skipped=0, **{**rates, **values, **changed})


def steps(folder):
    return [(record["kind"], record["step"]) for record in read_metrics(folder / "metrics.jsonl")]


def test_what_is_written_is_read_back_and_what_is_not_finite_is_null(tmp_path):
    """JSON has no word for NaN or infinity."""
    logbook = Logbook(tmp_path, step=0, epoch=0)
    logbook.write("step", 10, loss=1.5, best=math.inf)
    logbook.write("skipped", 11, utterances=["é", "b"])
    expected = [
        {"kind": "step", "step": 10, "loss": 1.5, "best": None},
        {"kind": "skipped", "step": 11, "utterances": ["é", "b"]},
    ]
    assert logbook.records == expected
    assert read_metrics(tmp_path / "metrics.jsonl") == expected  # before it is closed: a kill loses nothing
    logbook.close()


def test_curves_are_drawn_at_the_first_epoch_once_a_minute_and_at_the_end(tmp_path, monkeypatch):
    drawn, now = [], [1000.0]
    monkeypatch.setattr("asr.training.logbook.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Logbook, "draw", lambda self: drawn.append(len(self.records)))
    logbook = Logbook(tmp_path, step=0, epoch=0)
    for epoch in range(1, 6):
        write_step(logbook, epoch)
        write_epoch(logbook, epoch, epoch)
        now[0] += 25
    logbook.close()
    assert drawn == [2, 8, 10], "after epochs 1 and 4, 75 s later, and when it is closed"


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path):
    first = Logbook(tmp_path, step=0, epoch=0)
    for step in range(10, 60, 10):
        write_step(first, step)
    first.close()
    second = Logbook(tmp_path, step=30, epoch=0)
    assert steps(tmp_path) == [("step", 10), ("step", 20), ("step", 30)]
    write_step(second, 40)
    second.close()
    assert steps(tmp_path) == [("step", 10), ("step", 20), ("step", 30), ("step", 40)]


def test_an_epoch_that_its_checkpoint_had_not_finished_is_written_again(tmp_path):
    """A kill after the epoch's line and before its checkpoint.

    The last checkpoint was taken at the same step.
    """
    first = Logbook(tmp_path, step=0, epoch=0)
    first.write("epoch", 12, epoch=1)
    first.write("epoch", 24, epoch=2)
    first.close()
    Logbook(tmp_path, step=24, epoch=1).close()
    assert [record["epoch"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [1]


def test_tensorboard_shows_each_step_once_too(tmp_path):
    for start, stop in ((0, 50), (30, 60)):
        logbook = Logbook(tmp_path, step=start, epoch=0)
        for step in range(start + 10, stop + 1, 10):
            logbook.write("step", step, loss=float(step + start), names=["not a number"])
        logbook.close()
        time.sleep(1.1)  # event files are read in the order of their names, which tell seconds
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["step/loss"]
    assert [(event.step, event.value) for event in events.Scalars("step/loss")] == [
        (10, 10.0), (20, 20.0), (30, 30.0), (40, 70.0), (50, 80.0), (60, 90.0)
    ]  # fmt: skip


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_last_line_that_a_kill_cut_short_is_left_out(tmp_path, cut):
    logbook = Logbook(tmp_path, step=0, epoch=0)
    write_step(logbook, 10)
    write_step(logbook, 20)
    logbook.close()
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[: -cut - 1])
    assert [record["step"] for record in read_metrics(path)] == [10]
    second = Logbook(tmp_path, step=20, epoch=0)
    write_step(second, 30)
    second.close()
    assert steps(tmp_path) == [("step", 10), ("step", 30)]


def test_a_run_without_metrics_has_no_records(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_every_line_is_an_object_on_its_own(tmp_path):
    logbook = Logbook(tmp_path, step=0, epoch=0)
    logbook.write("skipped", 1, utterances=["two\nlines"])
    logbook.close()
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["utterances"] == ["two\nlines"]


def test_curves_are_a_picture(tmp_path):
    logbook = Logbook(tmp_path, step=0, epoch=0)
    for step in range(10, 310, 10):
        write_step(logbook, step)
        if step % 100 == 0:
            write_epoch(logbook, step, step // 100, wer=50 / step)
    logbook.close()
    picture = matplotlib.image.imread(tmp_path / "curves.png", format="png")
    assert picture.ndim == 3 and min(picture.shape[:2]) > 500
    assert len({tuple(pixel) for pixel in picture[::3, ::3].reshape(-1, picture.shape[2])}) > 20


@pytest.mark.parametrize("kinds", [[], ["step"], ["epoch"], ["skipped"]], ids=str)
def test_too_little_to_draw_is_no_error(tmp_path, kinds):
    """An epoch may end before its tenth step, a run before its first epoch."""
    logbook = Logbook(tmp_path, step=0, epoch=0)
    for kind in kinds:
        if kind == "step":
            write_step(logbook, 10)
        elif kind == "epoch":
            write_epoch(logbook, 3, 1)
        else:
            logbook.write("skipped", 1, utterances=["a"])
    logbook.close()
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("wer", [0.0, 2.5])
def test_curves_of_a_single_epoch_and_of_any_error_rate_are_drawn(tmp_path, wer):
    logbook = Logbook(tmp_path, step=0, epoch=0)
    write_step(logbook, 10)
    write_epoch(logbook, 10, 1, wer=wer)
    logbook.close()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("losses", [(None, 1.0), (1.0, None), (None, None)], ids=str)
@pytest.mark.parametrize("best", [True, False])
def test_curves_are_drawn_with_gaps_where_an_epoch_took_no_step(tmp_path, losses, best):
    logbook = Logbook(tmp_path, step=0, epoch=0)
    for epoch, loss in enumerate(losses, start=1):
        write_step(logbook, 10 * epoch)
        write_epoch(logbook, 10 * epoch, epoch, train_loss=loss, dev_loss=loss, best=best)
    logbook.close()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
