"""Two models of one shape, and a voice that says which of them reads.

A model that is adapted to one voice hears that one better, and all others worse. So the folder of
an adapted model also holds the base model, in `others/`. Which of both reads an utterance is told
by how it sounds: mean and deviation of each mel bin, weighed as logistic regression has found
(`asr.training.voice`). Voices and microphones both count. Nothing is read twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from asr.audio.features import Floats
from asr.audio.log_mel_numpy import NumpyLogMel
from asr.audio.reader import Waveform
from asr.errors import ModelError
from asr.files import atomic
from asr.model.labels import LogProbs
from asr.model.reading import Chunked
from asr.recogniser.engine import Arrays, Engine
from asr.units import Seconds

OTHERS_FOLDER = "others"
VOICE_FILE = "voice.safetensors"
QUIET = 40
"""Percent of an utterance's frames, the quietest, that do not tell whose voice it is."""


@dataclass(frozen=True)
class Voice:
    """What tells one voice from others."""

    weights: Floats
    """(2M + 1,): of the means and the deviations of the mel bins, and a constant."""

    def __call__(self, log_mel: Floats) -> bool:
        """Whether an utterance, (T, M), is of this voice; one without a frame is not."""
        return len(log_mel) > 0 and bool(describe(log_mel) @ self.weights[:-1] + self.weights[-1] > 0)

    def save(self, folder: Path) -> None:
        """Write it into a model folder."""
        with atomic(folder / VOICE_FILE) as path:
            path.write_bytes(safetensors.numpy.save({"weights": np.asarray(self.weights, np.float32)}))


def describe(log_mel: Floats) -> Floats:
    """(T, M), at least one frame -> (2M,): mean and deviation of each bin where it is loud."""
    loudness = log_mel.mean(axis=1)
    loud = log_mel[loudness >= np.percentile(loudness, QUIET)]
    return np.concatenate([loud.mean(axis=0), loud.std(axis=0)])


def load_voice(folder: Path, num_mels: int) -> Voice:
    """Read what `Voice.save` wrote.

    Raises:
        ModelError: if it is missing or damaged, or of other features.
    """
    path = folder / VOICE_FILE
    try:
        weights = safetensors.numpy.load_file(path)["weights"]
        if weights.shape != (2 * num_mels + 1,) or not np.isfinite(weights).all():
            raise ValueError("it is of other features")
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: cannot be used ({error}); copy the whole model folder again") from None
    return Voice(weights)


class ByVoice(Engine):
    """A recogniser that reads its own voice by one model, and others by another.

    What comes in as a stream is read by the first alone: who speaks is not known yet.

    Args:
        own: for the voice.
        others: of the same tokens and features.
        voice: tells which reads.
    """

    def __init__(self, own: Engine, others: Engine, voice: Voice) -> None:
        self.own, self.others, self.voice = own, others, voice
        self.config, self.tokenizer = own.config, own.tokenizer
        self._features = NumpyLogMel(own.config.features, ahead=own.config.level_ahead)

    @property
    def device(self) -> Any:
        """The own model's."""
        return self.own.device

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Score whole utterances, each by one of the models."""
        found: list[LogProbs] = [np.zeros((0, self.tokenizer.size), np.float32)] * len(waveforms)
        for engine, numbers in self._share_out(waveforms):
            scored = engine.log_probs([waveforms[number] for number in numbers])
            for number, log_probs in zip(numbers, scored, strict=True):
                found[number] = log_probs
        return found

    def emissions(self, waveforms: Any, num_samples: Any) -> Any:
        """As `log_probs`, from and to PyTorch's tensors."""
        import torch

        from asr.model.acoustic import Emissions

        sizes = num_samples.tolist()
        sounds = [row[:size] for row, size in zip(waveforms.cpu().numpy(), sizes, strict=True)]
        parts: list[tuple[int, Any, Any]] = []
        for engine, numbers in self._share_out(sounds):
            found = engine.emissions(waveforms[numbers], num_samples[numbers])
            parts += zip(numbers, found.log_probs, found.lengths, strict=True)
        rows = [(log_probs, length) for _, log_probs, length in sorted(parts, key=lambda part: part[0])]
        padded = torch.nn.utils.rnn.pad_sequence([log_probs for log_probs, _ in rows], batch_first=True)
        return Emissions(padded, torch.stack([length for _, length in rows]), ())

    def in_chunks(self, chunk: Seconds, lookahead: Seconds) -> Engine:
        """The own model alone, in chunks."""
        return self.own.in_chunks(chunk, lookahead)

    def feature_stream(self) -> Any:
        """The own model's."""
        return self.own.feature_stream()

    def step(self, log_mel: Any, stream: Any, reading: Chunked, *, last: bool) -> tuple[LogProbs, Any]:
        """By the own model."""
        return self.own.step(log_mel, stream, reading, last=last)

    def stream_state(self, stream: Any) -> Arrays:
        """The own model's."""
        return self.own.stream_state(stream)

    def resumed(self, state: Mapping[str, Any]) -> Any:
        """The other way."""
        return self.own.resumed(state)

    def _share_out(self, waveforms: Sequence[Waveform]) -> list[tuple[Engine, list[int]]]:
        """Which utterances each model reads, by number; a model that reads none is left out."""
        is_own = [self.voice(self._features(waveform)) for waveform in waveforms]
        shared = [
            (engine, [number for number, one in enumerate(is_own) if one is wanted])
            for engine, wanted in ((self.own, True), (self.others, False))
        ]
        return [(engine, numbers) for engine, numbers in shared if numbers]
