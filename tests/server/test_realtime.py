"""OpenAI's realtime transcription events: their order, their content, and what is wrong."""

import base64
import json
from collections import Counter

import numpy as np
import pytest
import soxr
import torch
from support.tiny import RATE, noise, recogniser

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from asr.model.labels import BLANK
from asr.server.app import create_app
from asr.server.realtime import CLIENT_EVENT, RealtimeSession
from asr.server.service import Service
from asr.server.settings import ServeConfig
from asr.transcription.endpoint import LiveConfig
from asr.transcription.live import Final
from asr.transcription.transcribe import Transcriber


def model(seed, blank):
    made = recogniser(seed=seed, chunk=0.2, lookahead=0.16)
    with torch.no_grad():
        made.acoustic.output.bias[BLANK] += blank
    return Transcriber(made, min_confidence=0.0)


TALKATIVE, PAUSING = model(24, 0.0), model(3, 2.0)
"""One gives words without an end, the other one now and then."""
PCM = (32767 * np.clip(noise(4 * RATE, level=0.2), -1, 1)).astype("<i2")
BURSTS = np.where(np.arange(len(PCM)) // (RATE // 2) % 2, PCM // 300, PCM).astype("<i2")
SPOKEN = "conversation.item.input_audio_transcription"


def client(**limits):
    models = {"tiny": TALKATIVE, "pausing": PAUSING}
    return TestClient(create_app(Service(models, ServeConfig(**limits), 2)))


@pytest.fixture(scope="module")
def server():
    with client() as server:
        yield server


class Talk:
    """A client; a wrong event answers at once, so it shows that all before was answered."""

    def __init__(self, socket, **settings):
        self.socket, self.settings = socket, {"format": {"type": "audio/pcm", "rate": RATE}} | settings
        self.created = self.next()
        self.send("session.update", session={"type": "transcription", "audio": {"input": self.settings}})
        self.updated = self.next()

    def send(self, kind, **fields):
        self.socket.send_text(json.dumps({"type": kind} | fields))

    def next(self):
        return json.loads(self.socket.receive_text())

    def append(self, samples):
        data = samples if isinstance(samples, bytes) else samples.tobytes()
        self.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    def told(self):
        """All events up to now."""
        self.send("nothing", event_id="end")
        events = []
        while (event := self.next()).get("error", {}).get("event_id") != "end":
            events.append(event)
        return events

    def error(self):
        events = self.told()
        assert [event["type"] for event in events] == ["error"], events
        return events[0]["error"]


def of(events, kind):
    return [event for event in events if event["type"] == kind]


def segments(silence=0.8, samples=PCM, transcriber=TALKATIVE):
    stream = transcriber.stream(RATE, LiveConfig(silence=silence))
    return [e.segment for e in [*stream.accept(samples), *stream.finish()] if isinstance(e, Final)]


def test_items_are_the_segments_of_the_stream(server):
    turns = {"type": "server_vad", "silence_duration_ms": 160, "prefix_padding_ms": 10}
    with server.websocket_connect("/v1/realtime?model=pausing&intent=transcription") as socket:
        talk = Talk(socket, turn_detection=turns)
        talk.append(BURSTS)
        talk.send("input_audio_buffer.commit")
        events = talk.told()
    expected = segments(0.16, BURSTS, PAUSING)
    assert len(expected) > 2 and len({event["event_id"] for event in events}) == len(events)
    completed = of(events, f"{SPOKEN}.completed")
    assert [event["transcript"] for event in completed][: len(expected)] == [s.text for s in expected]
    for number, event in enumerate(completed[: len(expected)]):
        own = [e for e in events if e.get("item_id", e.get("item", {}).get("id")) == event["item_id"]]
        kinds = [e["type"] for e in own]
        assert kinds == sorted(kinds, key=kinds.index) and kinds[0] == "input_audio_buffer.speech_started"
        ends = [k for k in kinds if k != f"{SPOKEN}.delta"]
        assert ends == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            f"{SPOKEN}.completed",
        ]
        assert "".join(e["delta"] for e in of(own, f"{SPOKEN}.delta")) == event["transcript"]
        before = completed[number - 1]["item_id"] if number else None
        assert of(own, "input_audio_buffer.committed")[0]["previous_item_id"] == before
        start, end = own[0]["audio_start_ms"], of(own, "input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
        assert start <= end == round(1000 * max(expected[number].end, start / 1000))
        assert event["usage"] == {"type": "duration", "seconds": pytest.approx((end - start) / 1000, abs=2e-3)}


def test_words_are_told_while_they_are_said(server):
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket, turn_detection=None)
        talk.append(PCM)
        before = talk.told()
        talk.send("input_audio_buffer.commit")
        after = talk.told()
    assert {event["type"] for event in before} == {f"{SPOKEN}.delta"}
    text = " ".join(segment.text for segment in segments())
    assert "".join(event["delta"] for event in of(before + after, f"{SPOKEN}.delta")) == text
    (completed,) = of(after, f"{SPOKEN}.completed")
    assert completed["transcript"] == text and completed["usage"]["seconds"] == 4.0
    assert not of(after, "input_audio_buffer.speech_started")


def test_each_commit_is_an_item_and_what_is_cleared_is_none(server):
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket, turn_detection=None)
        texts = []
        for _ in range(2):
            talk.append(PCM[:RATE])
            talk.send("input_audio_buffer.clear")
            talk.append(PCM)
            talk.send("input_audio_buffer.commit")
            events = talk.told()
            assert len(of(events, "input_audio_buffer.cleared")) == 1
            texts += [event["transcript"] for event in of(events, f"{SPOKEN}.completed")]
        assert texts == 2 * [" ".join(segment.text for segment in segments())]
        talk.append(b"")
        talk.send("input_audio_buffer.commit", event_id="mine")
        error = talk.error()
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


