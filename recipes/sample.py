"""The sound in which every engine reads a known text: `asr doctor` tries the engines with it.

    python recipes/sample.py asr/bundled/english

It is no recording of anybody. The weights of a model say what sound would be this text. Gradient
descent moves noise there, by the CTC loss, with fresh noise at each step: so the text stands firm
where weights of 8 bits or another order of sums move the log-probs. Some minutes for 150 steps.
"""

import argparse
import inspect
from pathlib import Path

import numpy as np
import soundfile
import torch

from asr.cli import exit_codes
from asr.cli.output import TerminalProgress
from asr.files import atomic
from asr.model.ctc import ctc_loss
from asr.progress import Progress, track
from asr.recogniser.checksums import write_sums
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.units import Seconds

TEXT = "all is well and nothing is lost"
LENGTH: Seconds = 2.0
STEPS = 150
LOUDNESS = 0.05
"""Of the noise with which it begins; a fifth of it is added at each step."""


def main() -> None:
    """Write `sample.flac` and `sample.txt` into a model folder, and its checksums anew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    with exit_codes():
        write_sample(options.model, TEXT, steps=options.steps, progress=TerminalProgress())


def write_sample(folder: Path, text: str, *, steps: int, progress: Progress) -> None:
    """Compute a sound for a text, and write both beside the model.

    Raises:
        AsrError: if the model cannot be read or the files not be written.
    """
    recogniser = load_model(folder)
    sound = sound_of(recogniser, text, steps=steps, progress=progress)
    with atomic(folder / "sample.flac") as path:
        soundfile.write(path, sound, recogniser.config.features.sample_rate, subtype="PCM_16", format="FLAC")
    with atomic(folder / "sample.txt") as path:
        path.write_text(f"{text}\n", encoding="utf-8")
    write_sums(folder)


def sound_of(recogniser: Recogniser, text: str, *, steps: int, progress: Progress) -> np.ndarray:
    """Samples, (N,) float32, in which a recogniser reads a text."""
    torch.manual_seed(0)
    features, acoustic = recogniser.features, recogniser.acoustic.eval()
    energy = inspect.unwrap(type(features).energy)  # without its no_grad
    tokens = torch.tensor([recogniser.tokenizer.encode(text)])
    count = torch.tensor([round(LENGTH * recogniser.config.features.sample_rate)])
    sound = (LOUDNESS * torch.randn(1, int(count))).requires_grad_()
    optimiser = torch.optim.Adam([sound], lr=3e-3)
    for _ in track(range(steps), "listening backwards", steps, progress):
        heard, lengths = energy(features, sound + LOUDNESS / 5 * torch.randn_like(sound), count)
        log_mel = features.normalised(features._relative(heard, lengths))
        read = acoustic(log_mel, lengths, recogniser.reading)
        loss = ctc_loss(read.log_probs, read.lengths, tokens, torch.tensor([tokens.shape[1]])).values.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            sound.clamp_(-0.5, 0.5)
    samples: np.ndarray = sound.detach()[0].numpy()
    return samples


if __name__ == "__main__":
    main()
