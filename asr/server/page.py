"""The page at `/`, its files, and what it alone asks for.

It loads nothing from elsewhere, and browsers are told to hold it to that.
"""

import asyncio
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from asr.server.failure import ApiError
from asr.server.frames import LONGEST, Stretch, stretch
from asr.server.service import Service
from asr.server.transcriptions import client_of
from asr.text.formats import render_timed_text
from asr.text.timed import Segment, TimedText, Word
from asr.units import Seconds

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Time = Annotated[Seconds, Field(ge=0, le=1e7)]
Share = Annotated[float, Field(ge=0, le=1)]


class GivenWord(BaseModel):
    """A word, as answers have it."""

    word: str
    start: Time
    end: Time
    confidence: Share = 1.0


class GivenSegment(BaseModel):
    """Words without a long pause."""

    words: Annotated[list[GivenWord], Field(min_length=1)]


class GivenText(BaseModel):
    """A text that is to be put into another form."""

    form: Literal["txt", "srt", "vtt", "json"]
    duration: Time
    segments: list[GivenSegment]


def page(service: Service, teaching: str | None) -> APIRouter:
    """The routes of the page.

    Args:
        service: models, turns and threads.
        teaching: why the page cannot teach, None if it can.
    """
    router = APIRouter(include_in_schema=False)  # it goes with the page
    texts = {
        file.name: file.read_bytes() for file in files("asr.server").joinpath("static").iterdir() if file.is_file()
    }

    def answered(name: str) -> Response:
        try:
            kind = KINDS["." + name.rpartition(".")[2]]
            return Response(texts[name], media_type=kind, headers=HEADERS)
        except KeyError:
            raise ApiError(404, f"no such file: {name}", "not_found") from None

    @router.get("/")
    async def show() -> Response:
        return answered("page.html")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        return answered(name)

    @router.get("/page/about")
    async def about() -> dict[str, Any]:
        """Say which models there are, and whether they may be taught."""
        models = [
            {"id": name, "sample_rate": model.recogniser.config.features.sample_rate}
            for name, model in service.models.items()
        ]
        return {"models": models, "teaching": teaching or True, "stretch": LONGEST}

    @router.post("/page/frames")
    async def frames(
        request: Request,
        file: Annotated[UploadFile, File()],
        model: Annotated[str | None, Form()] = None,
        start: Annotated[float, Form(ge=0, le=1e6)] = 0.0,
    ) -> Stretch:
        """Give half a minute of a recording as a model has it."""
        transcriber = service.model(model)
        async with service.turns.turn(client_of(request), service.config.timeout):
            work = asyncio.get_running_loop().run_in_executor(
                service.recording_threads, stretch, transcriber, file.file, start
            )
            return await asyncio.shield(work)

    @router.post("/page/render")
    async def render(text: GivenText) -> PlainTextResponse:
        """Put a text that was found into another form."""
        return PlainTextResponse(render_timed_text(_timed(text), text.form, ""))

    return router


def _timed(text: GivenText) -> TimedText:
    segments = []
    for given in text.segments:
        words = tuple(Word(word.word, word.start, word.end, word.confidence) for word in given.words)
        segments.append(Segment(words, min(word.confidence for word in words)))
    sure = min((segment.confidence for segment in segments), default=1.0)
    return TimedText(tuple(segments), text.duration, sure)
