"""What minutes of one's own speech bring: adapted and from scratch, and what is forgotten.

    python -m benchmarks.adaptation DATA --model DIR --general GENERAL --out runs/adaptation

DATA and GENERAL are folders of manifests. Each amount of speech is a part of DATA's train; its dev
and test stay as they are. `adaptation.png` in the output folder draws what came of it.
"""

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asr.cli.output import TerminalProgress
from asr.data.cuts import load_cuts, save_cuts
from asr.files import atomic
from asr.model.shape import AcousticConfig
from asr.recogniser.bundled import bundled_model
from asr.scoring.score import Score
from asr.training.adapt import adapt
from asr.training.selection import some
from asr.training.settings import OptimiserConfig, TrainConfig
from asr.training.train import train
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber

SCRATCH = TrainConfig(
    acoustic=AcousticConfig(subsampling=3, layers=3, hidden=256, dropout=0.3, intermediate=(2,)),
    optimiser=OptimiserConfig(weight_decay=0.05),
    epochs=40,
    batch_seconds=24.0,
)


def main() -> None:
    """Adapt, train, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--general", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 15.0, 30.0])
    parser.add_argument("--scratch", action="store_true", help="train from scratch, too")
    options = parser.parse_args()
    model, progress = options.model or bundled_model(), TerminalProgress()
    columns = ("before", "after", "general before", "general after", "of the way", "time")
    table = Table("speech", *columns)
    curves: dict[str, dict[float, Score]] = {"adapted": {}, "from scratch": {}}
    for minutes in options.minutes:
        name, data = f"{minutes:g} min", part(options.data, options.out / f"data-{minutes:g}", minutes)
        began = time.monotonic()
        found = adapt(data, model, options.out / f"adapted-{minutes:g}", general=options.general, progress=progress)
        curves["adapted"] |= {0.0: found.own[0], minutes: found.own[1]}
        general = [shown(score) for score in found.general or ()] or ["", ""]
        spent = f"{time.monotonic() - began:.0f} s"
        table.add_row(f"{name}, adapted", *map(shown, found.own), *general, f"{100 * found.share:.0f} %", spent)
        if options.scratch:
            began = time.monotonic()
            best = train(SCRATCH, data, options.out / f"scratch-{minutes:g}", progress)
            score = evaluate(Transcriber.load(best), load_cuts(data / "test.jsonl.gz")).score
            curves["from scratch"][minutes] = score
            table.add_row(f"{name}, from scratch", "", shown(score), "", "", "", f"{time.monotonic() - began:.0f} s")
    Console(width=160).print(table)
    draw(curves, options.out / "adaptation.png")


def part(data: Path, out: Path, minutes: float) -> Path:
    """Manifests with so much to train on."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("train", "dev", "test"):
        cuts = load_cuts(data / f"{name}.jsonl.gz")
        save_cuts(some(cuts, 60 * minutes) if name == "train" else cuts, out / f"{name}.jsonl.gz")
    return out


def draw(curves: dict[str, dict[float, Score]], path: Path) -> None:
    """Word error rates with their intervals against minutes of one's own speech."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, scores in curves.items():
        if not scores:
            continue
        minutes, rates = zip(*sorted((at, score.wer) for at, score in scores.items()), strict=True)
        values = [100 * rate.value for rate in rates]
        spread = [[100 * (r.value - r.low) for r in rates], [100 * (r.high - r.value) for r in rates]]
        axes.errorbar(minutes, values, yerr=spread, marker="o", capsize=4, label=name)
    axes.set(xlabel="minutes of one's own speech", ylabel="word error rate, %", ylim=(0, None), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def shown(score: Score) -> str:
    """WER in %, with its interval."""
    return f"{100 * score.wer.value:.1f} [{100 * score.wer.low:.1f}, {100 * score.wer.high:.1f}]"


if __name__ == "__main__":
    main()
