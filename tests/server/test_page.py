"""What the page asks for, without a browser: its files, pictures, forms and lessons."""

import base64
import io
import multiprocessing
import threading
import time

import numpy as np
import pytest
import soundfile
import srt
import webvtt
from support.tiny import RATE, noise, recogniser, sine

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from asr.audio.log_mel_numpy import NumpyLogMel
from asr.corpora.folder import read as read_folder
from asr.errors import AsrError
from asr.recogniser.model_folder import load_model, save_model
from asr.server.app import create_app
from asr.server.learning import Change, Learnt, Rate, learn
from asr.server.lessons import Lessons
from asr.server.service import Service
from asr.server.settings import ServeConfig
from asr.transcription.transcribe import Transcriber

TINY = recogniser(seed=24)
HOME = "http://127.0.0.1"
LEARNT = Learnt(Change(Rate(0.5, 0.4, 0.6), Rate(0.25, 0.2, 0.4), 12), None, 0.75)


def wav(waveform):
    soundfile.write(file := io.BytesIO(), waveform, RATE, format="WAV")
    return file.getvalue()


def spoken(seconds=1.0, level=0.3):
    """Quiet, a tone and quiet: a good reading of a short sentence."""
    quiet = noise(RATE // 2, level=0.0005)
    return np.concatenate([quiet, sine(440, seconds, level=level), quiet])


class Pupil:
    """Learns when it is told to."""

    def __init__(self):
        self.may, self.seen = threading.Event(), None

    def __call__(self, recordings, model, out, tell, stopped):
        self.seen = read_folder(recordings)
        tell(0.5, "epoch 1")
        while not self.may.wait(0.01):
            if stopped.is_set():
                raise AsrError("learning was stopped")
        save_model(out, TINY, readme="")
        return LEARNT


def client(folder, *, pupil=None, tokens=(), anywhere=False, home=HOME, teaches=True):
    service = Service({"tiny": Transcriber(TINY, min_confidence=0.0)}, ServeConfig(), 2)
    lessons = Lessons(service, {"tiny": folder / "base"}, folder / "lessons", pupil or Pupil())
    app = create_app(service, tokens=tokens, lessons=lessons if teaches else None, anywhere=anywhere)
    return TestClient(app, base_url=home, raise_server_exceptions=False)


@pytest.fixture
def server(tmp_path):
    with client(tmp_path) as opened:
        yield opened


def test_the_page_comes_with_all_it_names_and_forbids_the_rest(server):
    answer = server.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for name in ("page.css", "page.js", "api.js", "sound.js", "text.js", "picture.js", "teach.js", "worklet.js"):
        assert server.get(f"/static/{name}").status_code == 200
    for name in ("page.py", "..%2fapp.py", "%2e%2e/app.py", ""):
        assert server.get(f"/static/{name}").status_code == 404
    pages = answer.text + "".join(server.get(f"/static/{name}.js").text for name in ("page", "api", "sound", "teach"))
    assert "http://" not in pages and "https://" not in pages and "style=" not in pages and "onclick" not in pages


def test_the_page_needs_no_token_but_what_it_asks_for_does(tmp_path):
    with client(tmp_path, tokens=("secret",)) as server:
        assert server.get("/").status_code == server.get("/static/page.js").status_code == 200
        assert server.get("/page/about").status_code == server.post("/page/lessons", json={}).status_code == 401
        assert server.get("/page/about", headers={"Authorization": "Bearer secret"}).json()["models"] == [
            {"id": "tiny", "sample_rate": RATE}
        ]


def test_a_picture_has_the_features_and_the_probabilities_of_the_model(server):
    waveform = noise(2 * RATE, level=0.2)
    waveform[RATE] = 1.0
    found = server.post("/page/frames", files={"file": wav(waveform)}).json()
    (log_probs,) = TINY.log_probs([soundfile.read(io.BytesIO(wav(waveform)), dtype="float32")[0]])
    best = [[found["tokens"][token] for token, _ in frame[:1]] for frame in found["frames"]]
    pieces = TINY.tokenizer.pieces
    assert best == [[pieces[int(row[1:].argmax())]] for row in log_probs]
    np.testing.assert_allclose(found["blank"], np.exp(log_probs[:, 0]), atol=1e-3)
    log_mel = np.frombuffer(base64.b64decode(found["log_mel"]), np.uint8).reshape(-1, found["mels"])
    assert np.corrcoef(log_mel.ravel(), NumpyLogMel(TINY.config.features)(waveform).ravel())[0, 1] > 0.95
    peaks = base64.b64decode(found["peaks"])
    assert max(peaks) == peaks[100] == 255 and len(peaks) == 200 and not found["more"]


def test_pictures_of_a_long_recording_come_in_stretches(server):
    file = wav(noise(31 * RATE))
    first, last = (server.post("/page/frames", files={"file": file}, data={"start": s}).json() for s in (0, 30))
    assert (first["duration"], first["more"]) == (30.0, True) and (last["duration"], last["more"]) == (1.0, False)


@pytest.mark.parametrize(
    ("file", "data", "status"),
    [(b"text", {}, 415), (b"", {}, 422), (wav(noise(10)), {"start": 5}, 422), (wav(noise(10)), {"start": -1}, 422)],
)
def test_what_cannot_be_drawn_is_said(server, file, data, status):
    assert server.post("/page/frames", files={"file": file}, data=data).status_code == status


def test_a_sound_too_short_for_a_frame_has_an_empty_picture(server):
    found = server.post("/page/frames", files={"file": wav(noise(10))}).json()
    assert found["frames"] == found["blank"] == [] and found["log_mel"] == ""


def test_a_text_is_put_into_other_forms(server):
    words = [{"word": f"w{n}", "start": n, "end": n + 0.5, "confidence": 0.9, "conf": 0.9} for n in range(3)]
    text = {"duration": 4.0, "segments": [{"words": words[:2]}, {"words": words[2:]}]}

    def rendered(form):
        return server.post("/page/render", json=text | {"form": form})

    assert rendered("txt").text == "w0 w1\nw2\n"
    assert " ".join(cue.content for cue in srt.parse(rendered("srt").text)) == "w0 w1 w2"
    assert len(webvtt.from_string(rendered("vtt").text)) == 2
    assert rendered("json").json()["segments"][1]["words"][0]["start"] == 2.0
    assert rendered("exe").status_code == 422
    text["segments"][0]["words"] = []
    assert rendered("txt").status_code == 422


SENTENCES = [f"sentence {n}" for n in range(10)]


def begun(server, sentences=SENTENCES):
    return server.post("/page/lessons", json={"sentences": sentences}).json()["id"]


def sent(server, id, number, waveform=None, keep=False):
    file = wav(spoken() if waveform is None else waveform)
    answer = server.post(f"/page/lessons/{id}/readings/{number}", files={"file": file}, data={"keep": keep})
    return answer.json()


def finished(server, id):
    for _ in range(6000):
        if (state := server.get(f"/page/lessons/{id}").json())["stage"] != "learning":
            return state
        time.sleep(0.01)
    raise AssertionError("it does not end")


def test_a_lesson_from_reading_to_a_model_that_is_served(tmp_path):
    pupil = Pupil()
    with client(tmp_path, pupil=pupil) as server:
        id = begun(server)
        folder = tmp_path / "lessons" / id
        assert not folder.exists()
        for number in range(10):
            assert server.post(f"/page/lessons/{id}/learn").status_code == 422
            assert sent(server, id, number)["faults"] == []
        assert folder.stat().st_mode & 0o077 == 0
        assert server.post(f"/page/lessons/{id}/learn").json()["stage"] == "learning"
        other = begun(server)
        for number in range(10):
            sent(server, other, number)
        refused = server.post(f"/page/lessons/{other}/learn")
        assert refused.status_code == 409 and refused.headers["retry-after"]
        pupil.may.set()
        state = finished(server, id)
        assert state["result"]["own"]["after"] == {"value": 0.25, "low": 0.2, "high": 0.4}
        assert [len(part) for part in (pupil.seen.train, pupil.seen.dev, pupil.seen.test)] == [6, 2, 2]
        assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["tiny", "tiny-taught"]
        answer = server.post("/v1/audio/transcriptions", files={"file": wav(spoken())}, data={"model": "tiny-taught"})
        assert answer.status_code == 200
        assert sent(server, id, 0)["error"]["code"] == "lesson_over"
        assert server.delete(f"/page/lessons/{id}").status_code == 204
        assert [path.name for path in folder.iterdir()] == ["model"] and load_model(folder / "model")
        assert server.get(f"/page/lessons/{id}").status_code == 404


def test_a_poor_reading_is_kept_only_if_that_is_wanted(server, tmp_path):
    id = begun(server)
    for waveform, fault in [(spoken(level=0.008), "quiet"), (np.zeros(RATE), "nothing was heard")]:
        found = sent(server, id, 3, waveform)
        assert not found["kept"] and fault in found["faults"][0] and found["lesson"]["kept"] == []
    assert sent(server, id, 3, np.zeros(RATE), keep=True)["lesson"]["kept"] == [3]
    assert "error" in sent(server, id, 10) and "error" in sent(server, id, 0, np.zeros(0))
    assert server.delete(f"/page/lessons/{id}").status_code == 204
    assert list((tmp_path / "lessons").iterdir()) == []


def test_learning_can_be_stopped_and_what_fails_is_said(tmp_path):
    def fail(*_):
        raise AsrError("no speech")

    for pupil, said in [(None, "stopped"), (fail, "no speech")]:
        with client(tmp_path, pupil=pupil) as server:
            id = begun(server)
            for number in range(10):
                sent(server, id, number)
            server.post(f"/page/lessons/{id}/learn")
            server.post(f"/page/lessons/{id}/stop")
            state = finished(server, id)
            assert (state["stage"], len(state["kept"])) == ("reading", 10) and said in state["error"]


def test_lessons_of_which_something_is_read_are_never_forgotten(server, monkeypatch):
    monkeypatch.setattr("asr.server.lessons.OPEN", 5)
    ids = [begun(server) for _ in range(4)]
    for id in ids:
        sent(server, id, 0)
    first, second = begun(server), begun(server)
    assert server.get(f"/page/lessons/{first}").status_code == 404
    assert all(server.get(f"/page/lessons/{id}").status_code == 200 for id in (*ids, second))
    sent(server, second, 0)
    assert server.post("/page/lessons", json={}).status_code == 429


def test_only_the_servers_own_page_may_teach(tmp_path):
    with client(tmp_path) as server:
        for headers in ({"Origin": "http://evil.org"}, {"Host": "evil.org", "Origin": "http://evil.org"}):
            assert server.post("/page/lessons", json={}, headers=headers).status_code == 403
        for host in ("localhost:8000", "[::1]:8000", "127.0.0.1"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            assert len(server.post("/page/lessons", json={}, headers=headers).json()["sentences"]) == 40
        assert server.post("/page/lessons", json={"sentences": ["one"]}).status_code == 422
        assert server.get("/page/lessons/none").status_code == 404
    with client(tmp_path, anywhere=True, home="http://asr.example.org") as server:
        assert server.post("/page/lessons", json={}).status_code == 200
    with client(tmp_path, teaches=False) as server:
        assert server.post("/page/lessons", json={}).status_code == 404
        assert "--teach" in server.get("/page/about").json()["teaching"]


@pytest.mark.soak  # the process has all of training to import, and comes after everything else
def test_learning_is_a_process_that_tells_what_is_wrong(tmp_path):
    save_model(tmp_path / "base", TINY, readme="")
    (tmp_path / "a.flac").write_bytes(wav(spoken()))
    (tmp_path / "readings.tsv").write_text("path\tsentence\na.flac\tabc\n")
    told = []
    with pytest.raises(AsrError, match="too few"):
        learn(
            tmp_path / "readings.tsv", tmp_path / "base", tmp_path / "out", lambda *what: told.append(what),
            threading.Event(),
        )  # fmt: skip
    assert multiprocessing.active_children() == []


def test_learning_that_is_stopped_leaves_no_process(tmp_path):
    (stopped := threading.Event()).set()
    with pytest.raises(AsrError, match="stopped"):
        learn(tmp_path, tmp_path, tmp_path / "out", lambda *_: None, stopped)
    assert multiprocessing.active_children() == []


@pytest.mark.soak
def test_learning_ends_in_a_model_and_two_rates(tmp_path):
    save_model(tmp_path / "base", TINY, readme="")
    rows = ["path\tsentence\tsplit"]
    for number in range(10):
        (tmp_path / f"{number}.wav").write_bytes(wav(spoken(0.5 + 0.1 * number)))
        rows.append(f"{number}.wav\t{'abc' * (number + 1)}\t{['train', 'dev', 'test'][max(0, number - 7)]}")
    (tmp_path / "readings.tsv").write_text("\n".join(rows) + "\n")
    told = []
    found = learn(
        tmp_path / "readings.tsv", tmp_path / "base", tmp_path / "out", lambda *what: told.append(what), threading.Event()
    )  # fmt: skip
    assert load_model(tmp_path / "out") and found.own.words == 1
    assert any(share > 0 for share, _ in told) and any(doing.startswith("epoch") for _, doing in told)
