"""Live text by a client that is written from vosk's documentation; and what is counted."""

import json
from contextlib import ExitStack

import numpy as np
import pytest
from support.tiny import RATE, noise, recogniser

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from starlette.websockets import WebSocketDisconnect

from asr.server.app import create_app
from asr.server.failure import ApiError
from asr.server.service import Service
from asr.server.settings import ServeConfig
from asr.transcription.live import Final, LiveStream
from asr.transcription.transcribe import Transcriber

TRANSCRIBER = Transcriber(recogniser(seed=24, chunk=0.2, lookahead=0.16), min_confidence=0.0)
PCM = (32767 * np.clip(noise(4 * RATE, level=0.2), -1, 1)).astype("<i2")


def client(*, tokens=(), origins=(), **limits):
    service = Service({"tiny": TRANSCRIBER}, ServeConfig(**limits), 2)
    return TestClient(create_app(service, tokens=tokens, origins=origins))


@pytest.fixture(scope="module")
def server():
    with client() as server:
        yield server


def said(socket, config=None, size=3200, pcm=PCM):
    """All answers: one to each message of sound, and the last."""
    if config is not None:
        socket.send_text(json.dumps({"config": config}))
    answers = []
    for start in range(0, len(pcm), size):
        socket.send_bytes(pcm[start : start + size].tobytes())
        answers.append(json.loads(socket.receive_text()))
    socket.send_text('{"eof" : 1}')
    answers.append(json.loads(socket.receive_text()))
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_text()
    assert end.value.code == 1000
    return answers


def finals(rate=RATE):
    stream = TRANSCRIBER.stream(rate)
    events = [*stream.accept(PCM), *stream.finish()]
    return [word for event in events if isinstance(event, Final) for word in event.segment.words]


def test_each_message_gets_an_answer_and_the_words_are_those_of_the_stream(server):
    with server.websocket_connect("/") as socket:
        answers = said(socket, {"sample_rate": RATE})
    assert all(set(answer) in ({"partial"}, {"text"}, {"result", "text"}) for answer in answers)
    assert "partial" in answers[0] and "text" in answers[-1]
    words = [word for answer in answers for word in answer.get("result", ())]
    assert len(words) > 0 and [w["word"] for w in words] == [w.text for w in finals()]
    assert [(w["start"], w["end"]) for w in words] == [(round(w.start, 3), round(w.end, 3)) for w in finals()]
    assert all(0 <= w["conf"] <= 1 for w in words)


def test_a_connection_has_settings_of_its_own(server):
    with server.websocket_connect("/") as first, server.websocket_connect("/") as second:
        changed = said(first, {"sample_rate": 8000, "words": False, "phrase_list": ["abc", "[unk]"], "more": 1})
        usual = said(second)
    assert not any("result" in answer for answer in changed)
    words = [word["word"] for answer in usual for word in answer.get("result", ())]
    assert words == [word.text for word in finals()]


def test_after_a_reset_all_begins_anew_but_time(server):
    with server.websocket_connect("/") as socket:
        found = []
        for _ in range(2):
            socket.send_bytes(PCM.tobytes())
            socket.receive_text()
            socket.send_text('{"reset" : 1}')
            found += json.loads(socket.receive_text())["result"]
        assert said(socket, {"words": False, "sample_rate": RATE}, pcm=PCM[:0]) == [{"text": ""}]
    words = finals()
    assert [word["word"] for word in found] == 2 * [word.text for word in words]
    starts = [word.start for word in words] + [word.start + 4 for word in words]
    assert [word["start"] for word in found] == pytest.approx(starts, abs=1e-3)


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        (b"odd", 1008, "odd number of bytes"),
        ("no json", 1007, "JSON"),
        ('{"config": {"sample_rate": 1}}', 1007, "config.sample_rate"),
        ('{"config": {"model": "huge"}}', 1008, "no such model: huge"),
        ('{"config": {"phrase_list": ["xyz"]}}', 1008, "xyz"),
    ],
)
def test_what_is_wrong_is_said_before_the_connection_is_closed(server, sent, code, message):
    with server.websocket_connect("/") as socket:
        (socket.send_bytes if isinstance(sent, bytes) else socket.send_text)(sent)
        if code == 1008:
            socket.send_bytes(bytes(2))
        assert message in json.loads(socket.receive_text())["error"]
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_text()
        assert end.value.code == code
    with server.websocket_connect("/") as socket:
        assert said(socket)


