"""Clients that stop, leave or send too much harm nobody else.

They speak ASGI: a proper client would not do this.
"""

import io
import threading
import time
from types import SimpleNamespace

import anyio
import numpy as np
import pytest
import soundfile
from support.tiny import RATE, recogniser

pytest.importorskip("fastapi")

from asr.server.app import create_app
from asr.server.failure import ApiError
from asr.server.service import Service, Stopped
from asr.server.settings import ServeConfig
from asr.server.turns import Turns

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def asked(app, *messages, then=anyio.sleep_forever):
    """The messages that an application answers with to these, after which `then` happens."""
    waiting, sent = list(messages), []

    async def receive():
        return waiting.pop(0) if waiting else await then()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/audio/transcriptions",
        "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
        "client": ("127.0.0.1", 1),
    }
    anyio.run(app, scope, receive, send)
    return sent


def part(data, *, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


def silence(seconds):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(seconds * RATE, np.int16), RATE, format="FLAC")
    return file.getvalue()


def test_a_body_that_stops_is_not_waited_for():
    app = create_app(Service({"tiny": None}, ServeConfig(patience=0.1)))
    start, *_ = asked(app, part(HEAD + b"abc"))
    assert start["status"] == 408


@pytest.mark.parametrize("stream", [b"false", b"true"])
def test_work_for_a_client_that_leaves_is_stopped(stream):
    ended = threading.Event()

    def parts(sound):
        try:
            for _ in sound:
                time.sleep(0.05)
        except Stopped:
            ended.set()
            raise
        yield from ()

    async def leave():
        return {"type": "http.disconnect"}

    service = Service({"slow": SimpleNamespace(recogniser=recogniser(), parts=parts)}, ServeConfig())
    field = b'\r\n--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\n' + stream
    body = HEAD + silence(120) + field + b"\r\n--x--\r\n"
    start, *_ = asked(create_app(service), part(body, more=False), then=leave)
    assert start["status"] == 499 and ended.is_set() and service.turns.waiting == 0


def test_clients_take_turns():
    async def order():
        turns, done = Turns(1, 10), []

        async def work(client):
            async with turns.turn(client, 10):
                done.append(client)
                await anyio.sleep(0)

        async with anyio.create_task_group() as group, turns.turn("first", 10):
            for client in "aaabb":
                group.start_soon(work, client)
                await anyio.sleep(0.001)
        async with turns.turn("last", 0):  # all are given back
            return "".join(done)

    assert anyio.run(order) == "ababa"


def test_who_leaves_the_queue_takes_no_turn():
    async def both():
        turns = Turns(1, 1)
        async with turns.turn("a", 1):
            with pytest.raises(ApiError, match="no turn"):
                async with turns.turn("b", 0.01):
                    pass
            with anyio.move_on_after(0.01) as scope:
                async with turns.turn("b", 10):
                    pass
            assert scope.cancelled_caught and turns.waiting == 0
        async with turns.turn("c", 0):
            pass

    anyio.run(both)
