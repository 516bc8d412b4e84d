"""Live sound to text in OpenAI's realtime transcription events, over a WebSocket.

    server   session.created
    client   session.update: format, model, language, keywords, turn detection, logprobs
    server   session.updated
    client   input_audio_buffer.append: base64 of PCM, mu-law or A-law
    server   input_audio_buffer.speech_started, as soon as a word is heard
    server   conversation.item.input_audio_transcription.delta: words that stay
    server   input_audio_buffer.speech_stopped, .committed, conversation.item.added, .done
    server   conversation.item.input_audio_transcription.completed: the whole text

An item is what is said up to a pause. Without turn detection it is what comes up to
`input_audio_buffer.commit`. `input_audio_buffer.clear` forgets what has not become an item. What is
wrong gets an `error` event, after which the session goes on.
"""

import base64
import contextlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from asr.errors import AsrError
from asr.server.answers import token_logprobs
from asr.server.failure import ApiError, close_reason, fault
from asr.server.gate import protocol
from asr.server.live import heard, in_thread, tell
from asr.server.realtime_settings import RealtimeSettings
from asr.server.service import Service
from asr.text.timed import Segment, Word
from asr.transcription.endpoint import LiveConfig
from asr.transcription.live import Event, LiveStream, Partial
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

BLOCK: Seconds = 0.1
"""Sound that is read at a time, however much comes in a message."""
TRANSCRIPTION = "conversation.item.input_audio_transcription"
Told: TypeAlias = dict[str, Any]
"""An event of the server, without its id."""


class ClientEvent(BaseModel):
    """What all events of a client may have: a name, which comes back with an error."""

    event_id: str | None = None


class Update(ClientEvent):
    """Other settings; those that are left out stay."""

    type: Literal["session.update"]
    session: dict[str, Any]


class Append(ClientEvent):
    """More sound."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(ClientEvent):
    """What has come is an item."""

    type: Literal["input_audio_buffer.commit"]


class Clear(ClientEvent):
    """What has come and is no item yet is forgotten."""

    type: Literal["input_audio_buffer.clear"]


AnyEvent: TypeAlias = Annotated[Update | Append | Commit | Clear, Field(discriminator="type")]
CLIENT_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


@dataclass
class Item:
    """What is being said, and what was told of it."""

    id: str
    start: Seconds
    """Where in the session's sound."""
    text: str = ""
    """Of segments that are complete."""
    words: list[Word] = field(default_factory=list)
    running: str = ""
    """Of the segment that is being said, as far as it was told."""

    def delta(self, text: str) -> str:
        """What is new in the text of the segment that is being said."""
        new = text[len(self.running) :]
        if new and self.text and not self.running:
            new = " " + new
        self.running = text
        return new

    def add(self, segment: Segment) -> None:
        """Take a complete segment, of which all was told."""
        self.text, self.running = f"{self.text} {segment.text}".strip(), ""
        self.words += segment.words


