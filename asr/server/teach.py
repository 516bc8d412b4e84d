"""What the page asks for when somebody teaches a model.

It writes on the server's disk, so only the page itself may ask: browsers say which page it is.
"""

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from pydantic import BaseModel

from asr.server.failure import ApiError
from asr.server.lessons import Lessons


class Begun(BaseModel):
    """What a lesson is about."""

    model: str | None = None
    sentences: list[str] | None = None
    """Without them, the bundled ones."""


def teach(lessons: Lessons, *, anywhere: bool) -> APIRouter:
    """The routes of lessons.

    Args:
        lessons: of the server.
        anywhere: whether the server may be called by names that are not this machine's.
    """

    def from_the_page(request: Request) -> None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if (origin is not None and urlsplit(origin).netloc != host) or not (anywhere or is_fixed(host)):
            raise ApiError(403, "another site's page may not teach; open the server's own page", "forbidden")

    router = APIRouter(prefix="/page/lessons", dependencies=[Depends(from_the_page)], include_in_schema=False)

    @router.post("")
    def begin(begun: Begun) -> dict[str, Any]:
        """Begin a lesson."""
        return lessons.begin(begun.model, begun.sentences).state

    @router.get("/{id}")
    def look(id: str) -> dict[str, Any]:
        """Say where a lesson stands."""
        return lessons.find(id).state

    @router.post("/{id}/readings/{number}")
    def read(
        id: str,
        number: int,
        file: Annotated[UploadFile, File()],
        keep: Annotated[bool, Form()] = False,
    ) -> dict[str, Any]:
        """Take a reading, and say what is wrong with it."""
        lesson = lessons.find(id)
        faults = lessons.read(lesson, number, file.file, keep=keep)
        return {"faults": faults, "kept": keep or not faults, "lesson": lesson.state}

    @router.post("/{id}/learn")
    def learn(id: str) -> dict[str, Any]:
        """Let a model learn from what was read."""
        lessons.teach(lesson := lessons.find(id))
        return lesson.state

    @router.post("/{id}/stop")
    def stop(id: str) -> dict[str, Any]:
        """Let it learn no more."""
        lessons.stop(lesson := lessons.find(id))
        return lesson.state

    @router.delete("/{id}", status_code=204)
    def forget(id: str) -> None:
        """Delete what was read."""
        lessons.forget(lessons.find(id))

    return router


def is_fixed(host: str) -> bool:
    """Whether nobody can let a name lead here: it is an address, or this machine's own name."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True
