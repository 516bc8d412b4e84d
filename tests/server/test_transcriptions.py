"""`POST /v1/audio/transcriptions` and what is around it, with a tiny model."""

import io
import json
import threading
from dataclasses import replace

import pytest
import soundfile
import srt
import webvtt
from support.talkative import talkative, wav
from support.tiny import RATE

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from asr.server.app import create_app
from asr.server.service import Service
from asr.server.settings import ServeConfig

URL = "/v1/audio/transcriptions"


TRANSCRIBER = talkative()


def client(*, models=None, jobs=2, tokens=(), origins=(), **limits):
    service = Service(models or {"tiny": TRANSCRIBER}, ServeConfig(**limits), jobs)
    return TestClient(create_app(service, tokens=tokens, origins=origins), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def server():
    with client(models={"tiny": TRANSCRIBER, "other": TRANSCRIBER}) as server:
        yield server


def send(server, data=None, **fields):
    names = ("timestamp_granularities", "include", "keywords", "commands")
    fields = {f"{name}[]" if name in names else name: value for name, value in fields.items()}
    return server.post(URL, files={"file": ("a.wav", wav() if data is None else data)}, data=fields)


def expected():
    return TRANSCRIBER.transcribe(soundfile.read(io.BytesIO(wav()), dtype="float32")[0], RATE)


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"} and set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["code"] == code, answer.text
    return answer.json()["error"]


def test_a_recording_gets_its_text(server):
    answer = send(server, model="tiny", language="en", prompt="x", temperature="0.2")
    assert answer.status_code == 200 and len(expected().text) > 3
    assert answer.json() == {"text": expected().text, "usage": {"type": "duration", "seconds": 2}}
    assert send(server).json() == answer.json()  # a model need not be named


def test_text_and_subtitles(server):
    assert send(server, response_format="text").text == expected().text + "\n"
    assert "".join(cue.content for cue in srt.parse(send(server, response_format="srt").text))
    assert list(webvtt.from_string(send(server, response_format="vtt").text))


def test_verbose_json_has_times(server):
    found = send(server, response_format="verbose_json", timestamp_granularities=["word", "segment"]).json()
    words = expected().words
    assert [(w["word"], w["start"], w["end"]) for w in found["words"]] == [
        (w.text, pytest.approx(w.start, abs=1e-3), pytest.approx(w.end, abs=1e-3)) for w in words
    ]
    assert [segment["text"] for segment in found["segments"]] == [s.text for s in expected().segments]
    assert (found["duration"], found["task"], found["language"]) == (2.0, "transcribe", "und")
    assert "words" not in send(server, response_format="verbose_json").json()
    only = send(server, response_format="verbose_json", timestamp_granularities=["word"], language="en").json()
    assert "segments" not in only and only["language"] == "en"


def test_log_probabilities_of_tokens_spell_the_text(server):
    found = send(server, include=["logprobs"]).json()
    assert "".join(token["token"] for token in found["logprobs"]) == found["text"]
    assert all(
        token["logprob"] <= 0 and bytes(token["bytes"]).decode() == token["token"] for token in found["logprobs"]
    )


def test_streams_give_each_segment(server):
    answer = send(server, stream="true", include=["logprobs"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    *deltas, done = events
    assert [e["type"] for e in events] == ["transcript.text.delta"] * len(deltas) + ["transcript.text.done"]
    assert "".join(e["delta"] for e in deltas) == done["text"] == expected().text
    assert done["usage"] == {"type": "duration", "seconds": 2}
    refused(send(server, b"no audio at all", stream="true"), 415, "unsupported_audio")


def test_any_format_is_read_by_its_content(server):
    assert send(server, wav(form="FLAC")).json()["text"] == expected().text


def test_keywords_count_in_their_request_alone(server):
    before = send(server).json()["text"]
    assert send(server, keywords=["abc", "cab"]).json()["text"] != before
    assert send(server).json()["text"] == before
    assert refused(send(server, keywords=["xyz"]), 422, "invalid_value")["param"] == "keywords[]"


def test_what_keywords_need_is_made_once():
    service = Service({"tiny": TRANSCRIBER, "other": TRANSCRIBER})
    made = service.listening("tiny", ["abc ", "", "cab"])
    assert service.listening(None, ["abc", "cab"]) is made
    assert service.listening("tiny", [" "]) is TRANSCRIBER is not made
    others = [service.listening("other", ["abc", "cab"]), service.listening("tiny", ["abc"])]
    assert made not in others and others[0] is not others[1]


def test_what_is_wrong_has_its_status(server):
    refused(send(server, b"not audio at all"), 415, "unsupported_audio")
    refused(send(server, b""), 422, "invalid_audio")
    error = refused(send(server, model="huge"), 404, "model_not_found")
    assert "tiny, other" in error["message"] and error["param"] == "model"
    assert refused(send(server, response_format="mp3"), 422, "invalid_value")["param"] == "response_format"
    assert refused(server.post(URL, data={"model": "tiny"}), 422, "invalid_value")["param"] == "file"
    assert refused(server.get("/nowhere"), 404, None)["type"] == "invalid_request_error"
    assert server.get(URL).status_code == 405


def test_names_of_files_lead_nowhere(server, tmp_path):
    answer = server.post(URL, files={"file": ("../../etc/passwd", wav())})
    assert answer.json()["text"] == expected().text
    error = refused(server.post(URL, files={"file": (f"{tmp_path}/a.wav", b"text")}), 415, "unsupported_audio")
    assert error["message"].startswith("recording: ")


def test_models_are_listed(server):
    found = server.get("/v1/models").json()
    assert found["object"] == "list" and [model["id"] for model in found["data"]] == ["tiny", "other"]
    assert server.get("/v1/models/other").json()["id"] == "other"
    refused(server.get("/v1/models/huge"), 404, "model_not_found")


def test_the_schema_is_complete(server):
    schema = server.get("/openapi.json").json()
    post = schema["paths"][URL]["post"]
    assert {"200", "401", "404", "408", "413", "415", "422", "429", "503"} <= set(post["responses"])
    fields = schema["components"]["schemas"][
        post["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"].split("/")[-1]
    ]["properties"]
    assert {"file", "model", "timestamp_granularities[]", "include[]", "keywords[]", "stream"} <= set(fields)


def test_tokens_are_asked_for():
    with client(tokens=("secret", "other")) as server:
        refused(send(server), 401, "invalid_api_key")
        for wrong in ("Bearer wrong", "Basic secret", "Bearer ", "Bearer sécret"):
            assert server.get("/v1/models", headers={"Authorization": wrong.encode()}).status_code == 401
        assert server.get("/v1/models", headers={"Authorization": "Bearer other"}).status_code == 200
        assert server.get("/health").json() == {"status": "ok"}


def test_other_sites_are_let_in_only_by_name():
    ask = {"Origin": "https://a.org", "Access-Control-Request-Method": "POST"}
    with client() as server:
        assert "access-control-allow-origin" not in server.get("/health", headers=ask).headers
    with client(origins=("https://a.org",), tokens=("x",)) as server:
        assert server.options(URL, headers=ask).headers["access-control-allow-origin"] == "https://a.org"


def test_uploads_have_a_limit_with_and_without_their_length():
    with client(max_size=1) as server:
        refused(send(server, bytes(3 << 20)), 413, "file_too_large")

        def body():
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            yield from (bytes(1 << 19) for _ in range(4))
            yield b"\r\n--x--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        refused(server.post(URL, content=body(), headers=kind), 413, "file_too_large")
        assert send(server).status_code == 200


def test_recordings_have_a_limit_whatever_their_header_says():
    with client(max_duration=3.0) as server:
        refused(send(server, wav(4.0)), 413, "audio_too_long")
        lying = bytearray(wav(4.0))
        lying[40:44] = bytes(4)  # the length of the samples
        refused(send(server, bytes(lying)), 413, "audio_too_long")
        assert send(server, wav(2.0)).status_code == 200


class Held:
    """A transcriber that waits until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        self.recogniser, self.reader = TRANSCRIBER.recogniser, TRANSCRIBER.reader

    def parts(self, sound):
        self.begun.release()
        assert self.go.wait(30)
        return TRANSCRIBER.parts(sound)


def test_a_full_queue_sends_away_and_health_never_waits():
    held, answers = Held(), []
    with client(models={"tiny": held}, jobs=1, queue=1) as server:
        threads = [threading.Thread(target=lambda: answers.append(send(server))) for _ in range(2)]
        threads[0].start()
        assert held.begun.acquire(timeout=20)
        threads[1].start()
        turns = server.app.state.service.turns
        while not turns.waiting:
            threading.Event().wait(0.01)
        answer = send(server)
        refused(answer, 429, "queue_full")
        assert int(answer.headers["Retry-After"]) > 0
        assert server.get("/health").status_code == 200
        held.go.set()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200, 200]
        assert send(server).status_code == 200 and turns.waiting == 0


def test_what_takes_too_long_ends():
    held = Held()
    with client(models={"tiny": held}, jobs=1, timeout=0.2) as server:
        first = threading.Thread(target=send, args=(server,))
        first.start()
        assert held.begun.acquire(timeout=20)
        refused(send(server), 503, "timeout")  # no turn
        held.go.set()
        first.join()
    with client(timeout=1e-6) as server:
        refused(send(server), 503, "timeout")


def test_a_failure_of_ours_is_told_without_its_details():
    broken = replace(TRANSCRIBER)
    object.__setattr__(broken, "recogniser", None)
    with client(models={"tiny": broken}) as server:
        error = refused(send(server), 500, "internal_error")
        assert error["type"] == "server_error" and "NoneType" not in error["message"]


def test_commands_are_all_that_is_listened_for(server):
    heard = send(server, commands=["do: (abc | cab)"], response_format="verbose_json").json()
    phrases = {"abc", "cab"}
    assert {segment["text"] for segment in heard["segments"]} <= phrases
    assert all(set(segment["command"]) == {"name", "slots", "score"} for segment in heard["segments"])
    assert refused(send(server, commands=["[abc"]), 422, "invalid_value")["param"] == "commands[]"
    assert refused(send(server, commands=["abc"], keywords=["cab"]), 422, "invalid_value")["param"] == "keywords[]"


def test_deltas_have_words_if_they_are_asked_for(server):
    lines = send(server, stream=True, timestamp_granularities=["word"]).text.splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    found = [word for event in events[:-1] for word in event["words"]]
    assert [(word["word"], word["start"]) for word in found] == [(w.text, round(w.start, 3)) for w in expected().words]
    assert "words" not in send(server, stream=True).text
