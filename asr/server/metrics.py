"""`GET /metrics`: what a server does, for Prometheus."""

import time
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.server.failure import RESPONSES
from asr.server.service import Service

WORK = "/v1/audio/"
"""Paths of requests that are counted."""
TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}
"""For the schema."""
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)


class State(Collector):
    """What the service knows of itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Give the values of now."""
        service = self._service
        yield CounterMetricFamily("asr_audio_seconds", "Seconds of sound that were read", value=service.audio_seconds)
        yield GaugeMetricFamily(
            "asr_waiting_requests", "Requests that wait for their turn", value=service.turns.waiting
        )
        yield GaugeMetricFamily("asr_live_streams", "Live streams that are open", value=service.streams)


class Metrics:
    """Counts of one server: requests by status, and how long they took."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(State(service))
        self._requests = Counter("asr_requests", "Requests that were answered", ["status"], registry=self._registry)
        self._seconds = Histogram(
            "asr_request_seconds", "From request to answer", buckets=BUCKETS, registry=self._registry
        )

    def router(self) -> APIRouter:
        """The route."""
        router = APIRouter()

        @router.get("/metrics", response_class=Response, responses={200: TEXT, 401: RESPONSES[401]})
        async def metrics() -> Response:
            """Tell what was done, in Prometheus' form."""
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

        return router

    def tell(self, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)


class Counted:
    """Counts what an application answers, also what the gate sends away."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(WORK):
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.tell(status, time.monotonic() - begun)
