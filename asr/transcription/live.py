"""Sound as it comes -> text as people speak: partial texts, and finals that never change.

    model = asr.load("runs/live/best")
    stream = model.stream(sample_rate=48_000)
    for block in blocks:
        for event in stream.accept(block):
            ...
    events = stream.finish()

The stream reads a chunk as soon as its lookahead is heard. So events depend on the samples alone,
not on the blocks in which they come. A piece ends where `endpoint` says, and is decoded like a
piece of a recording. Memory does not grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.declip import Declipper
from asr.audio.mono import are_sound, to_float
from asr.audio.reader import resampler
from asr.audio.waveform import Waveform
from asr.errors import ConfigError, DataError
from asr.model.reading import Chunked
from asr.text.timed import Segment
from asr.transcription.endpoint import LiveConfig, find_endpoint
from asr.transcription.long import Parting, Piece
from asr.transcription.part import PieceReader
from asr.transcription.running import RunningText
from asr.units import Samples, Seconds, seconds_to_samples

CHUNK: Seconds = 0.32
LOOKAHEAD: Seconds = 0.64
"""Of a model that was trained whole: only its partial texts depend on them."""


@dataclass(frozen=True)
class Partial:
    """What is being said by now, since the last final."""

    text: str
    stable_prefix: str
    """Whole words at the head of the text that stay, to the final."""


@dataclass(frozen=True)
class Final:
    """A segment that is complete; its times count from the stream's beginning."""

    segment: Segment


Event: TypeAlias = Partial | Final


class LiveStream:
    """Text while samples come in; `Transcriber.stream` makes it.

    Attributes:
        latency: how long a sample waits at most for its log-probs, in seconds, arithmetic, the
            silence of an endpoint and the ends of peaks that were cut off (10 ms) not counted.
        position: seconds of sound that have come.
    """

    def __init__(self, reader: PieceReader, config: LiveConfig, sample_rate: int) -> None:
        own = reader.recogniser
        chunk, lookahead = config.chunk or own.config.chunk or CHUNK, config.lookahead
        if lookahead is None:
            lookahead = LOOKAHEAD if own.config.chunk is None else own.config.lookahead
        recogniser = own.in_chunks(chunk, lookahead)
        self._reader, self._recogniser, self._config = reader, recogniser, config
        self._is_final = isinstance(own.reading, Chunked) and reader.commands is None
        wanted = recogniser.config.features.sample_rate
        if not 0 < sample_rate < float("inf"):
            raise ConfigError(f"sample_rate must be a positive number of Hz, got {sample_rate}")
        self._declipper = Declipper(sample_rate)
        self._resampler = None if sample_rate == wanted else resampler(sample_rate, wanted)
        frames = recogniser.config.frames
        find = partial(
            find_endpoint,
            silence=frames(config.silence),
            longest=frames(config.longest, least=2),
            idle=frames(config.idle, least=2),
        )
        self._parting = Parting(recogniser, find)
        self._waiting: list[Waveform] = []
        self.latency: Seconds = recogniser.latency
        self._next: Samples = seconds_to_samples(self.latency, wanted)
        """Samples that have to wait for the next chunk to be complete."""
        features = recogniser.config.features
        self._step = frames(chunk) * recogniser.config.acoustic.subsampling * features.hop_samples
        self._received, self._rate = 0, sample_rate
        self._running = self._begin()
        self._shown = Partial("", "")

    @property
    def position(self) -> Seconds:
        """Seconds of sound that have come."""
        return self._received / self._rate

    def accept(self, samples: npt.NDArray[Any]) -> list[Event]:
        """Take the next samples, and tell what is new.

        Args:
            samples: (N,), any number; floats of full scale +-1, or PCM integers.

        Raises:
            DataError: if some are not numbers, or their shape is another.
        """
        if samples.ndim != 1:
            raise DataError(f"samples have the shape {samples.shape}; a stream takes one channel, (N,)")
        waveform = to_float(samples)
        if not are_sound(waveform):
            raise DataError("holds samples that are not numbers of sound")
        self._received += len(waveform)
        waveform = self._declipper.accept(waveform[:, None])[:, 0]
        if self._resampler is not None:
            waveform = self._resampler.resample_chunk(waveform)
        self._waiting.append(waveform)
        return self._read()

    def finish(self) -> list[Event]:
        """Tell what is left when no sample comes any more; call it once."""
        rest = self._declipper.finish()[:, 0]
        self._waiting.append(rest if self._resampler is None else self._resampler.resample_chunk(rest, last=True))
        events = self._read()
        rest = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        self._waiting.clear()
        return [*events, *self._finals([*self._parting.accept(rest), *self._parting.finish()])]

    def change_hotwords(self, hotwords: Mapping[str, float]) -> None:
        """Favour other phrases from the next segment on.

        Args:
            hotwords: phrases, and what each earns in nats; none favours nothing.

        Raises:
            ConfigError: if a phrase cannot be spelt with the model's tokens, or commands are
                listened for.
        """
        self._reader = self._reader.with_hotwords(hotwords)

    def _read(self) -> list[Event]:
        """Read the chunks that are complete, one by one."""
        events: list[Event] = []
        if sum(map(len, self._waiting)) < self._next:
            return events
        waveform = np.concatenate(self._waiting)
        while len(waveform) >= self._next:
            events += self._finals(self._parting.accept(waveform[: self._next]))
            waveform, self._next = waveform[self._next :], self._step
            unfinished = self._parting.unfinished
            self._running.update(unfinished)
            shown = Partial(self._running.text, self._running.stable)
            if shown != self._shown:
                events.append(shown)
                self._shown = shown
        self._waiting = [waveform]
        return events

    def _finals(self, pieces: list[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            part = self._running.finish(piece)
            events += [Final(segment.shifted(part.start)) for segment in part.timed.segments]
            self._running, self._shown = self._begin(), Partial("", "")
        return events

    def _begin(self) -> RunningText:
        settle = self._recogniser.config.frames(self._config.settle)
        return RunningText(self._reader, self._recogniser, settle, is_final=self._is_final)
