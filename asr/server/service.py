"""What the requests of a server share: models, turns, threads; and how a recording is read."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO

from asr.audio.reader import Waveform, open_recording
from asr.decoding.commands import UNFITTED, Commands
from asr.decoding.hotwords import USUAL_BONUS
from asr.errors import AsrError, DataError
from asr.server.failure import ApiError
from asr.server.settings import ServeConfig
from asr.server.turns import Turns
from asr.text.grammar import parse_grammar
from asr.text.timed import Segment, TimedText
from asr.transcription.segments import Segments
from asr.transcription.sound import Sound
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

STREAMS = 12
"""Live streams for each job, unless the settings say otherwise."""
KEPT = 4
"""Models with phrases of a client's, in memory for the next request."""


class Stopped(Exception):  # noqa: N818  (nobody's fault)
    """The client has left."""


@dataclass
class Service:
    """Models by name, the first for those who name none, and who may use them when."""

    models: Mapping[str, Transcriber]
    config: ServeConfig = field(default_factory=ServeConfig)
    jobs: int = 1
    """Recordings that are worked on at the same time."""

    def __post_init__(self) -> None:
        self._listening = lru_cache(KEPT)(lambda name, *wanted: listening_for(self.models[name], *wanted))
        self.turns = Turns(self.jobs, self.config.queue)
        self.started = int(time.time())
        self.streams = 0
        """That are open."""
        self.audio_seconds: Seconds = 0.0
        """Of sound that was read."""
        self.recording_threads = ThreadPoolExecutor(self.jobs, "recording")
        self.live_threads = ThreadPoolExecutor(self.jobs, "live")

    def model(self, name: str | None) -> Transcriber:
        """The model of a name.

        Raises:
            ApiError: if there is none (404).
        """
        try:
            return self.models[name or next(iter(self.models))]
        except KeyError:
            known = ", ".join(self.models)
            raise ApiError(404, f"no such model: {name}; there is {known}", "model_not_found", param="model") from None

    def listening(self, model: str | None, keywords: Iterable[str] = (), commands: Iterable[str] = ()) -> Transcriber:
        """A model with hot words or commands of one client; others do not see them.

        To make one takes seconds where there is a language model, so the last ones are kept.

        Raises:
            ApiError: if there is no such model (404); if a phrase cannot be spelt, or the grammar
                is wrong (422).
        """
        transcriber = self.model(model)
        phrases = tuple(phrase for line in keywords if (phrase := line.strip()))
        grammar = "\n".join(commands).strip()
        return (
            self._listening(model or next(iter(self.models)), phrases, grammar) if phrases or grammar else transcriber
        )

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Have a live stream open.

        Raises:
            ApiError: if as many are open as allowed (503).
        """
        allowed = STREAMS * self.jobs if self.config.streams is None else self.config.streams
        if self.streams >= allowed:
            reason = "as many streams as allowed are open; try again later"
            raise ApiError(503, reason, "too_many_streams", retry_after=30)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    def close(self) -> None:
        """End the threads, when their work is done."""
        self.recording_threads.shutdown()
        self.live_threads.shutdown()

    async def read(
        self, made: Callable[[], Transcriber], file: BinaryIO, language: str | None, end: float
    ) -> AsyncGenerator[Segment | TimedText, None]:
        """Give the segments of a recording as they are found, and at last the whole without them.

        Args:
            made: makes the transcriber, in the thread.
            file: the recording.
            language: for the result.
            end: when the time is over, by `time.monotonic`.

        Raises:
            ApiError: as `checked` and `sound_of`.
            AsrError: if the transcriber cannot be made.
        """
        loop, told, stopped = asyncio.get_running_loop(), asyncio.Queue[object](), threading.Event()

        def tell(what: object) -> None:
            loop.call_soon_threadsafe(told.put_nowait, what)

        def work() -> None:
            try:
                for found in transcribed(made(), file, language, self.config.max_duration, end, stopped):
                    tell(found)
                tell(None)
            except Exception as error:
                tell(error)

        working = loop.run_in_executor(self.recording_threads, work)
        try:
            while (what := await told.get()) is not None:
                if isinstance(what, Exception):
                    raise what
                assert isinstance(what, Segment | TimedText)
                if isinstance(what, TimedText):
                    self.audio_seconds += what.duration
                yield what
        finally:
            stopped.set()
            await asyncio.shield(working)


def listening_for(transcriber: Transcriber, keywords: Sequence[str], grammar: str) -> Transcriber:
    """A transcriber with hot words or commands of its own.

    Raises:
        ApiError: if some cannot be spelt, or the grammar is wrong (422).
    """
    try:
        if grammar:
            rejection = UNFITTED if transcriber.commands is None else transcriber.commands.rejection
            listened = Commands(transcriber.recogniser.tokenizer, parse_grammar(grammar), rejection)
            transcriber = replace(transcriber, decoder=None, commands=listened)
    except AsrError as error:
        raise ApiError(422, str(error), "invalid_value", param="commands[]") from None
    if not keywords:
        return transcriber
    try:
        reader = transcriber.reader.with_hotwords(dict.fromkeys(keywords, USUAL_BONUS))
    except AsrError as error:
        raise ApiError(422, str(error), "invalid_value", param="keywords[]") from None
    return replace(transcriber, decoder=reader.decoder)


def transcribed(
    transcriber: Transcriber,
    file: BinaryIO,
    language: str | None,
    longest: Seconds,
    end: float,
    stopped: threading.Event,
) -> Iterator[Segment | TimedText]:
    """Read a recording within limits: its segments, and at last the whole without them.

    Raises:
        ApiError: if it is no audio (415), damaged or empty (422), too long (413) or too slow (503).
        Stopped: if nobody waits for it any more.
    """
    rate = transcriber.recogniser.config.features.sample_rate
    is_open = False
    try:
        with open_recording(file) as recording:
            is_open = True
            if (recording.promised or 0) > longest:
                raise _too_long(longest)
            blocks = _watched(recording.blocks(1.0, sample_rate=rate), rate, longest, end, stopped)
            sound = Sound(blocks, rate, recording.warnings, "recording: ")
            found = Segments(nullcontext(sound), transcriber.parts)
            yield from found
            yield found.whole((), language)
    except DataError as error:
        if is_open or "is empty" in str(error):
            raise ApiError(422, str(error), "invalid_audio", param="file") from None
        raise ApiError(415, str(error), "unsupported_audio", param="file") from None
    except AsrError as error:
        raise ApiError(422, str(error), "invalid_value") from None


def _watched(
    blocks: Iterator[Waveform], rate: int, longest: Seconds, end: float, stopped: threading.Event
) -> Iterator[Waveform]:
    """Hand blocks on while the limits are kept: a header may lie, and silence packs well."""
    samples = 0
    for block in blocks:
        samples += len(block)
        if stopped.is_set():
            raise Stopped
        if samples > longest * rate:
            raise _too_long(longest)
        if time.monotonic() > end:
            raise ApiError(503, "it took too long; send a shorter recording, or try again later", "timeout")
        yield block


def _too_long(longest: Seconds) -> ApiError:
    return ApiError(
        413, f"the recording is longer than {longest:g} s; send it in parts", "audio_too_long", param="file"
    )
