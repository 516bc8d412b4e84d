"""`asr transcribe --cluster ray`: a cluster's files are one process's, whatever is killed."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.tiny import RATE, noise, recogniser, sine

import asr as package
from asr.cli import transcribe
from asr.recogniser.model_folder import save_model
from asr.recogniser.onnx_export import export
from asr.transcription import cluster
from asr.transcription.cluster import Actor
from asr.transcription.shares import hand_out

OURS = {"errors.jsonl", "ray.log"}
"""What one process does not write."""
COUNT, HOURS = 5000, 10.0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model that finds letters in noise, with and without PyTorch."""
    folder, made = tmp_path_factory.mktemp("model"), recogniser(seed=1)
    save_model(folder, made, readme="")
    if find_spec("onnx"):
        export(made, folder)
    return folder


@pytest.fixture
def archive(tmp_path, monkeypatch) -> Path:
    """Two folders of recordings and one that is none, below the current folder."""
    for number in range(6):
        path = tmp_path / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, noise(RATE // 2, seed=number), RATE)
    soundfile.write(tmp_path / "a" / "odd.wav", np.stack([noise(RATE), -noise(RATE)], axis=1), RATE)
    (tmp_path / "b" / "bad.wav").write_text("not audio")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Here:
    """Actors in this process; the first one dies in its second share, before it tells."""

    def __init__(self, work):
        self.work, self.actors, self.busy = work, 0, {}

    def start(self):
        self.actors += 1
        return self.actors, Actor(self.work)

    def give(self, process, share):
        number, actor = process
        key = (number, share)
        self.busy[key] = actor
        return key

    def answer(self, waiting):
        key = next(iter(waiting))
        found = self.busy.pop(key).read(key[1])
        if isinstance(found, Exception):
            raise found
        return key, None if key[0] == 1 and key[1] else found


@pytest.fixture
def here(monkeypatch):
    """Take actors of this process for a cluster's."""

    def transcribed(waiting, work, log, progress):
        shares = [(job,) for job in waiting]
        for found in hand_out(shares, Here(work), 2):
            if isinstance(found, str):
                progress.say(f"asr: {found}")
            else:
                yield found

    monkeypatch.setattr(transcribe, "transcribed_on_ray", transcribed)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.name not in OURS}


def command(model: Path, out: str, *options: object) -> tuple[object, ...]:
    chosen = ("--format", "json", "srt", "--out", out, "--min-confidence", 0)
    return ("transcribe", "a", "b", "--model", model, *chosen, *options)


def test_actors_write_what_one_process_writes(asr, here, model, archive):
    alone = asr(*command(model, "alone"))
    spread = asr(*command(model, "spread", "--cluster", "ray"))
    assert alone.code == spread.code == 1
    assert len(contents(archive / "alone")) == 14 and b"cancel each other" in contents(archive / "alone")["a/odd.json"]
    assert contents(archive / "spread") == contents(archive / "alone")
    assert sorted(spread.out.splitlines()) == sorted(alone.out.replace("alone/", "spread/").splitlines())
    (row,) = map(json.loads, (archive / "spread" / "errors.jsonl").read_text().splitlines())
    assert row["file"] == "b/bad.wav" and row["error"].startswith("b/bad.wav: not readable as audio")
    assert spread.err.endswith("asr: 1 of 8 files could not be transcribed; spread/errors.jsonl lists them\n")


def test_what_is_there_is_left_out_and_the_list_of_errors_begins_anew(asr, here, model, archive):
    asr(*command(model, "out", "--cluster", "ray"))
    written = {path: path.stat().st_mtime_ns for path in (archive / "out").rglob("*.json")}
    soundfile.write(archive / "b" / "bad.wav", noise(RATE), RATE)
    (archive / "out" / "a" / "0.srt").unlink()
    again = asr(*command(model, "out", "--cluster", "ray"))
    assert again.code == 0 and len(again.out.splitlines()) == 4
    assert "6 of 8 recordings have their files already" in again.err
    assert not (archive / "out" / "errors.jsonl").exists()
    changed = {path.stem for path, at in written.items() if path.stat().st_mtime_ns != at}
    assert changed == {"0"}


def test_a_fault_of_the_program_stops_no_archive(asr, here, model, archive, monkeypatch):
    one = cluster.transcribed

    def faulty(transcriber, waiting, progress, reading) -> Iterator[object]:
        if waiting[0].stem == Path("a/2"):
            raise IndexError("list index out of range")
        return one(transcriber, waiting, progress, reading)

    monkeypatch.setattr(cluster, "transcribed", faulty)
    ran = asr(*command(model, "out", "--cluster", "ray"))
    assert ran.code == 1 and "2 of 8 files" in ran.err
    assert "a/2.wav: IndexError: list index out of range; that is a fault of the program" in ran.err


