"""Each fault of a machine that a check looks for is made here, and is found."""

import os
import shutil
import sys
from collections import namedtuple

import pytest

from asr.checkup import machine
from asr.checkup.machine import GIB, MIB, disk, encoding, memory, microphones, processor, shared_memory, torch_devices
from asr.checkup.sandbox import SandboxError
from asr.workers import num_cores

Usage = namedtuple("Usage", "total used free")


class Answers:
    """A sandbox that gives an answer, or fails."""

    def __init__(self, answer):
        self.answer = answer

    def call(self, _function, *, limit):
        if isinstance(self.answer, str):
            raise SandboxError(self.answer)
        return self.answer


def only(finding):
    """The one problem of a finding."""
    (problem,) = finding.problems
    assert problem.remedy
    return problem


@pytest.fixture
def space(monkeypatch):
    def give(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * GIB, 0, free))

    return give


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0, 0), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_a_processor_without_a_fault(quiet):
    found = processor()
    assert not found.problems and found.facts["usable"] == num_cores() and found.facts["cores"] == os.cpu_count()


@pytest.mark.parametrize("threads", ["1000", "0", "many"])
def test_more_threads_than_cores(quiet, monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert only(processor()).what == f"OMP_NUM_THREADS is {threads} with {num_cores()} usable cores"


def test_others_keep_the_cores_busy(quiet, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0, 0), raising=False)
    assert only(processor()).what.startswith("other programs keep 1000.0 cores busy") and not processor().is_broken


def test_little_memory_here_or_in_a_container(monkeypatch):
    sizes = {"MemTotal": 32 * GIB, "MemAvailable": 30 * GIB}
    monkeypatch.setattr(machine, "_kibibytes", lambda name: sizes[name])
    monkeypatch.setattr(machine, "group_limits", lambda *_: ["max"])
    assert not memory().problems and memory().facts == {"total": "32.0 GiB", "free": "30.0 GiB"}
    monkeypatch.setattr(machine, "group_limits", lambda *_: [str(512 * MIB), "max"])
    assert only(memory()).what == "512 MiB of memory are free" and memory().facts["limit"] == "512 MiB"
    monkeypatch.setattr(machine, "group_limits", lambda *_: [])
    sizes["MemAvailable"] = 200 * MIB
    assert only(memory()).what == "200 MiB of memory are free"


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is a folder on Linux only")
def test_little_shared_memory_or_none(monkeypatch, space, tmp_path):
    monkeypatch.setattr(machine, "SHARED", tmp_path)
    space(64 * MIB)
    assert "--shm-size" in only(shared_memory()).remedy and not shared_memory().is_broken
    space(GIB)
    assert not shared_memory().problems
    monkeypatch.setattr(machine, "SHARED", tmp_path / "gone")
    assert shared_memory().is_broken and "cannot be used" in only(shared_memory()).what


def test_a_disk_that_is_nearly_full(space, tmp_path):
    space(100 * GIB)
    assert not disk("disk", tmp_path, "take another").problems and not list(tmp_path.iterdir())
    space(GIB)
    assert only(disk("disk", tmp_path, "take another")).what == "1.0 GiB are free"
    assert not disk("disk", tmp_path, "take another").is_broken
    space(MIB)
    assert disk("disk", tmp_path, "take another").is_broken


def test_a_folder_where_nothing_can_be_written(monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device", str(tmp_path))

    assert disk("disk", tmp_path / "gone", "take another").is_broken
    monkeypatch.setattr(machine.tempfile, "TemporaryDirectory", full)
    found = disk("disk", tmp_path, "take another")
    assert found.is_broken and only(found).what == "files cannot be written there (No space left on device)"


def test_names_of_files_in_another_encoding(monkeypatch):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    monkeypatch.setattr(machine.locale, "getpreferredencoding", lambda _: "UTF-8")
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    assert only(encoding()).what.startswith("files is not UTF-8") and not encoding().is_broken
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "utf-8")
    assert not encoding().problems


SOUND = {"instructions": "AVX2", "oneDNN": True, "threads": 2, "built for CUDA": "13.0", "cuda": []}


def test_pytorch_that_crashes_is_slow_or_finds_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "version_of", lambda _: "2.9")
    monkeypatch.setattr(machine, "NVIDIA", tmp_path / "gone")
    assert not torch_devices(Answers(SOUND)).problems
    assert torch_devices(Answers("died of SIGILL")).is_broken
    assert "no AVX2" in only(torch_devices(Answers(SOUND | {"instructions": "DEFAULT"}))).what
    monkeypatch.setattr(machine, "NVIDIA", tmp_path)
    assert "driver" in only(torch_devices(Answers(SOUND))).remedy
    assert not torch_devices(Answers(SOUND | {"cuda": ["A GPU (8 GiB)"]})).problems
    monkeypatch.setattr(machine, "version_of", lambda _: None)
    assert torch_devices(Answers("is not asked")) is None


def test_microphones_are_counted_and_not_named(monkeypatch):
    monkeypatch.setattr(machine, "version_of", lambda _: "0.5")
    assert microphones(Answers(2)).facts == {"found": 2} and not microphones(Answers(2)).problems
    assert only(microphones(Answers(0))).what == "there is no microphone"
    assert only(microphones(Answers("the PortAudio library is not installed"))).what.startswith("the PortAudio")
    monkeypatch.setattr(machine, "version_of", lambda _: None)
    assert not microphones(Answers("is not asked")).problems
