"""What is kept for the next start is this user's own, whole, bounded, and never needed."""

import os
from pathlib import Path

import pytest

from asr import cache
from asr.cache import cache_folder, cached
from asr.files import atomic


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "asr"


class Maker:
    """Writes text, and counts how often it did."""

    def __init__(self):
        self.made = 0

    def __call__(self, path):
        self.made += 1
        with atomic(path) as temporary:
            temporary.write_text("text")


def test_a_file_is_made_once(folder):
    make = Maker()
    for _ in range(3):
        with cached("name", make) as path:
            assert path == folder / "name" and path.read_text() == "text"
    assert make.made == 1
    with cached("another", make) as path:
        assert path.read_text() == "text"
    assert make.made == 2


def test_what_was_stopped_while_it_was_made_is_no_file(folder):
    def stopped(path):
        with atomic(path) as temporary:
            temporary.write_text("te")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), cached("name", stopped):
        pass
    (folder / ".name.0123abcd.part").write_text("te")  # of a process that was killed
    make = Maker()
    with cached("name", make) as path:
        assert path.read_text() == "text" and make.made == 1


def temporary(make):
    """Whether a file is a temporary one, which goes with the block."""
    with cached("name", make) as path:
        assert path.read_text() == "text"
        assert path.name == "name"
    return not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="there a folder belongs to its user")
def test_what_another_user_may_have_written_is_not_taken(folder, monkeypatch):
    folder.mkdir(parents=True)
    (folder / "name").write_text("evil")
    folder.chmod(0o777)
    assert temporary(Maker())
    folder.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert temporary(Maker())
    assert (folder / "name").read_text() == "evil"


def test_a_folder_that_takes_no_file_is_not_needed(folder, monkeypatch):
    folder.parent.write_text("a file")
    assert temporary(Maker())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA")
    monkeypatch.setattr(Path, "home", homeless)
    assert temporary(Maker())


def homeless():
    raise RuntimeError("Could not determine home directory.")


def test_a_relative_folder_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("LOCALAPPDATA", "here")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "asr"


@pytest.mark.parametrize(("files", "size"), [(3, 1 << 30), (1 << 30, 3 * len("text"))])
def test_what_was_not_used_for_longest_goes(folder, monkeypatch, files, size):
    monkeypatch.setattr(cache, "KEPT", files)
    monkeypatch.setattr(cache, "MOST", size)
    make = Maker()
    for age, name in enumerate("abc"):
        with cached(name, make) as path:
            pass
        os.utime(path, (age, age))
    with cached("a", make):  # is the newest now
        pass
    with cached("d", make):
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"] and make.made == 4
