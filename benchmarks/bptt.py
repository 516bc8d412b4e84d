"""Peak memory and time of a training step against the length of an utterance.

    python -m benchmarks.bptt --source corpora/an4
    python -m benchmarks.bptt --lengths 1200 --modes full recomputed --short 0 --longest 0

Compares full, truncated, recomputed and chunked BPTT; the default recomputes where a batch has no
more utterances than each has segments, and so in all of this. Utterances of a corpus are joined to
one of 10 seconds, ..., 20 minutes. A step is the forward pass of a 3 x 320 model, CTC and the
backward pass. It runs in a process of its own, on one thread, and the modes take turns. Its memory
is what the process grows by: weights and features are not counted.

A table before has four utterances of 30 seconds, whose steps are taken in turn in one process. A
last line has one step on 60 minutes, recomputed. There CTC's paths stay within a minute of an even
pace.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel
from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import load_cuts
from asr.data.prepare import prepare
from asr.files import atomic
from asr.model.acoustic import AcousticModel
from asr.model.ctc import ctc_loss
from asr.model.reading import Bptt, Chunked, Full, Truncated
from asr.model.shape import AcousticConfig, Cell
from asr.recogniser.config import RecogniserConfig
from asr.text.tokenizer import Tokenizer, TokenizerConfig, train_tokenizer
from asr.units import Seconds
from benchmarks.measure import peak_kilobytes

MODES: dict[str, Bptt] = {  # segments of 2 s; chunks of 0.64 s with 0.32 s of lookahead
    "full": Full(),
    "truncated": Truncated(50, "never"),
    "recomputed": Truncated(50),  # by itself
    "chunked": Chunked(16, 8),
}
CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
WARM_UP = 500  # input frames
BAND: Seconds = 60.0
FOUR: Seconds = 30.0


@dataclass(frozen=True)
class Arguments:
    """Options of the benchmark."""

    source: Path | None = None
    """The corpus's folder; without it, it is downloaded."""
    corpus: str = "an4"
    """Whose utterances are joined."""
    lengths: tuple[Seconds, ...] = (10, 60, 300, 1200)
    """Of the joined utterances."""
    modes: tuple[str, ...] = tuple(MODES)
    """Some of them, full among them."""
    cells: tuple[Cell, ...] = CELLS
    rounds: int = 1
    """Steps on a joined utterance, of which the median counts."""
    short: int = 5
    """The same on four utterances; 0 leaves them out."""
    longest: Seconds = 3600
    """Of the one that is only recomputed, with LSTM; 0 leaves it out."""
    at_once: int = 1
    """Processes that measure joined utterances."""
    out: Path = Path("runs/bptt")
    """Folder for bptt.json and bptt.png."""


@dataclass(frozen=True)
class Measured:
    """One step."""

    cell: Cell
    mode: str
    batch: int
    length: Seconds
    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Job:
    """What one process measures."""

    cell: Cell
    mode: str
    batch: int
    length: Seconds
    band: Seconds | None = None


def measure(job: Job, folder: Path, num_tokens: int) -> Measured:
    """Take two steps in this process, which is new.

    The first, on a few seconds, warms up. The second counts.
    """
    model, log_mel, tokens = load(job.cell, job.batch, job.length, folder, num_tokens)
    step(model, log_mel[:, :WARM_UP], tokens[:, :1], MODES[job.mode])
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is there now
    before = peak_kilobytes()
    seconds = step(model, log_mel, tokens, MODES[job.mode], job.band)
    return Measured(job.cell, job.mode, job.batch, job.length, seconds, (peak_kilobytes() - before) / 1024)


def in_turn(cell: Cell, modes: Sequence[str], rounds: int, folder: Path, num_tokens: int) -> dict[str, Seconds]:
    """Each mode's median time of a step on four utterances."""
    model, log_mel, tokens = load(cell, 4, FOUR, folder, num_tokens)
    times: dict[str, list[Seconds]] = {mode: [] for mode in modes}
    for _ in range(rounds + 1):  # the first warms up
        for mode in modes:
            times[mode].append(step(model, log_mel, tokens, MODES[mode]))
    return {mode: statistics.median(taken[1:]) for mode, taken in times.items()}


