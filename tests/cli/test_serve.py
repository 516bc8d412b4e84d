"""`asr serve`: a server in a process of its own, as a user starts and ends it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx
import pytest
from support.talkative import talkative, wav

from asr.cli.serve import Serve
from asr.recogniser.model_folder import save_model

pytest.importorskip("uvicorn")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_folder(tmp_path):
    save_model(tmp_path / "mine/best", talkative().recogniser, readme="A model.\n")
    return tmp_path / "mine/best"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "search"), [(signal.SIGTERM, ["--beam", "4"]), (signal.SIGINT, [])])
def test_a_server_says_where_it_is_and_ends_cleanly(run_folder, number, search):
    command = [sys.executable, "-m", "asr", "serve", "--model", str(run_folder), "--port", "0", *search]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            line = server.stderr.readline()
            assert line.startswith("asr: http://127.0.0.1:") and line.endswith(" answers for mine\n"), line
            with urllib.request.urlopen(line.split()[1] + "/v1/models", timeout=120) as answer:
                assert [model["id"] for model in json.load(answer)["data"]] == ["mine"]
            url = f"{line.split()[1]}/v1/audio/transcriptions"
            assert httpx.post(url, files={"file": wav()}, timeout=120).json()["usage"]["seconds"] == 2
            server.send_signal(number)
            assert server.wait(120) == 0
            (line,) = server.stderr.read().splitlines()
            assert "the page may teach models, and keeps what is read in lessons; --no-teach" in line
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("options", "teaches"),
    [({}, True), ({"host": "0.0.0.0"}, False), ({"tokens": True}, False), ({"host": "0.0.0.0", "teach": True}, True)],
)
def test_the_page_teaches_by_itself_only_where_nobody_else_is(run_folder, tmp_path, monkeypatch, options, teaches):
    made = []
    monkeypatch.setattr("asr.server.app.create_app", lambda _service, **given: made.append(given["lessons"]))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    (tmp_path / "tokens").write_text("secret\n")
    if "tokens" in options:
        options = {"tokens": tmp_path / "tokens"}
    Serve(model=(str(run_folder),), port=0, **options).run()
    assert (made[0] is not None) == teaches


def test_what_is_wrong_is_one_line(refused, run_folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(2, "cannot be listened on", "serve", "--model", run_folder, "--port", taken.getsockname()[1])
    refused(2, "needs a name of its own", "serve", "--model", run_folder, run_folder)
    refused(1, "not a model folder", "serve", "--model", tmp_path, "--port", 0)
    refused(2, "no tokens to read", "serve", "--tokens", tmp_path / "nothing", "--port", 0)
    refused(2, "queue must be at least 0", "serve", "--queue", -1)


def test_without_its_libraries_a_line_says_what_to_install(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    refused(1, "pip install 'asr[serve]'", "serve")
