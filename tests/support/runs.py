"""Settings and trainers that are over in a moment."""

import dataclasses
import random
from pathlib import Path

import safetensors.torch
import torch
from support.tones import RATE, waveform

from asr.audio.augment import LIGHT
from asr.data.batches import Batch, collate
from asr.model.shape import AcousticConfig
from asr.ranks import ALONE, Ranks
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer
from asr.training.objective import Transcription
from asr.training.settings import BpttConfig, TrainConfig
from asr.training.trainer import Trainer

SMALL = TrainConfig(
    acoustic=AcousticConfig(channels=4, layers=2, hidden=12, intermediate=(1,)),
    bptt=BpttConfig(segment=0.4),
    epochs=3,
    batch_seconds=4.0,
    threads=2,
    checkpoint_every=0.0,
)
PLAIN = dataclasses.replace(
    SMALL,
    acoustic=dataclasses.replace(SMALL.acoustic, dropout=0.0),
    augment=dataclasses.replace(LIGHT, speeds=(1.0,), time_masks_per_second=0.0, frequency_masks=0),
)
TOKENIZER = CharacterTokenizer(" abc")


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    best = safetensors.torch.load_file(run / "best" / "model.safetensors")
    return {
        **state["model"],
        **{f"averaged.{n}": t for n, t in state["averaged"].items()},
        **{f"best.{n}": t for n, t in best.items()},
    }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def batch(texts: list[str], seconds: list[float] | None = None) -> Batch:
    draw = random.Random(1)
    samples = [waveform(text, draw) for text in texts]
    if seconds is not None:
        samples = [s[: int(length * RATE)] for s, length in zip(samples, seconds, strict=True)]
    names = [f"utterance-{n}" for n in range(len(texts))]
    return collate(names, texts, [torch.from_numpy(s).float() for s in samples], TOKENIZER)


def trainer(config: TrainConfig, ranks: Ranks = ALONE) -> Trainer:
    torch.manual_seed(0)
    recogniser = Recogniser(config.recogniser, TOKENIZER)
    return Trainer(config, recogniser, Transcription(config, recogniser.acoustic), ranks)


def parameters(trainer: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.parameters]
