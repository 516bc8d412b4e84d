"""Who comes in, and with how much: tokens, sizes, and clients that stop in the middle."""

import hmac
from collections.abc import Collection, Sequence
from urllib.parse import unquote, urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.server.failure import ApiError
from asr.units import Seconds

OPEN_PATHS = ("/health", "/")
OPEN_FOLDER = "/static/"
"""They need no token; the page asks for one."""
SPARE = 64 * 1024
"""Bytes of a request beside its file."""
PROTOCOL_KEY = "openai-insecure-api-key."
"""Before a token among a WebSocket's protocols: pages can send it nowhere else. It is %-encoded."""


def protocol(offered: Sequence[str]) -> str | None:
    """Choose a WebSocket's protocol: the first that is no token; browsers ask for one of theirs."""
    return next((name for name in offered if not name.startswith(PROTOCOL_KEY)), None)


class Gate:
    """The first that a request meets.

    Args:
        app: what is behind it.
        tokens: one of them is asked for; none asks for none.
        origins: pages of other sites that may open a live stream.
        max_bytes: of an upload.
        patience: how long a client may send nothing in the middle of a request.
    """

    def __init__(
        self, app: ASGIApp, *, tokens: Collection[str], origins: Collection[str], max_bytes: int, patience: Seconds
    ) -> None:
        self._app, self._tokens, self._origins = app, tuple(token.encode() for token in tokens), origins
        self._max_bytes, self._patience = max_bytes, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDER)
            if not is_open and not self._knows(headers):
                error = ApiError(401, "no valid token; send Authorization: Bearer TOKEN", "invalid_api_key")
                await JSONResponse(error.body, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
            length = headers.get("content-length", "0")
            if length.isdecimal() and int(length) > self._max_bytes + SPARE:
                await JSONResponse(self._too_large().body, 413)(scope, receive, send)
                return
            await self._app(scope, self._counted(receive), send)
        elif scope["type"] == "websocket":
            headers = Headers(scope=scope)
            if self._knows(headers) and self._is_from_here(headers):
                await self._app(scope, receive, send)
            else:
                await receive()
                await send(
                    {"type": "websocket.close", "code": 1008, "reason": "no valid token, or another site's page"}
                )
        else:
            await self._app(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if kind.lower() == "bearer" else ""
        for protocol in headers.get("sec-websocket-protocol", "").split(","):
            if protocol.strip().startswith(PROTOCOL_KEY):
                given = unquote(protocol.strip().removeprefix(PROTOCOL_KEY))
        return not self._tokens or any(hmac.compare_digest(given.encode(), known) for known in self._tokens)

    def _is_from_here(self, headers: Headers) -> bool:
        """Browsers let every page open a WebSocket, and say which page it is."""
        origin = headers.get("origin")
        return origin is None or origin in self._origins or urlsplit(origin).netloc == headers.get("host")

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the upload is larger than {self._max_bytes >> 20} MB", "file_too_large", param="file")

    def _counted(self, receive: Receive) -> Receive:
        received, is_complete = 0, False

        async def counted() -> Message:
            nonlocal received, is_complete
            if is_complete:
                return await receive()
            try:
                with anyio.fail_after(self._patience):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, f"nothing came for {self._patience:g} s", "request_timeout") from None
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > self._max_bytes + SPARE:
                raise self._too_large()
            return message

        return counted