def test_what_concerns_all_recordings_ends_the_run_in_one_line(asr, here, refused, model, archive, monkeypatch):
    refused(2, "--cluster needs files that all machines see", *command(model, "-", "--cluster", "ray"))
    refused(2, "--cluster needs files", "transcribe", "a", "--model", model, "--cluster", "ray")
    refused(1, "none: not a model folder", *command(Path("none"), "out", "--cluster", "ray"))
    refused(2, "--second needs --lm", *command(model, "out", "--second", model, "--cluster", "ray"))
    (archive / "full").mkdir()
    (archive / "full" / "a").touch()
    refused(1, "full/a/", *command(model, "full", "--cluster", "ray"))


def test_a_missing_library_is_one_line(asr, refused, model, archive, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    refused(1, "pip install 'asr[ray]'", *command(model, "out", "--cluster", "ray"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the driver is not forked, so it is another one")
def test_a_driver_that_does_not_start_or_dies_is_one_line(refused, model, archive, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr(cluster, "_drive", lambda pipe, *work: None)
    refused(1, "Ray did not start, 5 times over", *command(model, "out", "--cluster", "ray"))
    monkeypatch.setattr(cluster, "_drive", lambda pipe, *work: pipe.send(cluster.STARTED))
    refused(1, "Ray's driver ended; out/ray.log says more", *command(model, "out", "--cluster", "ray"))


def descendants(pid: int) -> dict[int, str]:
    """Processes that a process has started, and theirs, with what they are called."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(status.split("PPid:")[1].split()[0])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: names[child] for child in found - {pid}}


def silence_with_tones(path: Path, hours: float) -> None:
    """A WAV file of which next to nothing is on the disk."""
    size = round(2 * RATE * 3600 * hours)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
    )
    with path.open("wb") as file:
        file.write(head)
        for at in range(0, size, max(size // 60, 2) & ~1):
            file.seek(len(head) + at)
            tones = np.concatenate([sine(pitch, 0.3) for pitch in (300, 900, 2500)])[: (size - at) // 2]
            file.write((10_000 * tones).astype("<i2").tobytes())
        file.truncate(len(head) + size)


@pytest.mark.soak
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'asr[ray]'")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="finds Ray's processes in /proc")
def test_an_archive_on_ray_while_its_processes_are_killed(model, tmp_path):
    """Both actors die amid the recording of ten hours, one each after 1,000 and 3,000 others."""
    archive = tmp_path / "in"
    for folder in range(10):
        (archive / str(folder)).mkdir(parents=True)
    for number in range(COUNT):
        path = archive / str(number % 10) / f"{number}.wav"
        if number < 20:
            soundfile.write(path, noise(RATE // 2, seed=number), RATE)
        else:
            os.link(archive / str(number % 10) / f"{number % 10 + 10 * (number // 10 % 2)}.wav", path)
    (archive / "bad.wav").write_text("not audio")
    silence_with_tones(archive / "long.wav", HOURS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"PYTHONPATH": str(Path(package.__file__).parent.parent)}
    chosen = ("--model", model, "--format", "json", "srt", "--min-confidence", 0)
    called = [*map(str, (sys.executable, "-m", "asr", "transcribe", archive, *chosen, "--out"))]

    out, printed, told = (tmp_path / name for name in ("spread", "out", "err"))
    with printed.open("w") as stdout, told.open("w") as stderr:
        spread = subprocess.Popen(
            [*called, out, "--cluster", "ray", "--jobs", "2"], env=environment, stdout=stdout, stderr=stderr
        )
    moments = [
        (2, lambda: (out / "long.partial.safetensors").exists()),
        (1, lambda: len(list(out.glob("*/*.srt"))) > COUNT // 5),
        (1, lambda: len(list(out.glob("*/*.srt"))) > 3 * COUNT // 5),
    ]
    killed = 0
    for most, has_come in moments:
        while spread.poll() is None and not has_come():
            time.sleep(0.1)
        for pid in [pid for pid, name in descendants(spread.pid).items() if name.startswith("ray::Actor")][:most]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    spread.wait()
    err = told.read_text()
    assert killed == 4, err
    assert spread.returncode == 1
    assert f"1 of {COUNT + 2} files could not be transcribed" in err
    aside = [line for line in err.splitlines() if not line.startswith("asr: ")]
    assert all(re.match(rf"\d+ of {COUNT + 2}: \d+ %", line) for line in aside), "how far it is, and no traceback"
    assert "long.partial.jsonl: goes on after" in err
    (row,) = map(json.loads, (out / "errors.jsonl").read_text().splitlines())
    assert row["file"] == str(archive / "bad.wav")
    lines = printed.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 2 * (COUNT + 1)

    alone = subprocess.run([*called, tmp_path / "alone"], env=environment, capture_output=True, text=True)
    assert alone.returncode == 1, alone.stderr
    assert contents(out) == contents(tmp_path / "alone")
    assert len(contents(out)) == 2 * (COUNT + 1)