def test_a_long_message_is_read_in_steps_and_answered_once(server, monkeypatch):
    read, accept = [], LiveStream.accept
    monkeypatch.setattr(
        LiveStream, "accept", lambda stream, samples: read.append(len(samples)) or accept(stream, samples)
    )
    with server.websocket_connect("/") as socket:
        answers = said(socket, {"sample_rate": RATE}, size=len(PCM))
    assert len(answers) == 2 and read == [32_768, len(PCM) - 32_768]
    assert [word["word"] for word in answers[1]["result"]] == [word.text for word in finals()]


def test_settings_come_before_the_sound(server):
    with server.websocket_connect("/") as socket:
        socket.send_bytes(bytes(2))
        assert json.loads(socket.receive_text()) == {"partial": ""}
        socket.send_text('{"config": {"sample_rate": 8000}}')
        assert "before it" in json.loads(socket.receive_text())["error"]


def test_streams_have_limits():
    with client(streams=1, patience=0.2, max_duration=1.0) as server:
        with server.websocket_connect("/") as first:
            with server.websocket_connect("/") as second:
                assert "try again" in json.loads(second.receive_text())["error"]
            assert "nothing came for 0.2 s" in json.loads(first.receive_text())["error"]
        with server.websocket_connect("/") as socket:
            socket.send_bytes(PCM[: RATE + 1].tobytes())
            socket.receive_text()
            socket.send_bytes(PCM.tobytes())
            assert "too long" in json.loads(socket.receive_text())["error"]


def test_by_default_there_are_as_many_streams_as_jobs_keep_up_with():
    service = Service({}, jobs=2)
    with ExitStack() as opened:
        for _ in range(24):
            opened.enter_context(service.stream())
        with pytest.raises(ApiError, match="as many streams as allowed are open"), service.stream():
            pass
    with service.stream():
        assert service.streams == 1


def test_a_stream_needs_a_token_and_no_page_of_another_site():
    with client(tokens=("secret",), origins=("https://a.org",)) as server:
        known = {"Authorization": "Bearer secret"}
        for headers in ({}, known | {"Origin": "https://evil.org"}):
            with pytest.raises(WebSocketDisconnect), server.websocket_connect("/", headers=headers):
                pass
        for headers in (known, known | {"Origin": "https://a.org"}, known | {"Origin": "http://testserver"}):
            with server.websocket_connect("/", headers=headers) as socket:
                assert said(socket)


def test_a_page_sends_its_token_among_the_protocols():
    with client(tokens=("se/cr=t",)) as server:
        with pytest.raises(WebSocketDisconnect), server.websocket_connect("/", subprotocols=["vosk"]):
            pass
        offered = ["openai-insecure-api-key.se%2Fcr%3Dt", "vosk"]
        with server.websocket_connect("/", subprotocols=offered) as socket:
            assert socket.accepted_subprotocol == "vosk" and said(socket)


def test_a_stream_listens_for_commands(server):
    with server.websocket_connect("/") as socket:
        answers = said(socket, {"commands": ["(abc | cab)"]})
    assert {answer["text"] for answer in answers if "text" in answer} <= {"abc", "cab", "abc cab", ""}


def metrics(server):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(server.get("/metrics").text)
        for sample in family.samples
    }


def test_what_a_server_does_is_counted():
    with client() as server:
        with server.websocket_connect("/") as socket:
            assert metrics(server)["asr_live_streams",] == 1
            said(socket)
        server.post("/v1/audio/transcriptions", files={"file": b"text"})
        server.get("/health")
        found = metrics(server)
    assert found["asr_audio_seconds_total",] == 4.0 and found["asr_live_streams",] == 0
    assert found["asr_requests_total", "415"] == 1 and found["asr_request_seconds_count",] == 1
    assert found["asr_waiting_requests",] == 0
