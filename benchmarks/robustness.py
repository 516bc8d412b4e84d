"""What a recogniser makes of recordings that are not as they should be.

    python -m benchmarks.robustness runs/an4/data/test.jsonl.gz --model runs/an4/best

Every utterance is transcribed clean and under each condition, greedily, as if it were read from a
file. A condition's word error rate stands beside its ratio to the clean one.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from asr.audio.channel import TELEPHONE, a_law, add, at_rate, coded, mu_law
from asr.audio.waveform import Waveform, from_array
from asr.cli.output import TerminalProgress
from asr.data.batches import load_batches
from asr.data.cuts import load_cuts
from asr.decoding.greedy import greedy
from asr.progress import track
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.scoring.score import score

Condition = Callable[[Waveform, int, np.random.Generator], Waveform]


def offset(waveform: Waveform, rate: int, draw: np.random.Generator, *, level: float) -> Waveform:
    """DC, of full scale."""
    return waveform + np.float32(level)


def hum(waveform: Waveform, rate: int, draw: np.random.Generator, *, frequency: float, decibels: float) -> Waveform:
    """A tone so far below the utterance."""
    return add(waveform, np.sin(2 * np.pi * frequency * np.arange(len(waveform)) / rate), decibels)


def gain(waveform: Waveform, rate: int, draw: np.random.Generator, *, decibels: float) -> Waveform:
    """In 16 bits, cut off at full scale."""
    return (np.clip(np.round(waveform * 10 ** (decibels / 20) * 2**15), -(2**15), 2**15 - 1) / 2**15).astype(np.float32)


def click(waveform: Waveform, rate: int, draw: np.random.Generator) -> Waveform:
    """One sample at full scale, somewhere."""
    clicked = waveform.copy()
    clicked[draw.integers(len(waveform))] = 1.0
    return clicked


def white(waveform: Waveform, rate: int, draw: np.random.Generator, *, decibels: float) -> Waveform:
    """White noise so far below the utterance."""
    return add(waveform, draw.standard_normal(len(waveform)), decibels)


CONDITIONS: dict[str, Condition] = {
    "DC, 1 % of full scale": partial(offset, level=0.01),
    "DC, 20 %": partial(offset, level=0.2),
    "hum of 50 Hz, -26 dB": partial(hum, frequency=50, decibels=26),
    "hum of 60 Hz, -26 dB": partial(hum, frequency=60, decibels=26),
    "gain -40 dB": partial(gain, decibels=-40),
    "gain -20 dB": partial(gain, decibels=-20),
    "gain +20 dB": partial(gain, decibels=20),
    "a click at full scale": click,
    "A-law, 16 kHz": a_law,
    "mu-law, 16 kHz": mu_law,
    "8 kHz": partial(at_rate, TELEPHONE, None),
    "GSM 6.10": partial(at_rate, TELEPHONE, coded("WAV", "GSM610", (0, 0))),
    "Opus, 12 kbit/s": partial(at_rate, 16_000, coded("OGG", "OPUS", (0.975, 0.975))),
    "MP3, 32 kbit/s": partial(at_rate, 16_000, coded("MP3", "MPEG_LAYER_III", (0.54, 0.54))),
    "white noise, 20 dB below": partial(white, decibels=20),
}


def main() -> None:
    """Parse, transcribe, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="CONDITION", help="beside clean, as they are called in the table")
    options = parser.parse_args()
    model, cuts, progress = load_model(options.model), load_cuts(options.manifest), TerminalProgress()
    rate = model.config.features.sample_rate
    batches = list(load_batches([[cut] for cut in cuts], model.tokenizer, sample_rate=rate, loaders=0))
    clean = [batch.waveforms[0].numpy() for batch in batches]
    references = {batch.ids[0]: batch.texts[0] for batch in batches}
    conditions: dict[str, Condition] = {"clean": lambda waveform, rate, draw: waveform} | CONDITIONS
    conditions["babble, 10 dB below"] = partial(babble, voices=clean, decibels=10)
    chosen = {name: conditions[name] for name in ("clean", *(options.only or list(conditions)[1:]))}
    table = Table("condition", "WER %", "95 % interval", "x clean")
    first = None
    for name, condition in track(chosen.items(), "conditions", len(chosen), progress):
        draw = np.random.default_rng(0)
        changed = [from_array(condition(waveform, rate, draw), rate, rate) for waveform in clean]
        wer = score(references, dict(zip(references, transcribed(model, changed), strict=True))).wer
        first = first or wer.value
        row = f"{100 * wer.value:.2f}", f"{100 * wer.low:.1f} to {100 * wer.high:.1f}", f"{wer.value / first:.2f}"
        progress.say("  ".join((name, *row)))
        table.add_row(name, *row)
    Console().print(table)


def transcribed(model: Recogniser, waveforms: list[Waveform]) -> list[str]:
    """The greedy text of each, 16 at a time."""
    texts = []
    for start in range(0, len(waveforms), 16):
        some = [torch.from_numpy(waveform) for waveform in waveforms[start : start + 16]]
        padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        emissions = model.emissions(padded, torch.tensor([len(waveform) for waveform in some]))
        texts += [model.tokenizer.decode(greedy(log_probs).tokens) for log_probs in emissions.utterances()]
    return texts


def babble(
    waveform: Waveform, rate: int, draw: np.random.Generator, *, voices: list[Waveform], decibels: float
) -> Waveform:
    """Six other utterances at once."""
    chosen = [np.resize(voices[number], len(waveform)) for number in draw.choice(len(voices), 6, replace=False)]
    loud = [voice / (np.sqrt(np.mean(voice**2)) or 1) for voice in chosen]  # one may be silent
    return add(waveform, np.sum(loud, axis=0), decibels)


if __name__ == "__main__":
    main()
