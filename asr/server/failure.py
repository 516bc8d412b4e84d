"""What goes wrong with a request, in the shape of OpenAI's API.

    {"error": {"message", "type", "param", "code"}}

400 a body that is no form; 401 no token; 404 no such model; 408 a body that stops; 413 too large or
too long; 415 no audio; 422 a field; 429 a full queue, with Retry-After; 503 too slow.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException


class ErrorDetail(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """An answer that is an error."""

    error: ErrorDetail


class ApiError(HTTPException):
    """A request that gets an error.

    Args:
        status: of HTTP.
        message: a line for people.
        code: a word for programs.
        param: the field that is wrong.
        retry_after: seconds to wait before another try.
    """

    def __init__(
        self, status: int, message: str, code: str, *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(status, message, {"Retry-After": str(retry_after)} if retry_after else None)
        self.code, self.param = code, param

    @property
    def close_code(self) -> int:
        """Why a WebSocket is closed (RFC 6455): try again later, or a rule is broken."""
        return 1013 if self.status_code == 503 else 1008

    @property
    def body(self) -> dict[str, Any]:
        """What the answer holds."""
        return described(self.status_code, self.detail, self.code, self.param)


def described(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return ErrorBody(error=ErrorDetail(message=message, type=kind, param=param, code=code)).model_dump()


def fault(errors: Sequence[Any], *, within: int = 0) -> tuple[str, str]:
    """The first field that is wrong, and why, as Pydantic tells it.

    Args:
        errors: Pydantic's.
        within: names to leave out before the field's.
    """
    first = errors[0]
    return ".".join(str(part) for part in first["loc"][within:]) or "body", first["msg"]


def close_reason(text: str) -> str:
    """As much of a text as a WebSocket's last message takes: 123 bytes (RFC 6455)."""
    return text.encode()[:123].decode(errors="ignore")


def answer_failures(app: FastAPI) -> None:
    """Let an application answer all that goes wrong in this shape."""

    async def failed(_request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, ApiError):
            return JSONResponse(error.body, error.status_code, error.headers)
        if isinstance(error, HTTPException):  # the framework's: no such path, no such method
            return JSONResponse(described(error.status_code, error.detail), error.status_code, error.headers)
        if isinstance(error, RequestValidationError):
            field, reason = fault(error.errors(), within=1)
            return JSONResponse(described(422, f"{field}: {reason}", "invalid_value", field), 422)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return JSONResponse(described(status, "the server has failed; its log says why", "internal_error"), status)

    for kind in (HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, failed)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 404, 408, 413, 415, 422, 429, 503)
}
"""For the schema."""
