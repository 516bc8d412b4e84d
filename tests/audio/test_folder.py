"""Recordings in folders: which are found, and what is left out."""

from pathlib import Path

import pytest

from asr.audio.folder import Found, find_recordings, listing
from asr.errors import DataError


def test_a_folder_stands_for_the_audio_below_it_in_order_of_name(tmp_path):
    for name in ("b/2.wav", "b/10.MP3", "a.flac", "c/d/1.m4a", "notes.txt", "b/2.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"
    found = [one.path for one in find_recordings([single, tmp_path])]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "notes.txt",  # named by the user, so not left out
        "a.flac",
        "b/10.MP3",
        "b/2.wav",
        "c/d/1.m4a",
    ]


def test_a_folder_without_audio_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=f"{tmp_path}: no audio file in this folder"):
        find_recordings([tmp_path])


def test_paths_that_do_not_exist_stay_for_the_transcriber_to_name(tmp_path):
    missing = tmp_path / "missing.wav"
    assert find_recordings([missing]) == [Found(missing, Path("missing.wav"))]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_what_a_mac_puts_beside_recordings_is_none(tmp_path):
    touch(tmp_path, "a.wav", "._a.wav", "__MACOSX/a.wav", "__MACOSX/b/._c.wav", "b/__MACOSX/d.wav", "_b.wav")
    assert [one.below for one in find_recordings([tmp_path])] == [Path("_b.wav"), Path("a.wav")]
    assert find_recordings([tmp_path / "._a.wav"]), "named by the user, so not left out"


def test_a_folder_that_cannot_be_opened_stands_for_itself(tmp_path, forbidden):
    touch(tmp_path, "a/1.wav", "b/2.wav", "c.wav")
    forbidden(tmp_path / "b")
    found = listing(tmp_path)
    assert [error.filename for error in found.unreadable] == [str(tmp_path / "b")]
    assert [one.below.as_posix() for one in find_recordings([tmp_path])] == ["a/1.wav", "b", "c.wav"]


def test_what_is_below_a_folder_keeps_its_place(tmp_path, monkeypatch):
    touch(tmp_path, "d1/0001.wav", "d2/x/0001.wav", "0001.wav")

    def below(*paths):
        return [one.below.as_posix() for one in find_recordings(map(Path, paths))]

    monkeypatch.chdir(tmp_path)
    assert below(".") == ["0001.wav", "d1/0001.wav", "d2/x/0001.wav"]
    assert below("d2") == ["x/0001.wav"]
    assert below("d1", "d2") == ["d1/0001.wav", "d2/x/0001.wav"]
    assert below("d1/0001.wav", "./d2/x", tmp_path / "d1/../d1") == ["0001.wav", "x/0001.wav", "d1/0001.wav"]
    assert below("-") == ["standard-input"]


def test_a_name_that_no_file_system_takes_is_for_the_reader_to_name():
    long = Path("a" * 300 + ".wav")
    assert [one.path for one in find_recordings([long])] == [long]
