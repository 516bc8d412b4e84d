"""Live text over a WebSocket, in vosk's messages.

    client   {"config": {"sample_rate": 16000, "words": true, "phrase_list": ["anna"]}}, once
    client   bytes: PCM of 16 bits, little-endian, one channel
    server   {"partial": "go"}, or when a segment ends {"result": [...], "text": "go forward"}
    client   {"reset": 1}
    server   {"result": [...], "text": ...}: the rest; what comes now begins anew
    client   {"eof": 1}
    server   the same; then it closes

Each message of sound gets one answer. Settings are those of one connection.
"""

import asyncio
import json
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any, TypeVar

import anyio
import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from asr.audio.reader import RATES
from asr.errors import AsrError
from asr.server.failure import ApiError, close_reason, fault
from asr.server.gate import protocol
from asr.server.service import Service
from asr.transcription.coverage import Low
from asr.transcription.live import Event, Final, LiveStream, Partial
from asr.units import Seconds

T = TypeVar("T")

STEP = 1 << 16
"""Bytes that are read at a time, however many come in a message: 2 s at 16 kHz."""
UNKNOWN_WORD = "[unk]"
"""In vosk's phrase lists: whatever else may be said, which is never forbidden here."""
BAD_DATA, REFUSED = 1007, 1008
"""Why a connection is closed (RFC 6455)."""


class LiveSettings(BaseModel):
    """What a client may choose before its first sound; other fields are ignored."""

    sample_rate: float | None = Field(default=None, ge=RATES.start, lt=RATES.stop)
    words: bool = True
    phrase_list: list[str] = []
    commands: list[str] = []
    unsure: Low = "drop"
    model: str | None = None


class Message(BaseModel):
    """A message that is no sound."""

    config: LiveSettings | None = None
    reset: bool = False
    eof: bool = False


class Conversation:
    """A client's stream, and what was told of it."""

    def __init__(self, service: Service) -> None:
        self._service, self._settings = service, LiveSettings()
        self._stream: LiveStream | None = None
        self._before: Seconds = 0.0
        """Sound before that of the stream."""
        self._partial = ""

    @property
    def position(self) -> Seconds:
        """Seconds of sound that have come."""
        return self._before + (0.0 if self._stream is None else self._stream.position)

    def configure(self, settings: LiveSettings) -> None:
        """Take other settings.

        Raises:
            ApiError: if the sound has begun.
        """
        if self._stream is not None:
            raise ApiError(422, "the sound has begun; settings come before it", "invalid_value", param="config")
        self._settings = settings

    def accept(self, data: bytes) -> list[Event]:
        """Take sound.

        Raises:
            ApiError: if it is no PCM, or too long; if the settings cannot be had.
            AsrError: as `LiveStream`.
        """
        if len(data) % 2:
            raise ApiError(422, "a message of sound has an odd number of bytes; send PCM of 16 bits", "invalid_audio")
        if self._stream is None:
            self._stream = self._begun()
        if self.position > self._service.config.max_duration:
            raise ApiError(413, "the stream has become too long; open another one", "audio_too_long")
        return self._stream.accept(np.frombuffer(data, "<i2"))

    def answer(self, events: list[Event]) -> dict[str, Any]:
        """Tell what is new, or what is being said."""
        finals = [event for event in events if isinstance(event, Final)]
        if finals:
            self._partial = ""
        if events and isinstance(last := events[-1], Partial):
            self._partial = last.text
        return self._result(finals) if finals else {"partial": self._partial}

    def finish(self) -> dict[str, Any]:
        """Tell what is left; what comes now begins anew."""
        events = [] if self._stream is None else self._stream.finish()
        told = self._result([event for event in events if isinstance(event, Final)])
        self._before, self._stream, self._partial = self.position, None, ""
        return told

    def _begun(self) -> LiveStream:
        settings = self._settings
        phrases = [phrase for phrase in settings.phrase_list if phrase != UNKNOWN_WORD]
        listening = self._service.listening(settings.model, phrases, settings.commands)
        transcriber = listening if settings.unsure == "drop" else replace(listening, low=settings.unsure)
        return transcriber.stream(round(settings.sample_rate or transcriber.recogniser.config.features.sample_rate))

    def _result(self, finals: list[Final]) -> dict[str, Any]:
        words = [word for final in finals for word in final.segment.shifted(self._before).words]
        result = [
            {"conf": round(w.confidence, 4), "end": round(w.end, 3), "start": round(w.start, 3), "word": w.text}
            | ({"low": True} if w.unsure else {})
            for w in words
        ]
        text = {"text": " ".join(word.text for word in words)}
        return {"result": result} | text if result and self._settings.words else text


def live(service: Service) -> APIRouter:
    """The route of live sound, where vosk's clients look for it."""
    router = APIRouter()

    @router.websocket("/")
    async def listen(socket: WebSocket) -> None:
        await socket.accept(protocol(socket.scope["subprotocols"]))
        conversation = Conversation(service)
        try:
            with service.stream():
                await converse(service, socket, conversation)
        except ApiError as error:
            await refuse(socket, error.close_code, error.detail)
        except AsrError as error:
            await refuse(socket, REFUSED, str(error))
        except ValidationError as error:
            field, reason = fault(error.errors())
            await refuse(socket, BAD_DATA, f"{field}: {reason}")
        except WebSocketDisconnect:
            pass
        finally:
            service.audio_seconds += conversation.position

    return router


async def converse(service: Service, socket: WebSocket, conversation: Conversation) -> None:
    """Answer a client until the end of its sound.

    Raises:
        ValidationError: if a message is not understood.
        WebSocketDisconnect: if the client leaves.
        ApiError, AsrError: as `Conversation`; and if nothing comes.
    """
    while True:
        received = await heard(service, socket)
        if received["type"] == "websocket.disconnect":
            return
        if (data := received.get("bytes")) is not None:
            events: list[Event] = []
            for start in range(0, max(1, len(data)), STEP):
                events += await in_thread(service, conversation.accept, data[start : start + STEP])
            await tell(socket, conversation.answer(events))
            continue
        message = Message.model_validate_json(received.get("text") or "")
        if message.config is not None:
            conversation.configure(message.config)
        if message.reset or message.eof:
            await tell(socket, await in_thread(service, conversation.finish))
        if message.eof:
            await socket.close()
            return


async def heard(service: Service, socket: WebSocket) -> MutableMapping[str, Any]:
    """Wait for a message, or for the client's end.

    Raises:
        ApiError: if nothing comes (408).
    """
    patience = service.config.patience
    try:
        with anyio.fail_after(patience):
            return await socket.receive()
    except TimeoutError:
        raise ApiError(408, f"nothing came for {patience:g} s", "request_timeout") from None


async def in_thread(service: Service, work: Callable[..., T], *arguments: Any) -> T:
    """Do some of the work of live streams."""
    return await asyncio.get_running_loop().run_in_executor(service.live_threads, work, *arguments)


async def tell(socket: WebSocket, what: dict[str, Any]) -> None:
    """Send a message."""
    await socket.send_text(json.dumps(what, ensure_ascii=False))


async def refuse(socket: WebSocket, code: int, reason: str) -> None:
    """Say why, and close."""
    try:
        await tell(socket, {"error": reason})
        await socket.close(code, close_reason(reason))
    except (RuntimeError, WebSocketDisconnect):
        return  # it has left