def load(
    cell: Cell, batch: int, length: Seconds, folder: Path, num_tokens: int
) -> tuple[AcousticModel, Tensor, Tensor]:
    """A fresh model on one thread, and a batch of one utterance repeated.

    The batch is (B, T, M) frames and (B, U) tokens.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = AcousticConfig(cell=cell, layers=3, hidden=320, merge="concat")
    model = AcousticModel(config, num_features=FeatureConfig().num_mels, num_tokens=num_tokens)
    stored = torch.load(example(folder, length), weights_only=True)
    return model, stored["log_mel"].repeat(batch, 1, 1), stored["tokens"].repeat(batch, 1, 1)[:, 0]


def step(model: AcousticModel, log_mel: Tensor, tokens: Tensor, bptt: Bptt, band: Seconds | None = None) -> Seconds:
    """Forward, CTC, backward."""
    started = time.perf_counter()
    model.zero_grad(set_to_none=True)
    lengths = torch.full((len(log_mel),), log_mel.shape[1])
    emissions = model(log_mel, lengths, bptt, generator=torch.Generator().manual_seed(0))
    num_tokens = torch.full((len(tokens),), tokens.shape[1])
    frames = None if band is None else RecogniserConfig().frames(band)
    ctc_loss(emissions.log_probs, emissions.lengths, tokens, num_tokens, band=frames).values.sum().backward()
    return time.perf_counter() - started


def example(folder: Path, length: Seconds) -> Path:
    """The file of the utterance of a length: log-mel frames, (1, T, M), and tokens, (1, 1, U)."""
    return folder / f"{length:g}.pt"


def write_examples(arguments: Arguments, lengths: list[Seconds], folder: Path) -> Tokenizer:
    """Join utterances to each of some lengths."""
    prepare(arguments.corpus, folder, source=arguments.source, check="header")
    cuts = load_cuts(folder / "train.jsonl.gz")
    tokenizer = train_tokenizer(TokenizerConfig(), (cut.text for cut in cuts))
    features, rate = LogMel(FeatureConfig()), FeatureConfig().sample_rate
    frames, tokens, seconds = [], [], []
    plan = plan_batches(cuts, 1.0, seed=0)  # one utterance a batch
    while sum(seconds) < max(lengths):  # a small corpus is read again
        for batch in load_batches(plan, tokenizer, sample_rate=rate, loaders=1):
            log_mel, _ = features(batch.waveforms, batch.num_samples)
            frames.append(log_mel)
            tokens.append(batch.tokens[0])
            seconds.append(float(batch.num_samples) / rate)
            if sum(seconds) >= max(lengths):
                break
    for length in lengths:
        count = next(n for n in range(1, len(seconds) + 1) if sum(seconds[:n]) >= length)
        joined = torch.cat(frames[:count], dim=1)[:, : round(length * 100)].clone()
        kept = max(1, round(sum(len(part) for part in tokens[:count]) * length / sum(seconds[:count])))
        stored = {"log_mel": joined, "tokens": torch.cat(tokens[:count])[None, None, :kept].clone()}
        torch.save(stored, example(folder, length))
    return tokenizer


def median(steps: Sequence[Measured]) -> Measured:
    """Of equal steps."""
    seconds, megabytes = (statistics.median(getattr(m, name) for m in steps) for name in ("seconds", "megabytes"))
    return replace(steps[0], seconds=seconds, megabytes=megabytes)


def table(title: str, measured: list[Measured]) -> Table:
    """Memory and time of each mode, and their ratios to full BPTT."""
    shown = Table(title=title, title_justify="left")
    for heading in ("cell", "length s", "mode", "memory MB", "of full", "step s", "of full"):
        shown.add_column(heading, justify="left" if heading in ("cell", "mode") else "right")
    for m in measured:
        (full,) = (o for o in measured if (o.cell, o.length, o.mode) == (m.cell, m.length, "full"))
        ratios = f"{m.megabytes / full.megabytes:.2f}", f"{m.seconds / full.seconds:.2f}"
        shown.add_row(m.cell, f"{m.length:g}", m.mode, f"{m.megabytes:,.0f}", ratios[0], f"{m.seconds:.2f}", ratios[1])
    return shown


def draw(measured: list[Measured], path: Path) -> None:
    """Memory and time against length, one panel a cell."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(12, 7), layout="constrained")
    panels = figure.subplots(2, len({m.cell for m in measured}), squeeze=False, sharex=True, sharey="row")
    for column, cell in enumerate(dict.fromkeys(m.cell for m in measured)):
        for mode in dict.fromkeys(m.mode for m in measured):
            points = [m for m in measured if (m.cell, m.mode) == (cell, mode)]
            lengths = [m.length / 60 for m in points]
            panels[0, column].plot(lengths, [m.megabytes for m in points], "o-", label=mode)
            panels[1, column].plot(lengths, [m.seconds / m.length for m in points], "o-", label=mode)
        panels[0, column].set(title=cell, xscale="log", yscale="log")
        panels[1, column].set(xlabel="minutes of audio in one utterance")
        for row in (0, 1):
            panels[row, column].grid(alpha=0.3)
    panels[0, 0].set_ylabel("memory of a step, MB")
    panels[1, 0].set_ylim(bottom=0)  # of all three
    panels[1, 0].set_ylabel("seconds for a second of audio, one core")
    panels[0, 0].legend()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def main(arguments: Arguments) -> None:
    """Measure every step in a process of its own."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = write_examples(arguments, sorted({*arguments.lengths, FOUR, arguments.longest} - {0}), folder)
        measure_one = partial(measure, folder=folder, num_tokens=tokenizer.size)

        def measured(jobs: Iterable[Job], at_once: int) -> list[Measured]:
            found = []
            with get_context("spawn").Pool(at_once, maxtasksperchild=1) as pool:
                for m in pool.imap(measure_one, jobs, chunksize=1):
                    console.print(
                        f"{m.cell} {m.mode} {m.batch} x {m.length:g} s: {m.megabytes:,.0f} MB, {m.seconds:.2f} s"
                    )
                    found.append(m)
            return found

        cells, modes, four = arguments.cells, arguments.modes, list[Measured]()
        if arguments.short:
            four = measured([Job(cell, mode, 4, FOUR) for cell in cells for mode in modes], 1)
            with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                asked = {cell: (cell, modes, arguments.short, folder, tokenizer.size) for cell in cells}
                times = {cell: pool.apply(in_turn, given) for cell, given in asked.items()}
            four = [replace(m, seconds=times[m.cell][m.mode]) for m in four]
            console.print(table("four utterances of 30 s", four))
        jobs = [Job(cell, mode, 1, length) for cell in cells for length in arguments.lengths for mode in modes]
        rounds = [measured(jobs, arguments.at_once) for _ in range(arguments.rounds)]
        joined = [median(steps) for steps in zip(*rounds, strict=True)]
        console.print(table("one utterance", joined))
        longest = measured([Job("lstm", "recomputed", 1, arguments.longest, BAND)] if arguments.longest else [], 1)
    with atomic(arguments.out / "bptt.json") as path:
        path.write_text(json.dumps([vars(m) for m in (*joined, *four, *longest)], indent=1) + "\n", encoding="utf-8")
    draw(joined, arguments.out / "bptt.png")
    console.print(arguments.out / "bptt.png")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
