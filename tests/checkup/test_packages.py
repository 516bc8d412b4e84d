"""Packages that are missing, too old or broken are named with the command that mends them."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from asr.checkup import packages
from asr.checkup.packages import EXTRAS, RUNTIME, import_package, installed, python
from asr.checkup.sandbox import SandboxError

ROOT = Path(__file__).parents[2]
REQUIRES = [
    "numpy>=1.26",
    "soundfile>=0.13",
    "torch>=2.9",
    "nowhere>=1; python_version < '3'",
    'onnxruntime>=1.18; extra == "onnx"',
    'sounddevice>=0.5; extra == "live"',
    'mypy>=1; extra == "dev"',
]


class Imports:
    """A sandbox that imports nothing, and fails for some packages."""

    def __init__(self, **broken: str) -> None:
        self.broken, self.imported = broken, []

    def call(self, function, name, *, limit):
        assert function is import_package
        self.imported.append(name)
        if name in self.broken:
            raise SandboxError(self.broken[name])


@pytest.fixture
def found(monkeypatch):
    """Check packages of these versions."""

    def check(sandbox=None, **versions):
        there = {"numpy": "2.1", "soundfile": "0.13", "torch": "2.9", "onnxruntime": "1.20", "sounddevice": "0.5"}
        there |= versions
        monkeypatch.setattr(importlib.metadata, "requires", lambda _: REQUIRES)
        monkeypatch.setattr(packages, "version_of", lambda name: there.get(name))
        return {finding.name: finding for finding in installed(sandbox or Imports())}

    return check


def problems(findings):
    return {name: [(p.what, p.remedy, p.matters) for p in f.problems] for name, f in findings.items() if f.problems}


def test_what_is_there_is_listed_with_its_version_and_imported(found):
    sandbox = Imports()
    findings = found(sandbox)
    assert problems(findings).keys() == {"extra lm", "extra serve", "extra score", "extra ray"}
    assert findings["packages"].facts == {"numpy": "2.1", "soundfile": "0.13", "torch": "2.9"}
    assert findings["extra onnx"].facts == {"onnxruntime": "1.20"}
    assert sandbox.imported == ["numpy", "soundfile", "torch", "onnxruntime", "sounddevice"]


def test_a_missing_package_is_broken_and_a_missing_part_is_not(found):
    findings = found(soundfile=None, sounddevice=None)
    assert problems(findings)["packages"] == [("soundfile is not installed", "pip install soundfile", True)]
    assert problems(findings)["extra live"] == [
        ("sounddevice not installed, for a microphone", "pip install 'asr[live]'", False)
    ]


def test_a_part_without_packages_is_a_note(found):
    """As where this package was installed before the part existed."""
    ((what, remedy, matters),) = problems(found())["extra ray"]
    assert (what, matters) == ("pip knows no packages for asr transcribe --cluster ray here", False)
    assert remedy == "if it should be here: pip install --upgrade 'asr[ray]'"


def test_a_version_that_is_too_old(found):
    ((what, remedy, matters),) = problems(found(numpy="1.9"))["packages"]
    assert (what, remedy, matters) == ("numpy 1.9 is not >=1.26", "pip install --upgrade 'numpy>=1.26'", True)
    assert not problems(found(onnxruntime="1.2"))["extra onnx"][0][2]


def test_a_package_that_cannot_be_imported(found):
    ((what, remedy, matters),) = problems(found(Imports(torch="died of SIGILL")))["packages"]
    assert what == "torch cannot be imported: died of SIGILL" and matters
    assert remedy == "pip install --force-reinstall 'torch>=2.9'"


def test_without_pytorch_onnxruntime_is_needed(found):
    ((what, _, matters),) = problems(found(torch=None))["packages"]
    assert what.startswith("PyTorch is not installed: ") and not matters
    both = problems(found(torch=None, onnxruntime=None))["packages"]
    assert ("onnxruntime is not installed", "pip install onnxruntime", True) in both


def test_where_pip_does_not_know_the_package(monkeypatch):
    def unknown(_):
        raise importlib.metadata.PackageNotFoundError("asr")

    monkeypatch.setattr(importlib.metadata, "requires", unknown)
    (finding,) = installed(Imports())
    assert not finding.is_broken and "numpy" in finding.facts
    assert finding.problems[0].remedy == "install it: pip install asr"


def test_a_python_of_32_bits_is_broken(monkeypatch):
    assert not python().problems
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert python().is_broken and python().facts["bits"] == 32


def test_the_lists_are_those_of_the_project():
    runtime = (ROOT / "requirements-runtime.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"^[a-z]+", runtime, re.MULTILINE)) == RUNTIME | {"onnxruntime"}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(
        r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE
    )
    assert set(extras) - {"test", "docs", "dev"} == set(EXTRAS)
