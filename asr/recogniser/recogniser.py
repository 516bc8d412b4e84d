"""A recogniser: features, acoustic model and tokenizer, that belong together."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from asr.audio.log_mel import LogMel, LogMelStream
from asr.audio.reader import Waveform
from asr.model.acoustic import AcousticModel, Emissions, Stream
from asr.model.bptt import State
from asr.model.labels import LogProbs
from asr.model.reading import Chunked
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.engine import Arrays, Engine, numbers
from asr.text.tokenizer import Tokenizer
from asr.units import Seconds

STATISTICS = ("front_end", "mean", "deviation")
"""Of the features, that a model keeps."""
ACOUSTIC = "acoustic."
"""Prefix of the acoustic model's tensors on disk."""


class Recogniser(Engine):
    """Waveforms in, log-probs of tokens out.

    Args:
        config: shapes of features and acoustic model.
        tokenizer: what the tokens mean.
    """

    def __init__(self, config: RecogniserConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.features = LogMel(config.features, ahead=config.level_ahead)
        self.acoustic = AcousticModel(config.acoustic, num_features=config.features.num_mels, num_tokens=tokenizer.size)

    def to(self, device: torch.device) -> "Recogniser":
        """Move the modules, and return this recogniser."""
        self.features.to(device)
        self.acoustic.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return next(self.acoustic.parameters()).device

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.acoustic.parameters())

    def state(self) -> dict[str, Tensor]:
        """All that training found: the features' statistics and the acoustic model's weights."""
        statistics = {f"features.{name}": getattr(self.features, name) for name in STATISTICS}
        return statistics | {f"{ACOUSTIC}{name}": tensor for name, tensor in self.acoustic.state_dict().items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Copy what `state` gave into the tensors that are there.

        Raises:
            RuntimeError: if a tensor is missing, unknown or of another shape; names it.
        """
        for name in STATISTICS:
            if f"features.{name}" not in state:
                raise RuntimeError(f"features.{name} is missing")
            getattr(self.features, name).copy_(state[f"features.{name}"])
        self.acoustic.load_state_dict(
            {name.removeprefix(ACOUSTIC): tensor for name, tensor in state.items() if not name.startswith("features.")}
        )

    def in_chunks(self, chunk: Seconds, lookahead: Seconds) -> "Recogniser":
        """This recogniser, reading in other chunks; its weights are shared.

        Args:
            chunk: length of a chunk. A chunked model loses nothing if it is shorter than the chunks
                of its training: each frame still sees at least the lookahead.
            lookahead: what is seen beyond it.

        Raises:
            ConfigError: if they are not allowed.
        """
        other = copy.copy(self)
        other.config = replace(self.config, chunk=chunk, lookahead=lookahead)
        other.features = LogMel(self.config.features, ahead=other.config.level_ahead).to(self.device)
        other.features.load_state_dict(self.features.state_dict())
        return other

    def with_acoustic(self, acoustic: AcousticModel) -> "Recogniser":
        """This recogniser with another acoustic model of its shape; all else is shared."""
        other = copy.copy(self)
        other.acoustic = acoustic
        return other

    @torch.no_grad()
    def emissions(self, waveforms: Tensor, num_samples: Tensor) -> Emissions:
        """Score whole utterances, as at test time.

        Args:
            waveforms: (B, N) float32 at the features' sample rate, on any device.
            num_samples: (B,), valid samples. A waveform too short for one frame has log-probs of
                length 0.
        """
        self.acoustic.eval()
        log_mel, lengths = self.features(waveforms.to(self.device), num_samples.to(self.device))
        emissions: Emissions = self.acoustic(log_mel, lengths, self.reading)
        return emissions

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Score whole utterances, as a batch."""
        if not waveforms:
            return []
        batch = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in waveforms], batch_first=True)
        return [*map(numbers, self.emissions(batch, torch.tensor(list(map(len, waveforms)))).utterances())]

    def feature_stream(self) -> "_FeatureStream":
        """Begin a recording."""
        return _FeatureStream(self)

    @torch.no_grad()
    def step(self, log_mel: Tensor, stream: Stream | None, reading: Chunked, *, last: bool) -> tuple[LogProbs, Stream]:
        """Score frames of one recording as they come in."""
        self.acoustic.eval()
        log_probs, stream = self.acoustic.step(log_mel[None], stream, reading, last=last)
        return numbers(log_probs[0].cpu().numpy()), stream

    def stream_state(self, stream: Stream) -> Arrays:
        """What `step` returned, to be kept."""
        kept = {"log_mel": stream.log_mel, "place": torch.tensor([stream.dropped, stream.position])}
        begun = [(number, state) for number, state in enumerate(stream.states) if state is not None]
        kept |= {f"layer.{n}": torch.stack(s) if isinstance(s, tuple) else s for n, s in begun}
        return {name: tensor.cpu().numpy() for name, tensor in kept.items()}

    def resumed(self, state: Mapping[str, Any]) -> Stream:
        """The other way."""
        tensors = {name: torch.as_tensor(array, device=self.device) for name, array in state.items()}
        states = (tensors.get(f"layer.{number}") for number in range(self.config.acoustic.layers))
        carried = tuple(None if each is None else _carried(each) for each in states)
        dropped, position = map(int, state["place"])
        return Stream(tensors["log_mel"], dropped, position, carried)


def _carried(kept: Tensor) -> State:
    """(1, B, H) -> h; (2, 1, B, H) -> h and c."""
    return (kept[0], kept[1]) if kept.dim() == 4 else kept


class _FeatureStream:
    """`LogMelStream` from NumPy's samples."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._stream = LogMelStream(recogniser.features)

    def accept(self, samples: Waveform) -> Tensor:
        return self._stream.accept(torch.as_tensor(samples))

    def finish(self) -> Tensor:
        return self._stream.finish()

    def state(self) -> Arrays:
        return {name: tensor.cpu().numpy() for name, tensor in self._stream.state().items()}

    def resume(self, state: Mapping[str, Any]) -> None:
        self._stream.resume({name: torch.as_tensor(array) for name, array in state.items()})
