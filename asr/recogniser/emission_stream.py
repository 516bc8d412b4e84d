"""Samples as they come -> log-probs, in memory that does not grow."""

from collections.abc import Mapping
from typing import Any

from asr.audio.reader import Waveform
from asr.model.labels import LogProbs
from asr.model.reading import Chunked
from asr.recogniser.engine import Arrays, Engine


class EmissionStream:
    """Log-probs of a recording of which the samples come in pieces.

    A model that was trained in chunks says the same as of the whole recording. One that was trained
    whole reads in long chunks here: its forward direction's state goes from chunk to chunk exactly,
    its backward direction begins `lookahead` beyond each chunk instead of at the recording's end.

    Args:
        recogniser: the model.
        reading: chunk and lookahead, in output frames: `Engine.reading` or `long_reading`.
    """

    def __init__(self, recogniser: Engine, reading: Chunked) -> None:
        self._recogniser, self._reading = recogniser, reading
        self._features = recogniser.feature_stream()
        self._stream: Any = None

    def accept(self, samples: Waveform) -> LogProbs:
        """The next samples, (N,) float32, any number -> (T, V), of the chunks that are complete."""
        return self._step(self._features.accept(samples), last=False)

    def finish(self) -> LogProbs:
        """(T, V), of what is left; nothing comes after."""
        return self._step(self._features.finish(), last=True)

    def state(self) -> Arrays:
        """All that the next samples need; it does not grow with what came before."""
        kept = {f"features.{name}": array for name, array in self._features.state().items()}
        return kept if self._stream is None else kept | self._recogniser.stream_state(self._stream)

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where another stream of this recogniser gave its state."""
        features = {name: array for name, array in state.items() if name.startswith("features.")}
        self._features.resume({name.removeprefix("features."): array for name, array in features.items()})
        self._stream = self._recogniser.resumed(state) if "place" in state else None

    def _step(self, log_mel: Any, *, last: bool) -> LogProbs:
        log_probs, self._stream = self._recogniser.step(log_mel, self._stream, self._reading, last=last)
        return log_probs
