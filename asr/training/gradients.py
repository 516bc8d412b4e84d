"""How far gradients reach in recognisers, fresh or trained, on real utterances.

It gives figures and a picture.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.data.batches import load_batches, plan_batches
from asr.data.cuts import LazyCut
from asr.errors import DataError
from asr.files import atomic
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import TokenizerConfig, train_tokenizer
from asr.training.reach import Reach, draw_reach, measure_reach, recommended_segment, to_json
from asr.units import Seconds

UTTERANCES = 16
"""The longest of the manifest, on which the measurement is made."""


@dataclass(frozen=True)
class Inspection:
    """What was measured of one recogniser."""

    name: str
    cell: str
    frame: Seconds
    reaches: list[Reach]

    @property
    def segment(self) -> Seconds | None:
        """The shortest segment that serves every layer and direction."""
        frames = recommended_segment(self.reaches)
        return None if frames is None else frames * self.frame


def fresh(
    acoustic: AcousticConfig,
    cuts: Sequence[LazyCut],
    *,
    gain: float = 1.0,
    seed: int = 0,
    device: torch.device | None = None,
) -> Recogniser:
    """A recogniser with random weights, and features fitted to the utterances it is measured on.

    Args:
        acoustic: its shape.
        cuts: the utterances.
        gain: factor of the recurrent matrices. PyTorch draws them uniformly from -1/sqrt(H) to
            1/sqrt(H), which gives a spectral radius of about 1/sqrt(3).
        seed: of the weights, which are the same on every device.
        device: where to put it; None is the CPU.
    """
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(TokenizerConfig(), (cut.text for cut in cuts))
    recogniser = Recogniser(RecogniserConfig(acoustic=acoustic), tokenizer)
    with torch.no_grad():
        for name, parameter in recogniser.acoustic.named_parameters():
            if "weight_hh" in name:
                parameter.mul_(gain)
    recogniser.to(device or torch.device("cpu"))
    rate = recogniser.config.features.sample_rate
    plan = plan_batches(longest(cuts), 60.0, seed=None)
    batches = load_batches(plan, tokenizer, sample_rate=rate, loaders=0)
    recogniser.features.fit((batch.waveforms, batch.num_samples) for batch in batches)
    return recogniser


def longest(cuts: Sequence[LazyCut]) -> list[LazyCut]:
    """The utterances to measure on."""
    return sorted(cuts, key=lambda cut: (-cut.duration, cut.id))[:UTTERANCES]


def inspect(
    name: str, recogniser: Recogniser, cuts: Sequence[LazyCut], *, distance: Seconds, probes: int = 64
) -> Inspection:
    """Measure a recogniser, on the device where it is, on the longest of some utterances.

    Args:
        name: for tables and pictures.
        recogniser: fresh or trained.
        cuts: utterances to choose from.
        distance: how far back and ahead to look.
        probes: frames to average over.

    Raises:
        DataError: if audio cannot be read, or no utterance has two output frames.
    """
    chosen, frame = longest(cuts), recogniser.config.frame
    rate = recogniser.config.features.sample_rate
    whole = [chosen]  # one batch, of at most `UTTERANCES`
    (batch,) = load_batches(whole, recogniser.tokenizer, sample_rate=rate, loaders=0)
    batch = batch.to(recogniser.device)
    log_mel, lengths = recogniser.features(batch.waveforms, batch.num_samples)
    enough = lengths > recogniser.config.acoustic.subsampling
    if not enough.any():
        raise DataError(f"no utterance is longer than an output frame ({1000 * frame:.0f} ms); take longer ones")
    frames = recogniser.config.frames(distance)
    reaches = measure_reach(recogniser.acoustic, log_mel[enough], lengths[enough], distance=frames, probes=probes)
    return Inspection(name, recogniser.config.acoustic.cell, frame, reaches)


def save(inspections: Sequence[Inspection], folder: Path) -> None:
    """Write `gradients.json` and `gradients.png`."""
    described = [
        {
            "name": inspection.name,
            "cell": inspection.cell,
            "recommended_segment_seconds": inspection.segment,
            "layers": to_json(inspection.reaches, frame=inspection.frame),
        }
        for inspection in inspections
    ]
    with atomic(folder / "gradients.json") as path:
        path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    draw_reach([(i.name, i.frame, i.reaches) for i in inspections], folder / "gradients.png")
