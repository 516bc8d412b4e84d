"""Targets: what clients send to `asr serve`."""

import base64
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
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from support.tiny import RATE, noise, recogniser, sine

from asr.errors import DataError
from asr.server.app import create_app
from asr.server.lessons import Lessons
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
    lessons = Lessons(service, {"tiny": None}, Path("never written"))
    made = TestClient(create_app(service, lessons=lessons, anywhere=True))
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
    """As OpenAI's clients send a recording."""
    _ask("/v1/audio/transcriptions", data, f"multipart/form-data; boundary={BORDER}")


def _ask(path: str, body: bytes, kind: str) -> None:
    """The answer is what was asked for, or an error in OpenAI's shape."""
    answer = client().post(path, content=body, headers={"content-type": kind})
    if answer.status_code == 200:
        return
    error = answer.json()["error"]
    assert 400 <= answer.status_code < 500 and set(error) == {"message", "type", "param", "code"}, answer.text
    raise DataError(error["message"].split("\n")[0])


TEXT = {
    "form": "srt",
    "duration": 2.5,
    "segments": [{"words": [{"word": "a", "start": 0.5, "end": 1.0, "confidence": 0.5}] * 2}] * 2,
}
LESSON = {"model": "tiny", "sentences": [f"{letter} b" for letter in "abcdefghijklmnopqrstuvwxyz"]}


def page_bodies(_room: Path) -> list[bytes]:
    """What the page asks for: its path, a line, and JSON."""
    texts = [TEXT | {"form": form} for form in ("srt", "vtt", "json", "txt")]
    return [
        f"{path}\n{json.dumps(body)}".encode() for path, body in [*(("render", t) for t in texts), ("lessons", LESSON)]
    ]


def ask_for_page(_room: Path, data: bytes) -> None:
    """As the page asks."""
    path, _, body = data.partition(b"\n")
    _ask(f"/page/{path.decode()}", body, "application/json")


def after_path(data: bytes, draw: Random, words) -> bytes:
    """Change JSON behind its path."""
    path, _, body = data.partition(b"\n")
    return path + b"\n" + of_json(body, draw, words)


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
        _say(socket, data)
        socket.send_text('{"eof": 1}')
        while True:
            answer = json.loads(socket.receive_text())
            assert set(answer) in ({"partial"}, {"text"}, {"result", "text"}, {"error"}), answer


def _say(socket: WebSocketTestSession, data: bytes) -> None:
    for message in data.split(PARTED):
        kind, content = message[:1], message[1:]
        if kind == b"t":
            socket.send_text(content.decode(errors="replace"))
        else:
            socket.send_bytes(content)


def sessions(_room: Path) -> list[bytes]:
    """Events of OpenAI's clients."""

    def event(kind: str, **fields) -> bytes:
        return b"t" + json.dumps({"type": kind, "event_id": "e"} | fields).encode()

    pcm = (32767 * np.clip(SOUND, -1, 1)).astype("<i2").tobytes()
    turns = {"type": "server_vad", "prefix_padding_ms": 10, "silence_duration_ms": 160}
    listened = {"model": "tiny", "language": "en", "keywords": ["abc"]}
    said = [event("input_audio_buffer.append", audio=base64.b64encode(part).decode()) for part in (pcm[:8000], pcm)]
    found = []
    for form in ({"type": "audio/pcm", "rate": RATE}, {"type": "audio/pcmu"}):
        sound = {"format": form, "transcription": listened, "turn_detection": turns if "rate" in form else None}
        chosen = {"type": "transcription", "audio": {"input": sound}, "include": [LOGPROBS]}
        told = [event("session.update", session=chosen), said[0], event("input_audio_buffer.clear"), said[1]]
        found.append(PARTED.join([*told, event("input_audio_buffer.commit")]))
    return found


def converse(_room: Path, data: bytes) -> None:
    """What is wrong gets an event, and the session goes on, until it is too long."""
    with client().websocket_connect("/v1/realtime") as socket, contextlib.suppress(WebSocketDisconnect):
        _say(socket, data)
        socket.send_text('{"type": "none", "event_id": "the last one"}')
        told = {}
        while told.get("error", {}).get("event_id") != "the last one":
            told = json.loads(socket.receive_text())
            assert "type" in told and "event_id" in told, told


def apart(data: bytes, draw: Random, words) -> bytes:
    """Change some messages; their borders stay."""
    messages = data.split(PARTED)
    for _ in range(draw.choice([1, 1, 2])):
        number = draw.randrange(len(messages))
        kind = draw.choice([b"t", b"b"]) if draw.random() < 0.1 else messages[number][:1]
        mutate = of_json if messages[number][:1] == b"t" else mutated
        messages[number] = kind + mutate(messages[number][1:], draw, words)
    return PARTED.join(messages)


LOGPROBS = "item.input_audio_transcription.logprobs"
WORDS = (b'"sample_rate": ', b'"phrase_list": ["a"]', b'"eof": ', b'"config": ', b'"model": ')
HEADERS = (b"\r\n", b"--fuzz", b"Content-Disposition: form-data; ", b'name="file"', b'name="keywords[]"', b"--fuzz--")

TARGETS = [
    Target("HTTP bodies", bodies, post, words=HEADERS),
    Target(
        "HTTP requests", lambda _room: REQUESTS, request, words=(b"Content-Length: ", b"Content-Type: ", b"\n", b"/v1/")
    ),
    Target(
        "HTTP of the page",
        page_bodies,
        ask_for_page,
        after_path,
        words=(b'"form": ', b'"words": ', b'"start": '),
        mended={"a time beyond all": lambda data: data.replace(b"1.0", b"1e308")},
    ),
    Target("WebSocket messages", talks, talk, apart, words=WORDS),
    Target(
        "WebSocket events",
        sessions,
        converse,
        apart,
        mended={
            "a pause of more digits than a float has": lambda data: data.replace(b'ms": 160', b'ms": 1' + b"0" * 400)
        },
        words=(b'"session": ', b'"rate": ', b'"audio": ', b'"turn_detection": null'),
    ),
]
