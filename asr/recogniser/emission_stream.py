"""Samples as they come -> log-probs, in memory that does not grow."""

from collections.abc import Mapping

import torch
from torch import Tensor

from asr.audio.log_mel import LogMelStream
from asr.model.acoustic import Stream
from asr.model.bptt import Chunked, State
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

    def state(self) -> dict[str, Tensor]:
        """All that the next samples need, on the CPU; it does not grow with what came before."""
        kept = {f"features.{name}": tensor for name, tensor in self._features.state().items()}
        if (stream := self._stream) is not None:
            kept |= {"log_mel": stream.log_mel, "place": torch.tensor([stream.dropped, stream.position])}
            begun = [(number, state) for number, state in enumerate(stream.states) if state is not None]
            kept |= {f"layer.{n}": torch.stack(s) if isinstance(s, tuple) else s for n, s in begun}
        return {name: tensor.cpu().contiguous() for name, tensor in kept.items()}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where another stream of this recogniser gave its state."""
        features = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
        self._features.resume({name.removeprefix("features."): tensor for name, tensor in features.items()})
        self._stream = None
        if "place" in state:
            device, layers = self._recogniser.device, range(self._recogniser.config.acoustic.layers)
            states = (state.get(f"layer.{number}") for number in layers)
            dropped, position = map(int, state["place"])
            carried = tuple(None if each is None else _carried(each.to(device)) for each in states)
            self._stream = Stream(state["log_mel"].to(device), dropped, position, carried)

    @torch.no_grad()
    def _step(self, log_mel: Tensor, *, last: bool) -> Tensor:
        log_probs, self._stream = self._recogniser.acoustic.step(log_mel[None], self._stream, self._reading, last=last)
        return log_probs[0]


def _carried(kept: Tensor) -> State:
    """(1, B, H) -> h; (2, 1, B, H) -> h and c."""
    return (kept[0], kept[1]) if kept.dim() == 4 else kept
