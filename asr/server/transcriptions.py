"""`POST /v1/audio/transcriptions`, as OpenAI's API has it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from typing_extensions import TypedDict

from asr.server.answers import (
    Brief,
    Granularity,
    ResponseFormat,
    Verbose,
    brief,
    event,
    plain,
    timed_words,
    token_logprobs,
    usage,
    verbose,
    warnings,
)
from asr.server.failure import RESPONSES, ApiError
from asr.server.service import Service
from asr.text.timed import Segment, TimedText, Word
from asr.transcription.coverage import Low
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

T = TypeVar("T")

GLANCE: Seconds = 0.5
"""How often it is seen whether a client still waits."""


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The text; with `stream`, an event `transcript.text.delta` a segment and one `.done`.",
        "model": Brief | Verbose,
        "content": {"text/plain": {"schema": {"type": "string"}}, "text/event-stream": {}},
    }
}
"""For the schema."""


class Model(TypedDict):
    """A model that may be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(TypedDict):
    """All of them; the first is for those who name none."""

    object: Literal["list"]
    data: list[Model]


def transcriptions(service: Service) -> APIRouter:
    """The routes of recordings and of models."""
    router = APIRouter()

    @router.post("/v1/audio/transcriptions", responses=ANSWERS | RESPONSES, response_model=None)
    async def transcribe(
        request: Request,
        file: Annotated[UploadFile, File(description="A recording, of any format; its name does not count.")],
        model: Annotated[
            str, Form(description="As GET /v1/models lists it.", json_schema_extra={"enum": list(service.models)})
        ] = next(iter(service.models)),
        language: Annotated[str, Form(description="For the answer; decoding does not depend on it.")] = "",
        prompt: Annotated[str, Form(description="Ignored.")] = "",
        temperature: Annotated[float, Form(description="Ignored: the most probable text is given.")] = 0.0,
        response_format: Annotated[ResponseFormat, Form()] = "json",
        stream: Annotated[bool, Form(description="Server-sent events: each segment when it is certain.")] = False,
        granularities: Annotated[
            list[Granularity], Form(alias="timestamp_granularities[]", description="Of verbose_json.")
        ] = ["segment"],  # noqa: B006  (FastAPI copies it)
        include: Annotated[
            list[Literal["logprobs"]], Form(alias="include[]", description="Of json, and of streams.")
        ] = [],  # noqa: B006
        keywords: Annotated[list[str], Form(alias="keywords[]", description="Phrases to favour.")] = [],  # noqa: B006
        commands: Annotated[
            list[str], Form(alias="commands[]", description="Lines of a grammar: all that is listened for.")
        ] = [],  # noqa: B006
        unsure: Annotated[
            Low, Form(description="What becomes of words that are too unsure; mark has them as low.")
        ] = "drop",
    ) -> Response:
        """Turn a recording into text."""
        service.model(model)
        end = time.monotonic() + service.config.timeout

        def made() -> Transcriber:
            listening = service.listening(model, keywords, commands)
            return listening if unsure == "drop" else replace(listening, low=unsure)

        async def found() -> AsyncGenerator[Segment | TimedText, None]:
            async with (
                service.turns.turn(client_of(request), service.config.timeout),
                contextlib.aclosing(service.read(made, file.file, language or None, end)) as reading,
            ):
                async for what in reading:
                    yield what

        if stream:
            return await unless_gone(
                request, streamed(found(), logprobs="logprobs" in include, words="word" in granularities)
            )
        timed = await unless_gone(request, whole(found()))
        if response_format == "json":
            return JSONResponse(brief(timed, logprobs="logprobs" in include))
        if response_format == "verbose_json":
            return JSONResponse(verbose(timed, granularities))
        return PlainTextResponse(plain(timed, response_format))

    @router.get("/v1/models", responses={401: RESPONSES[401]})
    async def models() -> Models:
        """List the models; the first is for those who name none."""
        return {"object": "list", "data": [described(name) for name in service.models]}

    @router.get("/v1/models/{name}", responses={status: RESPONSES[status] for status in (401, 404, 422)})
    async def one_model(name: str) -> Model:
        """Say whether there is a model of this name."""
        service.model(name)
        return described(name)

    def described(name: str) -> Model:
        return {"id": name, "object": "model", "created": service.started, "owned_by": "asr"}

    return router


def client_of(request: Request) -> str:
    """Whose turn it is: a token's, or else an address's."""
    return request.headers.get("authorization", request.client.host if request.client else "")


async def whole(found: AsyncIterator[Segment | TimedText]) -> TimedText:
    """Wait for all of a recording."""
    segments: list[Segment] = []
    async for what in found:
        if isinstance(what, TimedText):
            return replace(what, segments=tuple(segments))
        segments.append(what)
    raise AssertionError("the whole comes last")


async def streamed(
    found: AsyncGenerator[Segment | TimedText, None], *, logprobs: bool, words: bool = False
) -> Response:
    """Answer with events; what is wrong before the first one still has its status."""
    first = await anext(found)

    async def events() -> AsyncIterator[str]:
        what, texts, said = first, list[str](), list[Word]()
        try:
            while isinstance(what, Segment):
                delta = " " * bool(texts) + what.text
                texts.append(what.text)
                said += what.words if logprobs else ()
                more = {"logprobs": token_logprobs(what.words)} if logprobs else {}
                more |= timed_words(what) if words else {}
                yield event("transcript.text.delta", delta=delta, **more)
                what = await anext(found)
            more = {"logprobs": token_logprobs(said)} if logprobs else {}
            yield event("transcript.text.done", text=" ".join(texts), usage=usage(what), **more, **warnings(what))
        except ApiError as error:
            yield event("error", **error.body)
        finally:
            await found.aclose()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do some work, but not for a client that has left."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=GLANCE)
            if not task.done() and await request.is_disconnected():
                raise ApiError(499, "the client has left", "client_closed_request")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
