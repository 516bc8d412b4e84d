"""Targets: what clients send to `asr serve`."""

import contextlib
import io
import json
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from fastapi.testclient import TestClient
from fuzz.mutation import mutated, of_json
from fuzz.targets import Target
from starlette.websockets import WebSocketDisconnect
from support.tiny import RATE, noise, recogniser, sine

from asr.errors import DataError
from asr.server.app import create_app
from asr.server.service import Service
from asr.server.settings import ServeConfig
from asr.transcription.transcribe import Transcriber

BORDER = "fuzz"
SOUND = np.concatenate([sine(pitch, 0.1) for pitch in (300, 900, 2400)]) + noise(RATE * 3 // 10, level=0.01)


@cache
def client() -> TestClient:
    """Of a server that answers by its own errors, or not at all."""
    model = Transcriber(recogniser(seed=24, chunk=0.2, lookahead=0.16), min_confidence=0.0)
    service = Service({"tiny": model}, ServeConfig(max_duration=60), 1)
    made = TestClient(create_app(service))
    return made.__enter__()


def bodies(_room: Path) -> list[bytes]:
    """Multipart forms: the recording and all fields."""
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, format="WAV")
    fields = {"model": "tiny", "response_format": "verbose_json", "timestamp_granularities[]": "word", "language": "en"}
    fields |= {"temperature": "0.2", "keywords[]": "abc", "stream": "true", "prompt": "x"}
    some = [dict(list(fields.items())[:count]) for count in (0, 4, len(fields))]
    return [_form(one, file.getvalue()) for one in some]


def _form(fields: dict[str, str], sound: bytes) -> bytes:
    parts = [
        f'--{BORDER}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()
    ]
    head = f'--{BORDER}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
    return b"".join([*parts, head, sound, f"\r\n--{BORDER}--\r\n".encode()])


def post(_room: Path, data: bytes) -> None:
    """The answer is OpenAI's, or an error in its shape."""
    headers = {"content-type": f"multipart/form-data; boundary={BORDER}"}
    answer = client().post("/v1/audio/transcriptions", content=data, headers=headers)
    if answer.status_code == 200:
        return
    error = answer.json()["error"]
    assert 400 <= answer.status_code < 500 and set(error) == {"message", "type", "param", "code"}, answer.text
    raise DataError(error["message"].split("\n")[0])


REQUESTS = [
    b"GET /v1/models/tiny\nAuthorization: Bearer x\n\n",
    b"GET /metrics\nAccept: */*\n\n",
    b"POST /v1/audio/transcriptions\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 9\n\nfile=a&b=",
    b"POST /v1/audio/transcriptions\nContent-Type: multipart/form-data; boundary=a\n\n--a\r\n\r\n",
]


def request(_room: Path, data: bytes) -> None:
    """Any request: method, path, headers and body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, path = first.partition(b" ")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    answer: list[dict] = []
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        return next(sent, {"type": "http.disconnect"})

    async def send(message):
        answer.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode("latin-1").upper(),
        "path": path.decode(errors="replace"),
        "raw_path": path,
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    client().portal.call(client().app, scope, receive, send)
    assert answer and (answer[0]["status"] < 500), answer


def talks(_room: Path) -> list[bytes]:
    """Messages of a live stream, one after the other: t for text, b for bytes."""
    pcm = (32767 * np.clip(SOUND, -1, 1)).astype("<i2").tobytes()
    config = {"config": {"sample_rate": RATE, "words": True, "phrase_list": ["abc", "[unk]"], "model": "tiny"}}
    said = [b"t" + json.dumps(config).encode(), b"b" + pcm[:3200], b"b" + pcm[3200:9000], b"b", b't{"eof": 1}']
    return [PARTED.join(said), PARTED.join(said[1:])]


PARTED = b"\n--next--\n"


def talk(_room: Path, data: bytes) -> None:
    """Each stream ends, by the server's word or after it has told what it heard."""
    with client().websocket_connect("/") as socket, contextlib.suppress(WebSocketDisconnect):
        for message in data.split(PARTED):
            kind, content = message[:1], message[1:]
            if kind == b"t":
                socket.send_text(content.decode(errors="replace"))
            else:
                socket.send_bytes(content)
        socket.send_text('{"eof": 1}')
        while True:
            answer = json.loads(socket.receive_text())
            assert set(answer) in ({"partial"}, {"text"}, {"result", "text"}, {"error"}), answer


def apart(data: bytes, draw: Random, words) -> bytes:
    """Change some messages; their borders stay."""
    messages = data.split(PARTED)
    for _ in range(draw.choice([1, 1, 2])):
        number = draw.randrange(len(messages))
        kind = draw.choice([b"t", b"b"]) if draw.random() < 0.1 else messages[number][:1]
        mutate = of_json if messages[number][:1] == b"t" else mutated
        messages[number] = kind + mutate(messages[number][1:], draw, words)
    return PARTED.join(messages)


WORDS = (b'"sample_rate": ', b'"phrase_list": ["a"]', b'"eof": ', b'"config": ', b'"model": ')
HEADERS = (b"\r\n", b"--fuzz", b"Content-Disposition: form-data; ", b'name="file"', b'name="keywords[]"', b"--fuzz--")

TARGETS = [
    Target("HTTP bodies", bodies, post, words=HEADERS),
    Target(
        "HTTP requests", lambda _room: REQUESTS, request, words=(b"Content-Length: ", b"Content-Type: ", b"\n", b"/v1/")
    ),
    Target("WebSocket messages", talks, talk, apart, words=WORDS),
]
