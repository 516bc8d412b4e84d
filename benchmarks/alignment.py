"""How far from the truth are the borders of aligned words?

    python -m benchmarks.alignment --source corpora/fsdd --model runs/an4/best

Spoken digits are put one after another, so the borders are known. Each string is three to eight
digits of one speaker of FSDD's official test set. Pauses of up to 0, 0.15 or 0.5 s of faint noise
stand before, between and after them.

A digit's true borders are those of its recording. So silence inside one counts as an error. The
model must know connected speech. One of single digits, such as the digits recipe's, finds a single
word in a string.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import torch
import tyro

from asr.audio.level import levels
from asr.audio.waveform import Waveform, load
from asr.corpora import fsdd
from asr.model.best_path import align
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.text.spelling import spell
from asr.transcription.timing import Span, word_spans

PAUSES = (0.0, 0.15, 0.5)
LEVELS_OF_NOISE = (-80.0, -50.0)  # dB of full scale, of pauses


@dataclass(frozen=True)
class String:
    """Digits in a row."""

    text: str
    waveform: Waveform
    spans: list[Span]
    pause: float


def main(source: Path, model: Path, split: str = "test", strings: int = 180, seed: int = 2) -> None:
    """Print errors of word borders.

    It compares the spikes alone, halfway between spikes, and what `asr align` gives.

    Args:
        source: the corpus.
        model: a model folder.
        split: test, or dev, on which the method's constants were chosen.
        strings: how many.
        seed: of the strings.
    """
    torch.set_num_threads(1)
    recogniser = load_model(model)
    utterances = getattr(fsdd.read(source), split)
    rate = recogniser.config.features.sample_rate
    errors: dict[tuple[str, float], list[float]] = {}
    for string in draw(utterances, strings, rate, seed):
        for method, spans in found(recogniser, string, rate).items():
            offsets = np.abs(np.array(spans) - np.array(string.spans)).ravel().tolist()
            errors.setdefault((method, string.pause), []).extend(offsets)
    for method in dict.fromkeys(method for method, _ in errors):
        for pauses in (*((pause,) for pause in PAUSES), PAUSES):
            offsets = 1000 * np.concatenate([errors[method, pause] for pause in pauses])
            median, high = np.percentile(offsets, [50, 95])
            which = "all" if len(pauses) > 1 else f"pauses up to {pauses[0]:.2f} s"
            print(
                f"{method:16} {which:20} {len(offsets):5} borders: median {median:4.0f} ms, 95th percentile {high:4.0f} ms"
            )


def draw(utterances, count: int, rate: int, seed: int):
    """Put digits together, speakers and lengths of pauses in turn."""
    choose, noise = Random(seed), np.random.default_rng(seed)
    speakers = sorted({utterance.speaker for utterance in utterances})
    for number in range(count):
        own = [utterance for utterance in utterances if utterance.speaker == speakers[number % len(speakers)]]
        pause = PAUSES[number // len(speakers) % len(PAUSES)]
        level = 10 ** (choose.uniform(*LEVELS_OF_NOISE) / 20)
        chosen = [choose.choice(own) for _ in range(choose.randint(3, 8))]
        parts: list[Waveform] = []
        spans, at = [], 0.0
        for utterance in [*chosen, None]:
            gap = level * noise.standard_normal(int(rate * choose.uniform(0, pause)))
            parts.append(gap.astype(np.float32))
            at += len(gap) / rate
            if utterance is not None:
                parts.append(load(utterance.audio, sample_rate=rate))
                spans.append((at, at + len(parts[-1]) / rate))
                at = spans[-1][1]
        yield String(" ".join(utterance.text for utterance in chosen), np.concatenate(parts), spans, pause)


def found(recogniser: Recogniser, string: String, rate: int) -> dict[str, list[Span]]:
    """Word borders by method."""
    emissions = recogniser.emissions(torch.from_numpy(string.waveform)[None], torch.tensor([len(string.waveform)]))
    spelling = spell(string.text, recogniser.tokenizer)
    spikes = align(emissions.utterances()[0], spelling.tokens)
    frame, duration = recogniser.config.frame, len(string.waveform) / rate
    said = [(spikes[at.start].start * frame, min(duration, spikes[at[-1]].stop * frame)) for _, at in spelling.words]
    middles = [(before[1] + after[0]) / 2 for before, after in pairwise(said)]
    halfway = list(zip([said[0][0], *middles], [*middles, said[-1][1]], strict=True))
    return {"spikes alone": said, "halfway": halfway, "asr align": word_spans(said, *levels(string.waveform, rate))}


if __name__ == "__main__":
    tyro.cli(main)
