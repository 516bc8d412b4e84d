"""Waveforms -> log-probs, by whichever library: what decoding and timing know of a recogniser."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.reader import Waveform
from asr.errors import ModelError
from asr.model.labels import LogProbs
from asr.model.reading import Chunked, Full
from asr.recogniser.config import RecogniserConfig
from asr.text.tokenizer import Tokenizer
from asr.units import Seconds

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
"""By name, as safetensors keeps them."""


def numbers(log_probs: LogProbs) -> LogProbs:
    """What a model has found, unchanged.

    Raises:
        ModelError: if it is no numbers, as of damaged weights.
    """
    if np.isnan(log_probs).any():
        raise ModelError("the model finds no numbers in this sound: its weights are damaged; get or train it again")
    return log_probs


class Engine(ABC):
    """A recogniser, be it PyTorch's (`Recogniser`) or onnxruntime's (`OnnxRecogniser`)."""

    config: RecogniserConfig
    tokenizer: Tokenizer

    @property
    def reading(self) -> Full | Chunked:
        """As `RecogniserConfig.reading`."""
        return self.config.reading

    @property
    def long_reading(self) -> Chunked:
        """As `RecogniserConfig.long_reading`."""
        return self.config.long_reading

    @property
    def latency(self) -> Seconds:
        """As `RecogniserConfig.latency`."""
        return self.config.latency

    @property
    @abstractmethod
    def device(self) -> Any:
        """PyTorch's, of the weights."""

    @abstractmethod
    def in_chunks(self, chunk: Seconds, lookahead: Seconds) -> "Engine":
        """This recogniser, reading in other chunks; its weights are shared."""

    @abstractmethod
    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Score whole utterances, as at test time.

        Args:
            waveforms: (N,) each, at the features' sample rate. One too short for a frame has no
                log-probs.

        Raises:
            ModelError: if the weights are damaged.
        """

    @abstractmethod
    def emissions(self, waveforms: Any, num_samples: Any) -> Any:
        """As `log_probs`, from a batch of tensors, and as `asr.model.acoustic.Emissions`."""

    @abstractmethod
    def feature_stream(self) -> Any:
        """Begin a recording: `accept(samples)` and `finish()` give frames for `step`."""

    @abstractmethod
    def step(self, log_mel: Any, stream: Any, reading: Chunked, *, last: bool) -> tuple[LogProbs, Any]:
        """Score frames of one recording as they come in, as `AcousticModel.step` does.

        Args:
            log_mel: from `feature_stream`.
            stream: what the last call returned; None begins a recording.
            reading: chunk and lookahead.
            last: whether the recording ends here.

        Raises:
            ModelError: if the weights are damaged.
        """

    @abstractmethod
    def stream_state(self, stream: Any) -> Arrays:
        """What `step` returned, to be kept."""

    @abstractmethod
    def resumed(self, state: Mapping[str, Any]) -> Any:
        """The other way."""
