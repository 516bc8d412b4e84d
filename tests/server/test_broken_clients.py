"""Clients that stop, leave or send too much harm nobody else, and leave no files behind.

They speak ASGI, or write bytes to a socket: a proper client would not do this.
"""

import io
import os
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import anyio
import httpx
import numpy as np
import pytest
import soundfile
from support.tiny import RATE, recogniser

pytest.importorskip("fastapi")
from support.serving import serving

from asr.server.app import create_app
from asr.server.failure import ApiError
from asr.server.service import Service, Stopped
from asr.server.settings import ServeConfig
from asr.server.turns import Turns

URL = "/v1/audio/transcriptions"
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
        "path": URL,
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


class Mute:
    """A model that hears all of a sound, and nothing in it."""

    def __init__(self):
        self.recogniser, self.heard = recogniser(), []

    def parts(self, sound):
        self.heard.append(round(sum(map(len, sound)) / RATE))
        yield from ()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where uploads go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


POST = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
BROKEN = {
    "half a request line": b"POST /v1/au",
    "half a head": POST,
    "half a body": POST + b"Content-Length: 9000000\r\n\r\n" + HEAD + bytes(3_000_000),
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFF\r\n" + HEAD + bytes(3_000_000),
    "a chunk of no size": POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a length that is no number": POST + b"Content-Length: -1\r\n\r\n",
    "noise": bytes(range(256)) * 40,
    "a head without end": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 40_000,
    "frames that are noise": HANDSHAKE % b"/" + bytes(range(255, 0, -1)) * 40,
    "a frame of an exabyte": HANDSHAKE % b"/" + b"\x82\xff\x0f" + bytes(7) + b"mask" + bytes(9000),
    "text that is none": HANDSHAKE % b"/v1/realtime" + b"\x81\x84\0\0\0\0\xff\xfe\xfd\xfc",
    "a frame that stops": HANDSHAKE % b"/v1/realtime" + b"\x82\xfe\xff\xff\0\0\0\0abc",
}


def connected(url, data, stack):
    """A client that has sent this, as far as the server takes it, and does no more."""
    client = stack.enter_context(socket.create_connection(urlsplit(url).netloc.split(":"), timeout=30))
    with suppress(ConnectionError):
        client.sendall(data)
    return client


def test_broken_clients_harm_nobody_else_and_leave_no_files(temporary, caplog):
    model = Mute()
    service = Service({"mute": model}, ServeConfig(max_size=16, patience=0.5), 2)
    with serving(create_app(service)) as url, httpx.Client(base_url=url, timeout=60) as good:

        def is_served():
            answer = good.post(URL, files={"file": ("../../a", silence(1))})
            assert (answer.status_code, answer.json()["text"]) == (200, "")
            assert good.get("/health").json() == {"status": "ok"} and not list(temporary.iterdir())

        for kind, data in BROKEN.items():
            with ExitStack() as stack:
                connected(url, data, stack)  # it leaves
                waiting = connected(url, data, stack)
                is_served()
                if kind in ("half a body", "half a chunk"):
                    assert b" 408 " in waiting.recv(1000), kind
        is_served()
        for _ in range(200):
            if not service.streams:
                break
            time.sleep(0.05)
        assert service.streams == 0 and service.turns.waiting == 0
    assert [record.message for record in caplog.records if "Traceback" in (record.exc_text or "")] == []


def test_what_is_too_large_is_refused_before_it_comes(temporary):
    with serving(create_app(Service({"mute": Mute()}))) as url, ExitStack() as stack:
        client = connected(url, POST + b"Content-Length: 2147483648\r\n\r\n" + HEAD, stack)
        assert b" 413 " in client.recv(1000)


def test_hours_of_silence_in_a_small_file_are_refused(temporary):
    """FLAC keeps an hour of zeros in 200 kB. Its header may leave open how long it is."""
    bomb = bytearray(silence(1200))
    assert len(bomb) < 100_000
    model = Mute()
    service = Service({"mute": model}, ServeConfig(max_duration=60))
    with serving(create_app(service)) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.post(URL, files={"file": bytes(bomb)}).status_code == 413
        bomb[21] &= 0xF0  # 36 bits of the first block: samples, or 0 where nobody knows
        bomb[22:26] = bytes(4)
        answer = client.post(URL, files={"file": bytes(bomb)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "audio_too_long")
        assert model.heard == [] and not list(temporary.iterdir())


def test_many_requests_of_one_client_do_not_starve_another():
    gate, model = threading.Event(), Mute()
    heard = model.parts
    model.parts = lambda sound: gate.wait(30) and heard(sound)
    service = Service({"mute": model}, jobs=1)
    with serving(create_app(service, tokens=["many", "one"])) as url, httpx.Client(base_url=url, timeout=60) as http:

        def send(token, seconds):
            answer = http.post(URL, files={"file": silence(seconds)}, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200

        threads = [threading.Thread(target=send, args=("many", 1)) for _ in range(30)]
        threads.append(threading.Thread(target=send, args=("one", 2)))
        for count, thread in enumerate(threads):
            thread.start()
            while service.turns.waiting < count:
                time.sleep(0.002)
        gate.set()
        for thread in threads:
            thread.join()
    assert len(model.heard) == 31 and model.heard.index(2) <= 2


def test_a_server_that_ends_finishes_what_it_began():
    gate, model, answers = threading.Event(), Mute(), []
    begun, heard = threading.Event(), model.parts

    def parts(sound):
        begun.set()
        gate.wait(30)
        return heard(sound)

    model.parts = parts
    with serving(create_app(Service({"mute": model}))) as url:
        client = threading.Thread(
            target=lambda: answers.append(httpx.post(url + URL, files={"file": silence(1)}, timeout=60).status_code)
        )
        client.start()
        assert begun.wait(30)
        threading.Timer(0.3, gate.set).start()
    client.join()
    assert answers == [200] and model.heard == [1]


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_two_gigabytes_of_nothing_are_not_held_in_memory(temporary):
    """An upload of zeros that is allowed: it goes to the disk, once."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    size, before, peak = 2 << 30, resident(), 0
    service = Service({"mute": Mute()}, ServeConfig(max_size=4096))
    with serving(create_app(service)) as url, ExitStack() as stack:
        length = str(size + len(HEAD)).encode()
        client = connected(url, POST + b"Content-Length: " + length + b"\r\n\r\n" + HEAD, stack)
        tail = b"\r\n--x--\r\n"
        for _ in range(size >> 20):
            client.sendall(bytes(1 << 20) if _ + 1 < size >> 20 else bytes((1 << 20) - len(tail)) + tail)
            peak = max(peak, resident())
        client.settimeout(120)
        assert b" 415 " in client.recv(1000)
    assert peak - before < 200 << 20 and not list(temporary.iterdir())
