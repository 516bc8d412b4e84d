"""Audio to pretrain on: every file is decoded once, whatever happens to the run."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.told import Told
from support.tones import RATE

from asr.data import recording
from asr.errors import DataError
from asr.progress import SILENT
from asr.training.audio import LONGEST, read_audio


@pytest.fixture
def told() -> Told:
    return Told()


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
    assert sum(cut.cut().load_audio().shape[1] for cut in cuts) == int(41 * RATE)


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


def test_faulty_files_are_named_counted_and_left_out(tmp_path: Path, decoded: list[str], told):
    source = tmp_path / "data"
    write(source / "a.wav", 0.5)
    for name in ("bad", "worse"):
        (source / f"{name}.wav").write_text("not audio")
    for _ in range(2):
        (cut,) = read_audio([source], tmp_path / "run", RATE, told)
        assert cut.id == str(source / "a.wav")
        *faults, count = told.lines
        assert [fault.split(":")[0] for fault in faults] == [str(source / f"{n}.wav") for n in ("bad", "worse")]
        assert count == "2 of 3 recordings are left out"
        told.lines.clear()
    assert decoded.count("a.wav") == 1
    (source / "a.wav").unlink()
    with pytest.raises(DataError, match=r"bad\.wav: not readable as audio.* \(and 1 more files\)$"):
        read_audio([source], tmp_path / "run", RATE, told)


def test_a_folder_without_permission_and_a_name_of_another_encoding(tmp_path: Path, forbidden, told):
    """The folder is named; what is called so is read from a copy that is called otherwise."""
    write(tmp_path / "data" / "sub" / "a.wav", 0.5)
    written = write(tmp_path / "data" / "b.wav", 0.5)
    odd = Path(os.fsdecode(bytes(tmp_path / "data") + b"/caf\xe9.wav"))
    written.rename(odd)
    forbidden(tmp_path / "data" / "sub")
    (cut,) = read_audio([tmp_path / "data"], tmp_path / "run", RATE, told)
    assert cut.id == str(odd) and cut.cut().load_audio().shape[1] == RATE // 2
    assert told.lines[0] == f"{tmp_path / 'data' / 'sub'}: cannot be read (Permission denied)"
    assert told.lines[1] == "1 of 2 recordings are left out"


def test_progress_is_told_of_every_file(tmp_path: Path, told):
    for name in ("a", "b", "c"):
        write(tmp_path / f"data/{name}.wav", 0.5)
    read_audio([tmp_path / "data"], tmp_path / "run", RATE, told)
    assert told.bars == [("checking recordings", 3, [1, 2, 3])]
