"""`asr doctor`: a line for each check, an exit code, and JSON that names nobody."""

import getpass
import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from asr.checkup.finding import Finding, Problem
from asr.checkup.sandbox import SandboxError, told
from asr.cli import doctor


class Stub:
    """In place of the sandbox process: everything works, or nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, function, *arguments, limit):
        if self.error is not None:
            raise SandboxError(told(self.error))
        facts = {"instructions": "AVX2", "oneDNN": True, "threads": 1, "built for CUDA": None, "cuda": []}
        return {"describe_torch": facts, "count_microphones": 1}.get(function.__name__, {"text": "a"})


@pytest.fixture
def sandbox(monkeypatch):
    def become(error=None):
        monkeypatch.setattr(doctor, "Sandbox", lambda: Stub(error))

    become()
    return become


def conforms(report):
    """Whether a report has the form that docs/problems.md promises."""
    facts = (str, int, float, bool, type(None))
    assert set(report) == {"broken", "checks"}
    for check in report["checks"]:
        assert set(check) == {"name", "facts", "problems"} and check["name"]
        for fact in check["facts"].values():
            assert isinstance(fact, facts) or all(isinstance(each, str) for each in fact)
        for problem in check["problems"]:
            assert set(problem) == {"what", "remedy", "matters"}
            assert problem["what"] and problem["remedy"] and isinstance(problem["matters"], bool)
            assert "\n" not in problem["what"] + problem["remedy"]
    matter = [check["name"] for check in report["checks"] if any(p["matters"] for p in check["problems"])]
    assert report["broken"] == matter


def test_all_is_well(asr, sandbox, tmp_path):
    shown = asr("doctor", "--runs", tmp_path)
    assert shown.code == 0, shown.out
    assert shown.out.endswith("nothing that matters is broken\n")
    lines = [line for line in shown.out.splitlines() if line.startswith(("ok", "note", "BROKEN"))]
    names = [line[7:].partition(":")[0] for line in lines]
    assert names[:4] == ["python", "encoding", "processor", "memory"] and "trial" in names
    assert not list(tmp_path.iterdir())


def test_without_the_self_test_nothing_is_tried(asr, sandbox):
    assert "trial" not in asr("doctor", "--no-self-test").out


def test_what_is_broken_is_named_at_the_end_and_the_code_is_1(asr, sandbox, tmp_path):
    shown = asr("doctor", "--runs", tmp_path / "gone", "--no-self-test")
    assert shown.code == 1
    assert shown.err == "asr: broken: disk for runs; what to do stands beside each\n"
    assert "! files cannot be written there (No such file or directory). What to do: name another" in shown.out


def test_a_problem_that_does_not_matter_is_a_note(capsys):
    doctor.show(Finding("microphone", {"found": 0}, (Problem("none", "plug one in", matters=False),)))
    assert capsys.readouterr().out == "note   microphone: found 0\n       ! none. What to do: plug one in\n"


@pytest.mark.parametrize("works", [True, False])
def test_json_has_its_form_and_names_nobody(asr, sandbox, works, tmp_path, monkeypatch):
    home = tmp_path / "Annabel Lee"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "annabel")
    monkeypatch.setattr(socket, "gethostname", lambda: "kingdom")
    if not works:
        sandbox(OSError(f"annabel@kingdom: cannot open {home}/.cache/library.so or /home/annabel/secret/a.wav"))
    shown = asr("doctor", "--json", "--model", home)
    report = json.loads(shown.out)
    conforms(report)
    assert (shown.code, bool(report["broken"])) == ((0, False) if works else (1, True)) and shown.err == ""
    for personal in ("nnabel", "kingdom", str(tmp_path), tempfile.gettempdir(), "secret"):
        assert personal not in shown.out


@pytest.mark.soak
def test_the_whole_of_it_as_a_user_runs_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "asr", "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    report = json.loads(done.stdout)
    conforms(report)
    assert done.returncode == 0, report["broken"]
    assert {"trial: train, stop, resume", "trial: read by torch"} <= {check["name"] for check in report["checks"]}
    for personal in (str(tmp_path), str(Path.home()), getpass.getuser(), socket.gethostname()):
        assert len(personal) < 4 or personal not in done.stdout
