"""Samples as they come -> log-probs, in memory that does not grow."""

import torch
from torch import Tensor

from asr.audio.log_mel import LogMelStream
from asr.model.acoustic import Stream
from asr.model.bptt import Chunked
from asr.recogniser.recogniser import Recogniser


class EmissionStream:
    """Log-probs of a recording of which the samples come in pieces.

    A model that was trained in chunks says the same as of the whole recording. One that was trained
    whole reads in long chunks here: its forward direction's state goes from chunk to chunk exactly,
    its backward direction begins `lookahead` beyond each chunk instead of at the recording's end.

    Args:
        recogniser: the model.
        reading: chunk and lookahead, in output frames: `Recogniser.reading` or `long_reading`.
    """

    def __init__(self, recogniser: Recogniser, reading: Chunked) -> None:
        recogniser.acoustic.eval()
        self._recogniser, self._reading = recogniser, reading
        self._features = LogMelStream(recogniser.features)
        self._stream: Stream | None = None

    def accept(self, samples: Tensor) -> Tensor:
        """The next samples, (N,) float32, any number -> (T, V), of the chunks that are complete."""
        return self._step(self._features.accept(samples), last=False)

    def finish(self) -> Tensor:
        """(T, V), of what is left; nothing comes after."""
        return self._step(self._features.finish(), last=True)

    @torch.no_grad()
    def _step(self, log_mel: Tensor, *, last: bool) -> Tensor:
        log_probs, self._stream = self._recogniser.acoustic.step(log_mel[None], self._stream, self._reading, last=last)
        return log_probs[0]
