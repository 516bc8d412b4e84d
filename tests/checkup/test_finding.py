"""A finding is fit for a bug report: it can be JSON, and names nobody."""

import json
import socket

import pytest

from asr.checkup.finding import Finding, Problem, without_names


def test_a_finding_is_broken_by_a_problem_that_matters():
    note, fault = Problem("slow", "wait", matters=False), Problem("gone", "bring it back")
    assert not Finding("a").is_broken and not Finding("a", {}, (note,)).is_broken
    assert Finding("a", {}, (note, fault)).is_broken


def test_json_holds_all_that_is_known():
    finding = Finding("disk", {"free": "1 GiB", "cores": 2, "quota": None}, (Problem("full", "free some"),))
    assert json.loads(json.dumps(finding.to_json())) == {
        "name": "disk",
        "facts": {"free": "1 GiB", "cores": 2, "quota": None},
        "problems": [{"what": "full", "remedy": "free some", "matters": True}],
    }


def test_a_line_leaves_out_what_is_not_known():
    facts = {"cores": 2, "quota": None, "load": 0.5, "oneDNN": True, "cuda": [], "found": ["a", "b"], "text": ""}
    assert Finding("x", facts).line == "cores 2, load 0.5, oneDNN yes, found a b"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("/home/ann/runs/a.wav: cannot be read", ".../a.wav: cannot be read"),
        ("[Errno 2] No such file or directory: '/srv/ann/x'", "[Errno 2] No such file or directory: '.../x'"),
        (r"C:\Users\Ann\a.wav is not audio", ".../a.wav is not audio"),
        ("~/speech/a.wav", ".../a.wav"),
        (
            "reads 'either/or' in 12 m/s; pip install 'asr[live]'",
            "reads 'either/or' in 12 m/s; pip install 'asr[live]'",
        ),
    ],
)
def test_folders_are_taken_out_of_messages(text, instead):
    assert without_names(text) == instead


def test_the_folder_at_work_the_user_and_the_host_are_taken_out(tmp_path, monkeypatch):
    inside = tmp_path / "Annabel Lee" / "speech"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setenv("LOGNAME", "annabel")
    monkeypatch.setattr(socket, "gethostname", lambda: "kingdom")
    assert without_names(f"{inside}/a.wav") == ".../a.wav"
    assert without_names("annabel by the sea, in kingdom; annabelle") == "USER by the sea, in HOST; annabelle"
    monkeypatch.setenv("HOME", "/home/Annabel Lee")
    assert without_names("/home/Annabel Lee/b.wav is gone") == ".../b.wav is gone"
