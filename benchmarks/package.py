"""What a benchmark measures that is given nothing: the package's model, and its sample as sound."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from asr.audio.reader import Waveform, open_recording
from asr.recogniser.bundled import bundled_model, sample
from asr.recogniser.model_folder import load_model
from asr.recogniser.onnx_export import export
from asr.recogniser.onnx_runtime import MODEL_FILE
from asr.units import Seconds

RATE = 16_000
PAUSE: Seconds = 1.0
FAINT = 1e-3
"""Level of the noise in pauses, of full scale."""


def sound(seconds: Seconds) -> Waveform:
    """The package's sample again and again, with pauses."""
    with open_recording(sample()[0]) as recording:
        said = np.concatenate(list(recording.blocks(sample_rate=RATE)))
    size = round(seconds * RATE)
    pause = np.random.default_rng(0).normal(scale=FAINT, size=round(PAUSE * RATE))
    return np.resize(np.concatenate([said, pause.astype(np.float32)]), size)


@contextmanager
def as_file(given: Path | None, seconds: Seconds) -> Iterator[Path]:
    """A recording: the one that is given, or so much of the package's sample."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.wav"
        soundfile.write(path, sound(seconds), RATE)
        yield path


@contextmanager
def with_graphs(given: Path | None) -> Iterator[Path]:
    """A model folder: the one that is given, or the package's, to which both graphs are written."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "english"
        shutil.copytree(bundled_model(), copy)
        if not (copy / MODEL_FILE).is_file():
            export(load_model(copy), copy, int8=True)
        yield copy
