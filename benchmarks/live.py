"""Live reading, measured: delays of words and finals, work, revisions, lost words, memory, lag.

    python -m benchmarks.live DATA/test.jsonl.gz --model MODEL
    python -m benchmarks.live DATA/test.jsonl.gz --model MODEL --lost 200
    python -m benchmarks.live DATA/test.jsonl.gz --model MODEL --hours 2

Sound is fed in blocks of 50 ms. A word's delay is the sound that has come since its end, plus the
work of the block that told it: what someone waits who hears the recording at real time. Ends of
words are those of the final text. Work is processor time of one thread.

`--lost N` joins each of N recordings with itself, with 0 to 3 s of faint noise before, between and
after, drawn so that the recordings begin anywhere between two frames. The text told live is
compared with what `Transcriber.transcribe` makes of the same sound.

`--hours H` feeds H hours as fast as possible, and prints memory and work of each tenth.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.scoring.score import score
from asr.transcription.endpoint import LiveConfig
from asr.transcription.live import Final, Partial
from asr.transcription.transcribe import Transcriber

BLOCK = 800
FAINT = 1e-3
"""Level of the noise in pauses, of full scale."""


def main() -> None:
    """Feed, measure, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--beam", type=int)
    parser.add_argument("--lm", type=Path, nargs="*")
    parser.add_argument("--silence", type=float, nargs="+", default=[0.3, 0.5, 0.8, 1.2])
    parser.add_argument("--chunk", type=float)
    parser.add_argument("--lookahead", type=float)
    parser.add_argument("--recordings", type=int, default=50)
    parser.add_argument("--lost", type=int, default=0)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = Transcriber.load(options.model, lm=options.lm or False, beam=options.beam, device="cpu")
    recordings = read(options, model)
    if options.lost:
        lost_words(options, model, recordings)
    elif options.hours:
        endurance(options, model, recordings)
    else:
        delays(options, model, recordings)


def read(options: argparse.Namespace, model: Transcriber) -> list[tuple[np.ndarray, str]]:
    """Waveforms and their transcripts, in random order."""
    rate = model.recogniser.config.features.sample_rate
    cuts = load_cuts(options.manifest)
    order = np.random.default_rng(options.seed).permutation(len(cuts))
    chosen = [[cuts[number]] for number in order[: max(options.recordings, options.lost)]]
    batches = load_batches(chosen, model.recogniser.tokenizer, sample_rate=rate, loaders=0)
    return [(batch.waveforms[0].numpy(), batch.texts[0]) for batch in batches]


def config(options: argparse.Namespace, silence: float) -> LiveConfig:
    """Settings of a stream."""
    return LiveConfig(silence=silence, chunk=options.chunk, lookahead=options.lookahead)


def faint(draw: np.random.Generator, samples: int) -> np.ndarray:
    """A pause."""
    return draw.normal(scale=FAINT, size=samples).astype(np.float32)


def delays(options: argparse.Namespace, model: Transcriber, recordings: list[tuple[np.ndarray, str]]) -> None:
    """A row for each silence: how long one waits, against how often speech is cut off."""
    rate = model.recogniser.config.features.sample_rate
    latency = model.stream(rate, config(options, 0.5)).latency
    table = Table(title=f"{len(recordings)} recordings, latency {latency:.2f} s; seconds: median / 95th percentile")
    for column in ("silence", "WER %", "word to stable", "word to final", "end of speech to final", "work / sound"):
        table.add_column(column)
    table.add_column("revised words a minute")
    table.add_column("finals a recording")
    for silence in options.silence:
        draw = np.random.default_rng(options.seed)
        stable, final, ends, texts, counts = [], [], [], {}, []
        work = sound = revised = 0.0
        for number, (waveform, _) in enumerate(recordings):
            padded = np.concatenate([waveform, faint(draw, 4 * rate)])
            told = Told()
            for position, spent, event in fed(model.stream(rate, config(options, silence)), padded, rate):
                work += spent
                told.tell(event, position + spent)
            sound += len(padded) / rate
            revised += told.revised
            stable += told.stable
            final += told.final
            ends += told.final[-1:]
            counts.append(told.segments)
            texts[str(number)] = " ".join(told.words)
        errors = score({str(n): text for n, (_, text) in enumerate(recordings)}, texts, samples=1)
        table.add_row(
            f"{silence:g}",
            f"{100 * errors.wer.value:.2f}",
            *(f"{np.median(some):.2f} / {np.percentile(some, 95):.2f}" for some in (stable, final, ends)),
            f"{work / sound:.3f}",
            f"{60 * revised / sound:.1f}",
            f"{np.mean(counts):.2f}",
        )
    Console(width=140).print(table)


