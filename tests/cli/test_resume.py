"""`asr transcribe` of a long recording: written while it comes, and gone on with after a stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.tiny import RATE, noise, recogniser, sine

from asr.audio.reader import Recording
from asr.recogniser.model_folder import save_model
from asr.text.formats import FORMATS
from asr.transcription import parts

SECONDS = 90


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model that says much."""
    folder, made = tmp_path_factory.mktemp("model"), recogniser(layers=2, seed=7)
    with torch.no_grad():
        made.acoustic.output.bias[0] -= 2
    save_model(folder, made, readme="")
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "a.flac"
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 5 * SECONDS)
    sound = np.concatenate([sine(pitch, 0.2) for pitch in pitches]) + noise(SECONDS * RATE, level=0.01)
    soundfile.write(path, 0.5 * sound, RATE)
    return path


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(parts, "EVERY", 30.0)


@pytest.fixture
def stopped(monkeypatch):
    """Have reading stop as by Ctrl-C after so many blocks of 10 s."""

    def stop(after):
        blocks = Recording.blocks

        def reading(self, *args, **options):
            for number, block in enumerate(blocks(self, *args, **options)):
                if number == after:
                    raise KeyboardInterrupt
                yield block

        patch = pytest.MonkeyPatch()
        patch.setattr(Recording, "blocks", reading)
        return patch

    return stop


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def command(model: Path, recording: Path, out: Path, *options: str) -> tuple[object, ...]:
    return (
        "transcribe",
        recording,
        "--model",
        model,
        "--min-confidence",
        0,
        "--format",
        *FORMATS,
        "--out",
        out,
        *options,
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stopped_job_keeps_what_it_has_and_the_same_command_goes_on(asr, stopped, model, recording, tmp_path, jobs):
    """With several jobs what is under way is not kept; how much that is depends on the machine."""
    assert asr(*command(model, recording, tmp_path / "whole")).code == 0
    expected = contents(tmp_path / "whole")
    assert len(expected) == len(FORMATS)
    for after in (4, 8):
        patch = stopped(after)
        assert asr(*command(model, recording, tmp_path / "out", "--jobs", jobs)).code == 130
        patch.undo()
        kept = contents(tmp_path / "out")
        assert "a.partial.jsonl" in kept
        if jobs == 1:
            assert set(kept) == {"a.partial.jsonl", "a.partial.safetensors"}
            assert kept["a.partial.jsonl"].count(b"\n") >= after - 2
    ran = asr(*command(model, recording, tmp_path / "out", "--jobs", jobs))
    assert ran.code == 0 and (jobs > 1 or "a.partial.jsonl: goes on after 0:0" in ran.err)
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("changed", ["option", "recording", "model"])
def test_what_has_changed_starts_anew_and_says_so(asr, stopped, model, recording, tmp_path, changed):
    patch = stopped(7)
    assert asr(*command(model, recording, tmp_path / "out")).code == 130
    patch.undo()
    options = ["--low", "mark"] if changed == "option" else []
    file = {"recording": recording, "model": model / "config.json"}.get(changed)
    if file is not None:
        os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1_000_000))
    ran = asr(*command(model, recording, tmp_path / "out", *options))
    assert ran.code == 0 and "an option is another than then; it starts anew" in ran.err
    assert len(contents(tmp_path / "out")) == len(FORMATS)


KILLED = """
import os, signal, sys
from asr.transcription import parts
from asr.transcription.journal import Journal
parts.EVERY = 30.0
add, parts = Journal.add, 0
def adding(self, part):
    global parts
    add(self, part)
    parts += 1
    if parts == 5:
        os.kill(os.getpid(), signal.SIGKILL)
Journal.add = adding
from asr import cli
cli.main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_process_is_gone_on_from(asr, model, recording, tmp_path):
    assert asr(*command(model, recording, tmp_path / "whole")).code == 0
    arguments = [sys.executable, "-c", KILLED, *map(str, command(model, recording, tmp_path / "out"))]
    assert subprocess.run(arguments, capture_output=True).returncode == -signal.SIGKILL
    assert (tmp_path / "out" / "a.partial.jsonl").read_text().count("\n") == 6
    assert asr(*command(model, recording, tmp_path / "out")).code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("form", [None, "txt", "srt", "vtt"])
def test_standard_output_has_what_is_certain_while_it_comes(asr, stopped, model, recording, tmp_path, form):
    chosen = ("--jobs", 1, "--min-confidence", 0, *(() if form is None else ("--format", form, "--out", "-")))
    whole = asr("transcribe", recording, "--model", model, *chosen).out
    patch = stopped(7)
    part = asr("transcribe", recording, "--model", model, *chosen)
    patch.undo()
    assert part.code == 130
    assert len(part.out) > len(whole) / 3 and whole.startswith(part.out.rstrip("\n")), "it was written by then"
    asr(*command(model, recording, tmp_path))
    if form is not None:
        assert whole == (tmp_path / f"a.{form}").read_text()


def test_a_recording_that_cannot_be_read_leaves_nothing(asr, model, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    ran = asr("transcribe", tmp_path / "bad.wav", "--model", model, "--format", "vtt", "--out", tmp_path / "out")
    assert ran.code == 1 and contents(tmp_path / "out") == {}
    shown = asr("transcribe", tmp_path / "bad.wav", "--model", model, "--format", "vtt", "--out", "-")
    assert shown.code == 1 and shown.out == ""
