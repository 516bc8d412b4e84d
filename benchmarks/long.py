"""Long recordings: is the text that of the utterances, and are its words where they were put?

    python -m benchmarks.long runs/an4/data/test.jsonl.gz --model runs/an4/best --minutes 60

Utterances of a manifest are joined in random order, each as often as it takes, with pauses of 0.3
to 2 s of faint noise or with none. The recording is transcribed as one, greedily, and so is every
utterance alone. Times are those of words that both have: alone, plus where the utterance begins.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.scoring.score import score
from asr.text.timed import Word
from asr.transcription.transcribe import Transcriber

FAINT = 1e-3
"""Level of the noise in pauses, of full scale."""


def main() -> None:
    """Join, transcribe, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = Transcriber.load(options.model)
    rate = model.recogniser.config.features.sample_rate
    plan = [[cut] for cut in load_cuts(options.manifest)]
    batches = list(load_batches(plan, model.recogniser.tokenizer, sample_rate=rate, loaders=0))
    waveforms = [batch.waveforms[0].numpy() for batch in batches]
    alone = [model.transcribe(waveform, rate) for waveform in waveforms]
    table = Table("pauses", "minutes", "WER alone %", "WER joined %", "median error of starts (ms)", "95th percentile")
    for pauses in (True, False):
        draw = np.random.default_rng(options.seed)
        order, starts, parts, position = [], [], [], 0
        while position < options.minutes * 60 * rate:
            number = int(draw.integers(len(waveforms)))
            order.append(number)
            starts.append(position / rate)
            silence = draw.normal(scale=FAINT, size=int(rate * draw.uniform(0.3, 2.0) * pauses)).astype(np.float32)
            parts += [waveforms[number], silence]
            position += len(waveforms[number]) + len(silence)
        joined = model.transcribe(np.concatenate(parts), rate)
        references = [batches[number].texts[0] for number in order]
        apart = score(
            {str(n): text for n, text in enumerate(references)},
            {str(n): alone[number].text for n, number in enumerate(order)},
        )
        whole = score({"all": " ".join(references)}, {"all": joined.text}, samples=1)
        expected = [
            (word.text, word.start + start)
            for number, start in zip(order, starts, strict=True)
            for word in alone[number].words
        ]
        errors = 1000 * np.abs(differences(expected, joined.words))
        table.add_row(
            "0.3 to 2 s" if pauses else "none",
            f"{joined.duration / 60:.1f}",
            f"{100 * apart.wer.value:.2f}",
            f"{100 * whole.wer.value:.2f}",
            f"{np.median(errors):.0f}",
            f"{np.percentile(errors, 95):.0f}",
        )
    Console().print(table)


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
