"""Long recordings: is the text that of the utterances, and is none lost at a cut?

    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --minutes 60
    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --cuts 200

Utterances of a manifest are joined in random order, each as often as it takes, with pauses of 0.3
to 2 s of faint noise or with none.

- `--minutes`: the recording is transcribed as one, greedily, and so is every utterance alone. Times
  are those of words that both have: alone, plus where the utterance begins.
- `--cuts`: recordings of a minute are cut into two at a random sample, and read as one stream, in
  blocks of random sizes. The text is compared with that of the whole.
"""

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from asr.audio.waveform import Waveform
from asr.cli.output import TerminalProgress
from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.progress import track
from asr.scoring.score import score
from asr.text.timed import TimedText, Word
from asr.text.tokenizer import CharacterTokenizer
from asr.transcription.segments import Segments
from asr.transcription.sound import Sound
from asr.transcription.transcribe import Transcriber

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

    @classmethod
    def read(cls, manifest: Path, rate: int) -> "Utterances":
        """All of a manifest."""
        plan = [[cut] for cut in load_cuts(manifest)]
        batches = list(load_batches(plan, CharacterTokenizer("a"), sample_rate=rate, loaders=0))
        return cls([batch.waveforms[0].numpy() for batch in batches], [batch.texts[0] for batch in batches], rate)

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
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = Transcriber.load(options.model)
    rate = model.recogniser.config.features.sample_rate
    said = Utterances.read(options.manifest, rate)
    if options.minutes:
        Console().print(errors(model, said, options.minutes, options.seed))
    if options.cuts:
        Console().print(cuts(model, said, options.cuts, options.seed))


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


def differences(expected: list[tuple[str, float]], words: tuple[Word, ...]) -> np.ndarray:
    """How much later the words of one text begin than the same words of another, in seconds.

    A word has the nearest of its own spelling within two seconds for its partner. NaN if none has.
    """
    found = []
    at = 0
    for text, start in expected:
        while at < len(words) and words[at].start < start - 2:
            at += 1
        near = [word.start - start for word in words[at : at + 40] if word.text == text and abs(word.start - start) < 2]
        if near:
            found.append(min(near, key=abs))
    return np.array(found or [np.nan])


if __name__ == "__main__":
    main()
