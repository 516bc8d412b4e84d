"""Audio to pretrain on: every file is decoded once, whatever happens to the run."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.tones import RATE

from asr.data import recording
from asr.errors import DataError
from asr.progress import SILENT
from asr.training.audio import LONGEST, read_audio


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Names of the files that are decoded, in any order."""
    names: list[str] = []
    judged = recording._judged
    monkeypatch.setattr(recording, "_judged", lambda r, blocks: (names.append(Path(r.name).name), judged(r, blocks))[1])
    return names


def write(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    soundfile.write(path, 0.1 * draw.standard_normal((int(seconds * RATE), 2)), RATE)
    return path


def test_audio_comes_from_folders_and_long_recordings_are_cut(tmp_path: Path):
    write(tmp_path / "data/long.wav", 2.5 * LONGEST)
    write(tmp_path / "data/sub/short.wav", 1.0)
    cuts = read_audio([tmp_path / "data"], tmp_path / "run", RATE, SILENT)
    assert sorted(cut.duration for cut in cuts) == [1.0, LONGEST / 2, LONGEST, LONGEST]
    assert len({cut.id for cut in cuts}) == 4
    assert sum(cut.load_audio().shape[1] for cut in cuts) == int(41 * RATE)


def test_a_run_that_goes_on_decodes_only_what_is_new_or_changed(tmp_path: Path, decoded: list[str]):
    source, out = tmp_path / "data", tmp_path / "run"
    for name in ("a", "b"):
        write(source / f"{name}.wav", 0.5)
    first = read_audio([source], out, RATE, SILENT)
    assert sorted(decoded) == ["a.wav", "b.wav"]
    assert [c.to_dict() for c in read_audio([source], out, RATE, SILENT)] == [c.to_dict() for c in first]
    assert sorted(decoded) == ["a.wav", "b.wav"], "nothing is decoded again"
    status = (source / "b.wav").stat()
    os.utime(source / "b.wav", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    write(source / "c.wav", 0.5)
    read_audio([source], out, RATE, SILENT)
    assert sorted(decoded) == ["a.wav", "b.wav", "b.wav", "c.wav"]


def test_a_kill_while_files_are_examined_costs_the_line_that_it_cut_short(tmp_path: Path, decoded: list[str]):
    source, out = tmp_path / "data", tmp_path / "run"
    for name in ("a", "b", "c"):
        write(source / f"{name}.wav", 0.5)
    read_audio([source], out, RATE, SILENT)
    path = out / "examined.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    decoded.clear()
    for expected in (["c.wav"], ["c.wav"]):
        read_audio([source], out, RATE, SILENT)
        assert decoded == expected


def test_what_was_found_good_is_kept_where_another_file_is_faulty(tmp_path: Path, decoded: list[str]):
    source = tmp_path / "data"
    write(source / "a.wav", 0.5)
    for name in ("bad", "worse"):
        (source / f"{name}.wav").write_text("not audio")
    for _ in range(2):
        with pytest.raises(DataError, match=r"bad\.wav: not readable as audio.* \(and 1 more files\)$"):
            read_audio([source], tmp_path / "run", RATE, SILENT)
    assert decoded.count("a.wav") == 1


def test_progress_is_told_of_every_file(tmp_path: Path):
    bars = []

    class Bars:
        def say(self, line):
            pass

        def bar(self, doing, total, *, unit=""):
            bars.append((doing, total, []))
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, done, doing=None):
            bars[-1][2].append(done)

    for name in ("a", "b", "c"):
        write(tmp_path / f"data/{name}.wav", 0.5)
    read_audio([tmp_path / "data"], tmp_path / "run", RATE, Bars())
    assert bars == [("checking recordings", 3, [1, 2, 3])]
