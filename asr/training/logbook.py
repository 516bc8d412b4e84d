"""What a run writes down: `metrics.jsonl`, TensorBoard events and a picture of the curves."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from asr.config import parse_json
from asr.files import atomic
from asr.units import Seconds

DRAW_EVERY: Seconds = 60.0
"""Time between two pictures of a run that goes on; one takes seconds."""


class Logbook:
    """One run's records, a line an epoch and a line every few steps.

    A resumed run goes on from its checkpoint. Lines of later steps and epochs are dropped, so that
    none stands twice.

    Args:
        folder: the run's.
        step: of the checkpoint that the run goes on from; 0 for a new run.
        epoch: how many epochs that checkpoint had finished. Its last step may belong to an
            unfinished one.
    """

    def __init__(self, folder: Path, *, step: int, epoch: int) -> None:
        self.folder = folder
        self.path = folder / "metrics.jsonl"
        self.records = [
            record for record in read_metrics(self.path) if record["step"] <= step and record.get("epoch", 0) <= epoch
        ]
        with atomic(self.path) as path:
            path.write_text("".join(json.dumps(record) + "\n" for record in self.records), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._drawn = -DRAW_EVERY

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Write a line; its numbers also go to TensorBoard under `kind/name`.

        A number that is not finite becomes null. An epoch's line brings `curves.png` up to date, at
        most once a minute.
        """
        values = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
        record = {"kind": kind, "step": step, **values}
        self.records.append(record)
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{name}", value, step)
        if kind == "epoch" and time.monotonic() - self._drawn >= DRAW_EVERY:
            self.draw()
            self._drawn = time.monotonic()

    def __enter__(self) -> "Logbook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Flush and close, and draw the curves."""
        self._file.close()
        self._board.close()
        self.draw()

    def draw(self) -> None:
        """Draw `curves.png`: losses, error rate, gradient norm and learning rate against epochs.

        A recogniser has a word error rate.
        """
        import matplotlib.figure

        steps = [record for record in self.records if record["kind"] == "step"]
        epochs = [record for record in self.records if record["kind"] == "epoch"]
        if not (steps and epochs):
            return
        figure = matplotlib.figure.Figure(figsize=(11, 7), layout="constrained")
        losses, errors, norms, rates = figure.subplots(2, 2).flat
        progress = _column(steps, "progress")
        ends = _column(epochs, "epoch")
        losses.plot(progress, _column(steps, "loss"), color="tab:blue", alpha=0.25, linewidth=0.8)
        losses.plot(ends, _column(epochs, "train_loss"), color="tab:blue", label="train (augmented)")
        losses.plot(ends, _column(epochs, "dev_loss"), color="tab:orange", label="dev")
        recognises = "wer" in epochs[-1]
        best = [record for record in epochs if record["best"]][-1:]
        if recognises:
            losses.set(title="CTC loss per token", ylabel="nats", yscale="log")
        else:
            losses.set(title="forecasts", ylabel="mean absolute error, in deviations")
        losses.legend()
        if recognises:
            _draw_errors(errors, epochs, best)
        else:
            errors.plot(ends, _column(epochs, "dev_loss"), color="tab:orange")
            errors.plot(_column(best, "epoch"), _column(best, "dev_loss"), "o", color="tab:orange")
            errors.set(title="".join(f"dev, best {one['dev_loss']:.4f} after epoch {one['epoch']}" for one in best))
        for number, name in enumerate(name for name in steps[-1] if name.startswith("gradient_norm_")):
            values, label = _column(steps, name), name.removeprefix("gradient_norm_").replace("_", " ")
            norms.plot(progress, values, color=f"C{number}", linewidth=0.7, alpha=0.6, label=label)
        norms.plot(progress, _column(steps, "gradient_norm"), color="black", linewidth=1, label="all")
        norms.axhline(steps[-1]["clip"], color="black", linestyle="--", linewidth=0.8, label="clipped above")
        clipped = _column(epochs, "clipped_share").mean()
        norms.set(title=f"gradient norm before clipping ({100 * clipped:.0f} % of steps clipped)", yscale="log")
        norms.legend(fontsize=7, ncols=2)
        rates.plot(progress, 1e3 * _column(steps, "learning_rate"), color="tab:red")
        rates.set_ylabel("learning rate / 0.001", color="tab:red")
        rates.set(title="learning rate")
        if recognises:
            shares = rates.twinx()
            shares.plot(ends, 100 * _column(epochs, "dropped_share"), color="tab:gray")
            shares.set_ylabel("gradient beyond a segment, %", color="tab:gray")
            shares.set_ylim(bottom=0)
            rates.set(title="learning rate, and what truncation drops")
        figure.suptitle(self.folder.name)
        for axes in (losses, errors, norms, rates):
            axes.set_xlabel("epoch")
            axes.grid(alpha=0.3)
        with atomic(self.folder / "curves.png") as path:
            figure.savefig(path, format="png", dpi=110)


class Unwritten:
    """The logbook of a rank that does not write."""

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Write nothing."""

    def __enter__(self) -> "Unwritten":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _draw_errors(axes: Any, epochs: Sequence[dict[str, Any]], best: Sequence[dict[str, Any]]) -> None:
    """WER and CER on dev; `best` holds the best epoch, if there is one."""
    ends = _column(epochs, "epoch")
    axes.plot(ends, 100 * _column(epochs, "wer"), color="tab:orange", label="dev WER")
    low, high = (100 * _column(epochs, name) for name in ("wer_low", "wer_high"))
    axes.fill_between(ends, low, high, color="tab:orange", alpha=0.2, label="95 % interval")
    axes.plot(ends, 100 * _column(epochs, "cer"), color="tab:green", label="dev CER")
    axes.plot(_column(best, "epoch"), 100 * _column(best, "wer"), "o", color="tab:orange")
    title = "".join(f"dev WER, best {100 * one['wer']:.2f} % after epoch {one['epoch']}" for one in best)
    axes.set(title=title, ylabel="%", ylim=(0, 105))
    axes.legend()


def _column(records: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """One number of each record; null is NaN and leaves a gap.

    The loss of an epoch that took no step is null.
    """
    return np.array([record[name] for record in records], dtype=np.float64)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a run's `metrics.jsonl`; no file, no records.

    A line that a kill cut short is left out, and what comes after it.
    """
    if not path.is_file():
        return []
    records = []
    for line in path.read_bytes().splitlines():
        try:
            record = parse_json(line)
        except ValueError:
            break
        if not (
            isinstance(record, dict) and isinstance(record.get("step"), int) and isinstance(record.get("epoch", 0), int)
        ):
            break
        records.append(record)
    return records
