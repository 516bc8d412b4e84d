"""The application: routes, in front of them the gate."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from typing_extensions import TypedDict

from asr import __version__
from asr.server.failure import answer_failures
from asr.server.gate import Gate
from asr.server.lessons import Lessons
from asr.server.live import live
from asr.server.metrics import Counted, Metrics
from asr.server.page import page
from asr.server.realtime import realtime
from asr.server.service import Service
from asr.server.teach import teach
from asr.server.transcriptions import transcriptions


class Health(TypedDict):
    """That the server lives."""

    status: Literal["ok"]


def create_app(
    service: Service,
    *,
    tokens: Collection[str] = (),
    origins: Collection[str] = (),
    lessons: Lessons | None = None,
    anywhere: bool = False,
) -> FastAPI:
    """Make the application of a service, which ends with it.

    Args:
        service: models and limits.
        tokens: one of them is asked for; none asks for none.
        origins: sites whose pages may use the server (CORS).
        lessons: whether the page may teach models.
        anywhere: whether it may do so where the server has a name that is not this machine's.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if lessons is not None:
            await run_in_threadpool(lessons.close)
        service.close()

    needed = [Security(HTTPBearer(auto_error=False, description="A token of --tokens."))] if tokens else []
    app = FastAPI(title="asr", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    answer_failures(app)
    metrics = Metrics(service)
    teaching = None if lessons else "Teaching is off on this server. Whoever runs it may start it with --teach."
    routers = [transcriptions(service), live(service), realtime(service), metrics.router(), page(service, teaching)]
    if lessons is not None:
        routers.append(teach(lessons, anywhere=anywhere))
    for router in routers:
        app.include_router(router, dependencies=needed)  # the gate asks for it; this is for the schema

    @app.get("/health")
    async def health() -> Health:
        """Say that the server lives; this waits for nothing."""
        return {"status": "ok"}

    config = service.config
    app.add_middleware(Gate, tokens=tokens, origins=origins, max_bytes=config.max_size << 20, patience=config.patience)
    app.add_middleware(Counted, metrics=metrics)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
    return app