def test_silence_that_is_committed_is_an_empty_item(server):
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket)
        talk.append(bytes(320))
        talk.send("input_audio_buffer.commit")
        events = talk.told()
    assert [event["transcript"] for event in of(events, f"{SPOKEN}.completed")] == [""]


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_formats_of_sound(server, kind):
    """G.711's tables are libsndfile's; that they are asked for is what is seen here."""
    samples = soxr.resample(PCM, RATE, 24_000) if kind == "audio/pcm" else PCM[::2]
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket, format={"type": kind, "rate": 24_000}, turn_detection=None)
        talk.append(samples if kind == "audio/pcm" else (np.abs(samples) // 256 + 128).astype(np.uint8))
        talk.send("input_audio_buffer.commit")
        (completed,) = of(talk.told(), f"{SPOKEN}.completed")
    assert completed["usage"]["seconds"] == pytest.approx(4.0, abs=0.01) and completed["transcript"]


def test_settings_that_are_left_out_stay_and_belong_to_one_client(server):
    with server.websocket_connect("/v1/realtime") as first, server.websocket_connect("/v1/realtime") as second:
        talk, other = Talk(first, transcription={"keywords": ["abc", "cab"]}, turn_detection=None), Talk(second)
        session = talk.updated["session"]
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": RATE}
        include = ["item.input_audio_transcription.logprobs"]
        talk.send("session.update", session={"type": "transcription", "include": include})
        session["include"] = include
        assert talk.next()["session"] == session and talk.created["type"] == "session.created"
        assert other.updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
        for one in (talk, other):
            one.append(PCM)
            one.send("input_audio_buffer.commit")
        (favoured,) = of(talk.told(), f"{SPOKEN}.completed")
        usual = " ".join(event["transcript"] for event in of(other.told(), f"{SPOKEN}.completed"))
    assert "".join(token["token"] for token in favoured["logprobs"]) == favoured["transcript"]
    assert usual == " ".join(s.text for s in segments(silence=0.5)) != favoured["transcript"]


def test_other_settings_begin_another_item(server):
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket, turn_detection=None)
        talk.append(PCM)
        talk.send("session.update", session={"audio": {"input": {"format": {"rate": 8000}}}})
        events = talk.told()
        kinds = Counter(event["type"] for event in events)
    assert kinds[f"{SPOKEN}.completed"] == 1 and events[-1]["type"] == "session.updated"


@pytest.mark.parametrize(
    ("sent", "param", "message"),
    [
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "audio", "base64"),
        ({"type": "input_audio_buffer.append", "audio": "YWJj"}, "audio", "odd number"),
        ({"type": "input_audio_buffer.append"}, "input_audio_buffer.append.audio", "required"),
        ({"type": "response.create"}, "body", "response.create"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "type", "transcription"),
        ({"type": "session.update", "session": {"audio": {"input": {"format": {"rate": 1}}}}}, "audio.input.", "1000"),
        ({"type": "session.update", "session": {"audio": None}}, "audio", "valid"),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"keywords": ["xyz"]}}}}},
            "keywords[]",
            "xyz",
        ),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "é" * 99}}}}},
            "model",
            "é",
        ),
        ({"event_id": 3, "type": "input_audio_buffer.clear"}, "input_audio_buffer.clear.event_id", "string"),
        ({"type": "input_audio_buffer.append", "audio": "é"}, "audio", "base64"),
        ("no json", "body", "JSON"),
        ("[" * 10_000, "body", "JSON"),
        (b"bytes", "body", "JSON"),
    ],
)
def test_what_is_wrong_is_said_and_the_session_goes_on(server, sent, param, message):
    with server.websocket_connect("/v1/realtime") as socket:
        talk = Talk(socket)
        if isinstance(sent, bytes):
            socket.send_bytes(sent)
        else:
            socket.send_text(sent if isinstance(sent, str) else json.dumps(sent))
        error = talk.error()
        assert error["param"].startswith(param) and message in error["message"], error
        assert error["type"] == "invalid_request_error" and error["event_id"] is None
        talk.send("input_audio_buffer.clear")
        assert [event["type"] for event in talk.told()] == ["input_audio_buffer.cleared"]


def test_sessions_have_limits():
    def ended(socket, message, code):
        while (event := json.loads(socket.receive_text()))["type"] != "error":
            pass
        assert message in event["error"]["message"]
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_text()
        assert end.value.code == code

    with client(streams=1, patience=0.3, max_duration=1.0) as server:
        with server.websocket_connect("/v1/realtime") as first:
            first.receive_text()
            with server.websocket_connect("/v1/realtime") as second:
                ended(second, "try again later", 1013)
            ended(first, "nothing came for 0.3 s", 1008)
        with server.websocket_connect("/v1/realtime?model=" + "é" * 99) as socket:
            ended(socket, "no such model", 1008)
        with server.websocket_connect("/v1/realtime") as socket:
            talk = Talk(socket, turn_detection=None)
            talk.append(bytes(2 * 2 * RATE))
            ended(socket, "too long", 1008)
        assert server.app.state.service.streams == 0 and server.app.state.service.audio_seconds > 1


def test_a_long_message_is_read_in_steps_of_little_work():
    session = RealtimeSession(Service({"tiny": TALKATIVE}))
    audio = base64.b64encode(bytes(48_000)).decode()
    event = CLIENT_EVENT.validate_python({"type": "input_audio_buffer.append", "audio": audio})
    positions = [session.position for _ in session.accept(event)]
    assert positions == pytest.approx(list(np.arange(0.1, 1.05, 0.1)))
