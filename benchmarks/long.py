"""Long recordings: is the text that of the utterances, is none lost at a cut, does memory grow?

    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --minutes 60
    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --cuts 200
    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --hours 0.1667 1 10

Utterances of a manifest are joined in random order, each as often as it takes, with pauses of 0.3
to 2 s of faint noise or with none.

- `--minutes`: the recording is transcribed as one, greedily, and so is every utterance alone. Times
  are those of words that both have: alone, plus where the utterance begins.
- `--cuts`: recordings of a minute are cut into two at a random sample, and read as one stream, in
  blocks of random sizes. The text is compared with that of the whole.
- `--hours`: recordings are written as FLAC. `asr transcribe` writes all its forms of each. The peak
  memory is that of the whole process, as Linux tells it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from asr.audio.waveform import Waveform
from asr.cli.output import TerminalProgress
from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.progress import track
from asr.scoring.score import score
from asr.text.formats import FORMATS
from asr.text.timed import TimedText, Word
from asr.transcription.segments import Segments
from asr.transcription.sound import Sound
from asr.transcription.transcribe import Transcriber
from benchmarks.measure import peak_kilobytes

FAINT = 1e-3
"""Level of the noise in pauses, of full scale."""
CUT_SECONDS = 60
"""Of each recording that is cut."""


@dataclass(frozen=True)
class Utterances:
    """Of a manifest, to join."""

    waveforms: list[Waveform]
    texts: list[str]
    rate: int

    def joined(self, seconds: float, draw: np.random.Generator, *, pauses: bool) -> Iterator[tuple[int, Waveform]]:
        """Numbers of utterances in random order, each with its pause after it."""
        left = seconds * self.rate
        while left > 0:
            number = int(draw.integers(len(self.waveforms)))
            silence = draw.normal(scale=FAINT, size=int(self.rate * draw.uniform(0.3, 2.0) * pauses))
            waveform = np.concatenate([self.waveforms[number], silence.astype(np.float32)])
            left -= len(waveform)
            yield number, waveform


def main() -> None:
    """Join, transcribe, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--cuts", type=int)
    parser.add_argument("--hours", type=float, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = Transcriber.load(options.model)
    rate = model.recogniser.config.features.sample_rate
    plan = [[cut] for cut in load_cuts(options.manifest)]
    batches = list(load_batches(plan, model.recogniser.tokenizer, sample_rate=rate, loaders=0))
    said = Utterances([batch.waveforms[0].numpy() for batch in batches], [batch.texts[0] for batch in batches], rate)
    if options.minutes:
        Console().print(errors(model, said, options.minutes, options.seed))
    if options.cuts:
        Console().print(cuts(model, said, options.cuts, options.seed))
    if options.hours:
        Console().print(memory(options.model, said, options.hours, options.seed))


def errors(model: Transcriber, said: Utterances, minutes: float, seed: int) -> Table:
    """Words and their times against those of utterances alone."""
    alone = [model.transcribe(waveform, said.rate) for waveform in said.waveforms]
    table = Table("pauses", "minutes", "WER alone %", "WER joined %", "median error of starts (ms)", "95th percentile")
    for pauses in (True, False):
        parts = list(said.joined(60 * minutes, np.random.default_rng(seed), pauses=pauses))
        order = [number for number, _ in parts]
        starts = np.cumsum([0, *(len(waveform) for _, waveform in parts)]) / said.rate
        joined = model.transcribe(np.concatenate([waveform for _, waveform in parts]), said.rate)
        references = [said.texts[number] for number in order]
        apart = score(
            {str(n): text for n, text in enumerate(references)},
            {str(n): alone[number].text for n, number in enumerate(order)},
        )
        whole = score({"all": " ".join(references)}, {"all": joined.text}, samples=1)
        expected = [
            (word.text, word.start + start)
            for number, start in zip(order, starts, strict=False)
            for word in alone[number].words
        ]
        late = 1000 * np.abs(differences(expected, joined.words))
        table.add_row(
            "0.3 to 2 s" if pauses else "none",
            f"{joined.duration / 60:.1f}",
            f"{100 * apart.wer.value:.2f}",
            f"{100 * whole.wer.value:.2f}",
            f"{np.median(late):.0f}",
            f"{np.percentile(late, 95):.0f}",
        )
    return table


def cuts(model: Transcriber, said: Utterances, number: int, seed: int) -> Table:
    """Texts of recordings in two against those of the same recordings whole."""
    draw = np.random.default_rng(seed)
    same, words, lost = 0, 0, 0
    for _ in track(range(number), "cuts", number, TerminalProgress()):
        pauses = bool(draw.integers(2))
        whole = np.concatenate([waveform for _, waveform in said.joined(CUT_SECONDS, draw, pauses=pauses)])
        at = int(draw.integers(1, len(whole)))
        expected, found = model.transcribe(whole, said.rate), streamed(model, [whole[:at], whole[at:]], draw, said.rate)
        compared = score({"all": expected.text}, {"all": found.text}, samples=1).words
        same += expected.text == found.text
        words += compared.reference_length
        lost += compared.errors
    table = Table("cuts", "words", "same text", "words that differ")
    table.add_row(str(number), str(words), str(same), str(lost))
    return table


def streamed(model: Transcriber, parts: list[Waveform], draw: np.random.Generator, rate: int) -> TimedText:
    """Read parts as one stream, in blocks of random sizes up to 10 s."""

    def blocks() -> Iterator[Waveform]:
        for part in parts:
            place = 0
            while place < len(part):
                size = int(10 ** draw.uniform(2, np.log10(10 * rate)))
                yield part[place : place + size]
                place += size

    found = Segments(nullcontext(Sound(blocks(), rate, [])), model.parts)
    return found.whole(tuple(found))


def memory(model: Path, said: Utterances, hours: list[float], seed: int) -> Table:
    """Peak memory and time of `asr transcribe`."""
    table = Table("hours", "words", "peak memory (MB)", "processor time (s)")
    for length in hours:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with soundfile.SoundFile(folder / "long.flac", "w", said.rate, 1) as file:
                for _, waveform in said.joined(3600 * length, np.random.default_rng(seed), pauses=True):
                    file.write(waveform)
            command = [sys.executable, "-m", "asr", "transcribe", file.name, "--model", model, "--out", folder]
            process = subprocess.Popen([*map(str, command), "--format", *FORMATS], stdout=subprocess.DEVNULL)
            done, peak = 0, 0.0
            while not done:
                time.sleep(0.1)
                peak = max(peak, peak_kilobytes(process.pid) / 1000)
                done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if status:
                sys.exit("asr transcribe has failed")
            words = sum(1 for _ in (folder / "long.ctm").open())
        table.add_row(f"{length:g}", str(words), f"{peak:.0f}", f"{usage.ru_utime + usage.ru_stime:.0f}")
        TerminalProgress().say(f"{length:g} h: {peak:.0f} MB")
    return table


def differences(expected: list[tuple[str, float]], words: tuple[Word, ...]) -> np.ndarray:
    """How much later the words of one text begin than the same words of another, in seconds.

    A word has the nearest of its own spelling within two seconds for its partner.
    """
    found = []
    at = 0
    for text, start in expected:
        while at < len(words) and words[at].start < start - 2:
            at += 1
        near = [word.start - start for word in words[at : at + 40] if word.text == text and abs(word.start - start) < 2]
        if near:
            found.append(min(near, key=abs))
    return np.array(found)


if __name__ == "__main__":
    main()