def fed(stream, waveform: np.ndarray, rate: int) -> Iterator[tuple[float, float, Partial | Final | None]]:  # type: ignore[no-untyped-def]
    """Each event, with the seconds fed by then and, with its block's first event, the work."""
    for place in range(0, len(waveform), BLOCK):
        before = time.process_time()
        events = stream.accept(waveform[place : place + BLOCK])
        spent = time.process_time() - before
        position = min(place + BLOCK, len(waveform)) / rate
        yield position, spent, events[0] if events else None
        yield from ((position, 0.0, event) for event in events[1:])
    before = time.process_time()
    events = stream.finish()
    yield len(waveform) / rate, time.process_time() - before, events[0] if events else None
    yield from ((len(waveform) / rate, 0.0, event) for event in events[1:])


class Told:
    """What was told of a recording, and when."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.stable: list[float] = []
        """Delays of words, from their ends."""
        self.final: list[float] = []
        self.segments, self.revised = 0, 0
        self._stable_at: list[float] = []
        self._shown: list[str] = []

    def tell(self, event: Partial | Final | None, now: float) -> None:
        """Write down an event."""
        if isinstance(event, Partial):
            shown = event.text.split()
            self._stable_at += [now] * (len(event.stable_prefix.split()) - len(self._stable_at))
            self.revised += sum(a != b for a, b in zip(self._shown, shown, strict=False))
            self._shown = shown
        elif event is not None:
            words = event.segment.words
            known = [*self._stable_at[: len(words)], *[now] * (len(words) - len(self._stable_at))]
            self.stable += [at - word.end for at, word in zip(known, words, strict=True)]
            self.final += [now - word.end for word in words]
            self.words += [word.text for word in words]
            self.revised += sum(a != b.text for a, b in zip(self._shown, words, strict=False))
            self._stable_at, self._shown, self.segments = self._stable_at[len(words) :], [], self.segments + 1


def lost_words(options: argparse.Namespace, model: Transcriber, recordings: list[tuple[np.ndarray, str]]) -> None:
    """Live text against offline text of the same sound."""
    rate = model.recogniser.config.features.sample_rate
    silence = options.silence[0] if len(options.silence) == 1 else 0.8
    draw = np.random.default_rng(options.seed)
    offline, live = {}, {}
    for number, (waveform, _) in enumerate(recordings):
        pauses = [faint(draw, int(draw.uniform(0, 3) * rate)) for _ in range(3)]
        whole = np.concatenate([pauses[0], waveform, pauses[1], waveform, pauses[2]])
        chunked = model.stream(rate, config(options, silence))
        events = [event for _, _, event in fed(chunked, whole, rate)]
        live[str(number)] = " ".join(event.segment.text for event in events if isinstance(event, Final))
        offline[str(number)] = model.transcribe(whole, rate).text
    counts = score(offline, live, samples=1).words
    print(
        f"{len(recordings)} recordings twice: {counts.reference_length} words offline; live {counts.deletions} lost, "
        f"{counts.insertions} doubled, {counts.substitutions} others"
    )


def endurance(options: argparse.Namespace, model: Transcriber, recordings: list[tuple[np.ndarray, str]]) -> None:
    """Memory and work, tenth by tenth."""
    rate = model.recogniser.config.features.sample_rate
    stream, draw = model.stream(rate, config(options, 0.8)), np.random.default_rng(options.seed)
    table = Table("hours", "peak memory MB", "work / sound", "longest block (s)")
    tenth, spent, longest = 1, 0.0, 0.0
    while tenth <= 10:
        waveform, _ = recordings[int(draw.integers(len(recordings)))]
        for _, block, _ in fed_on(stream, np.concatenate([waveform, faint(draw, int(rate * draw.uniform(0.1, 2)))])):
            spent, longest = spent + block, max(longest, block)
        if stream.position >= tenth * options.hours * 360:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            table.add_row(
                f"{stream.position / 3600:.2f}", f"{peak:.0f}", f"{spent / (options.hours * 360):.3f}", f"{longest:.2f}"
            )
            tenth, spent, longest = tenth + 1, 0.0, 0.0
    Console().print(table)


def fed_on(stream, waveform: np.ndarray) -> Iterator[tuple[int, float, int]]:  # type: ignore[no-untyped-def]
    """Feed without an end: (place, work, events) of each block."""
    for place in range(0, len(waveform), BLOCK):
        before = time.process_time()
        events = stream.accept(waveform[place : place + BLOCK])
        yield place, time.process_time() - before, len(events)


if __name__ == "__main__":
    main()