class RealtimeSession:
    """A client's settings and sound; each method tells the events that it leads to."""

    def __init__(self, service: Service, model: str | None = None) -> None:
        self._service = service
        self.settings = RealtimeSettings().changed({"audio": {"input": {"transcription": {"model": model}}}})
        self._transcriber = self._chosen(self.settings)
        self._id = new_id("sess")
        self._stream: LiveStream | None = None
        self._before: Seconds = 0.0
        """Sound before that of the stream."""
        self._item: Item | None = None
        self._previous: str | None = None
        self._end: Seconds = 0.0
        """Of the last item."""

    @property
    def position(self) -> Seconds:
        """Seconds of sound that have come."""
        return self._before + (0.0 if self._stream is None else self._stream.position)

    def created(self) -> list[Told]:
        """What comes first."""
        return [self._session("session.created")]

    def accept(self, event: AnyEvent) -> Iterator[list[Told]]:
        """Do what a client asks for, in steps of little work.

        Raises:
            ApiError: if it cannot be done.
            AsrError: as `LiveStream`.
        """
        if isinstance(event, Append):
            yield from self._append(event.audio)
        elif isinstance(event, Update):
            yield self._update(event.session)
        elif isinstance(event, Commit):
            if self._stream is None:
                raise ApiError(422, "no sound has come since the last item", "input_audio_buffer_commit_empty")
            yield self._commit()
        else:
            self._before, self._stream, self._item = self.position, None, None
            self._end = self._before
            yield [{"type": "input_audio_buffer.cleared"}]

    def _append(self, audio: str) -> Iterator[list[Told]]:
        samples = decoded(audio, self.settings)
        size = round(BLOCK * self.settings.sample_rate)
        for start in range(0, len(samples), size):
            if self.position > self._service.config.max_duration:
                raise ApiError(413, "the session has become too long; open another one", "audio_too_long")
            if self._stream is None:
                self._stream = self._transcriber.stream(self.settings.sample_rate, self._config())
            yield self._heard(self._stream.accept(samples[start : start + size]))

    def _update(self, changes: dict[str, Any]) -> list[Told]:
        """Take other settings. What has come before them becomes an item."""
        settings = self.settings.changed(changes)
        transcriber = self._chosen(settings)
        told = [] if self._stream is None or settings == self.settings else self._commit()
        self.settings, self._transcriber = settings, transcriber
        return [*told, self._session("session.updated")]

    def _commit(self) -> list[Told]:
        """End the stream."""
        assert self._stream is not None
        previous, told = self._previous, self._heard(self._stream.finish())
        if self._item is not None or self._previous == previous:
            self._item = self._item or Item(new_id("item"), self._end)
            told += [*self._committed(self._item), *self._completed(self._item, self.position)]
        self._before, self._stream = self.position, None
        self._end = self._before
        return told

    def _heard(self, events: list[Event]) -> list[Told]:
        told: list[Told] = []
        for event in events:
            if isinstance(event, Partial):
                if event.text:
                    told += self._started(self.position - (self._stream.latency if self._stream else 0.0))
                if self._item is not None:
                    told += self._delta(self._item, event.stable_prefix)
            else:
                told += self._final(event.segment.shifted(self._before))
        return told

    def _started(self, at: Seconds) -> list[Told]:
        """Begin an item, if none has begun."""
        if self._item is not None:
            return []
        turns = self.settings.turns
        if turns is None:
            self._item = Item(new_id("item"), self._end)
            return []
        self._item = Item(new_id("item"), max(self._end, at - turns.prefix_padding_ms / 1000))
        start = round(1000 * self._item.start)
        return [{"type": "input_audio_buffer.speech_started", "audio_start_ms": start, "item_id": self._item.id}]

    def _final(self, segment: Segment) -> list[Told]:
        told = self._started(segment.start)
        item = self._item
        assert item is not None
        if self.settings.turns is None:
            told += self._delta(item, segment.text)
            item.add(segment)
            return told
        end = max(segment.end, item.start)
        stopped = {"audio_end_ms": round(1000 * end), "item_id": item.id}
        told += [{"type": "input_audio_buffer.speech_stopped"} | stopped, *self._committed(item)]
        told += self._delta(item, segment.text)
        item.add(segment)
        return [*told, *self._completed(item, end)]

    def _delta(self, item: Item, text: str) -> list[Told]:
        told = {"type": f"{TRANSCRIPTION}.delta", "item_id": item.id, "content_index": 0, "delta": item.delta(text)}
        return [told] if told["delta"] else []

    def _committed(self, item: Item) -> list[Told]:
        message = {
            "id": item.id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        after = {"previous_item_id": self._previous}
        return [
            {"type": "input_audio_buffer.committed", "item_id": item.id} | after,
            {"type": "conversation.item.added", "item": message} | after,
            {"type": "conversation.item.done", "item": message} | after,
        ]

    def _completed(self, item: Item, end: Seconds) -> list[Told]:
        """End an item."""
        more = {"logprobs": token_logprobs(item.words)} if self.settings.include else {}
        told = {"item_id": item.id, "content_index": 0, "transcript": item.text} | more
        usage = {"type": "duration", "seconds": round(max(0.0, end - item.start), 3)}
        self._previous, self._end, self._item = item.id, end, None
        return [{"type": f"{TRANSCRIPTION}.completed", "usage": usage} | told]

    def _session(self, kind: str) -> Told:
        session = {"id": self._id, "object": "realtime.transcription_session"} | self.settings.model_dump()
        return {"type": kind, "session": session}

    def _chosen(self, settings: RealtimeSettings) -> Transcriber:
        wanted = settings.transcription
        return self._service.listening(wanted.model, wanted.keywords)

    def _config(self) -> LiveConfig:
        silence = self.settings.silence
        return LiveConfig() if silence is None else LiveConfig(silence=silence)


def decoded(audio: str, settings: RealtimeSettings) -> npt.NDArray[np.int16]:
    """Samples of a message, (N,).

    Raises:
        ApiError: if it is not what the settings promise.
    """
    try:
        data = base64.b64decode(audio, validate=True)
    except ValueError:
        raise ApiError(422, "audio is not base64", "invalid_value", param="audio") from None
    if settings.law is not None and data:
        raw = io.BytesIO(data)
        samples, _ = soundfile.read(
            raw, samplerate=settings.sample_rate, channels=1, format="RAW", subtype=settings.law, dtype="int16"
        )
        return np.asarray(samples, np.int16)
    if len(data) % 2:
        raise ApiError(422, "audio has an odd number of bytes; send PCM of 16 bits", "invalid_value", param="audio")
    return np.frombuffer(data, "<i2")


def realtime(service: Service) -> APIRouter:
    """The route of live sound in OpenAI's events."""
    router = APIRouter()

    @router.websocket("/v1/realtime")
    async def talk(socket: WebSocket) -> None:
        await socket.accept(protocol(socket.scope["subprotocols"]))
        try:
            with service.stream():
                await converse(service, socket)
        except ApiError as error:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it has left
                await tell_all(socket, [failed(error)])
                await socket.close(error.close_code, close_reason(error.detail))
        except WebSocketDisconnect:
            return

    return router


async def converse(service: Service, socket: WebSocket) -> None:
    """Answer a client until it leaves.

    Raises:
        ApiError: if the session cannot begin or go on.
        WebSocketDisconnect: if the client leaves while it is told something.
    """
    session = await in_thread(service, RealtimeSession, service, socket.query_params.get("model"))
    await tell_all(socket, session.created())
    try:
        while True:
            received = await heard(service, socket)
            if received["type"] == "websocket.disconnect":
                return
            steps = answered(session, received.get("text") or "")
            while (told := await in_thread(service, next, steps, None)) is not None:
                await tell_all(socket, told)
    finally:
        service.audio_seconds += session.position


def answered(session: RealtimeSession, message: str) -> Iterator[list[Told]]:
    """Answer a message, in steps of little work.

    Raises:
        ApiError: if the session cannot go on (413).
    """
    event_id = None
    try:
        event = CLIENT_EVENT.validate_json(message)
        event_id = event.event_id
        yield from session.accept(event)
    except ValidationError as error:
        field, reason = fault(error.errors())
        yield [failed(ApiError(422, f"{field}: {reason}", "invalid_value", param=field), event_id or sent_id(message))]
    except AsrError as error:
        yield [failed(ApiError(422, str(error), "invalid_value"), event_id)]
    except ApiError as error:
        if error.status_code == 413:
            raise
        yield [failed(error, event_id)]


def sent_id(message: str) -> str | None:
    """The name of an event that is wrong, if it has one."""
    with contextlib.suppress(ValidationError):
        return ClientEvent.model_validate_json(message).event_id
    return None


def failed(error: ApiError, event_id: str | None = None) -> Told:
    """The event of an error, which names the client's event."""
    return {"type": "error", "error": error.body["error"] | {"event_id": event_id}}


async def tell_all(socket: WebSocket, events: list[Told]) -> None:
    """Send events, each with an id."""
    for event in events:
        await tell(socket, {"event_id": new_id("event")} | event)


def new_id(kind: str) -> str:
    """An id that no other thing has."""
    return f"{kind}_{secrets.token_hex(8)}"
