"""Files gzipped or not; a folder is locked while its process lives; what goes wrong is named."""

import ast
import contextlib
import errno
import gzip
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import asr
from asr.errors import AsrError, DataError
from asr.files import LONGEST_NAME, atomic, fitting, locked, opened, read_text, without_gz

HOLDER = """
import os, pathlib, sys, time
from asr.files import locked
with locked(pathlib.Path(sys.argv[1])):
    if sys.argv[2] == "forks" and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    if sys.argv[2] == "waits":
        print(os.getpid(), flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(folder, mode="waits"):
    """Let another process hold the lock.

    Gives its kill, and the process id that it printed once it held.
    """
    command = [sys.executable, "-c", HOLDER, str(folder), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(asr.__file__).parents[1]) as process:

        def kill():
            process.kill()
            process.wait()

        yield kill, int(process.stdout.readline())
        kill()


def test_no_module_needs_what_only_unix_has():
    """At the top of a module; where a function imports it, it can look where it runs."""
    for path in Path(asr.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {"fcntl", "resource", "pwd", "grp", "termios", "pty"} & set(names), path


def test_a_second_process_is_kept_out_until_the_first_is_killed(tmp_path):
    with holder(tmp_path) as (kill, _):
        with pytest.raises(AsrError, match="another process is at work there"), locked(tmp_path):
            pass
        kill()
        with locked(tmp_path):
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_lock_does_not_live_on_in_forked_workers(tmp_path):
    """Workers notice only after a while that their parent was killed.

    The same command must go on at once.
    """
    with holder(tmp_path, "forks") as (kill, worker):
        kill()
        try:
            with locked(tmp_path):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_lock_ends_with_its_block_also_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path):
            raise ZeroDivisionError


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_locked_says_why(tmp_path, monkeypatch, number):
    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(AsrError) as caught, locked(tmp_path):
        pass
    assert str(caught.value).startswith(f"{tmp_path}: cannot be locked ({os.strerror(number)})")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(AsrError) as caught, locked(tmp_path):
        pass
    assert str(caught.value).startswith(f"{tmp_path}: cannot be locked ({os.strerror(number)})")


def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrError, match="cannot be locked"), locked(tmp_path / "file" / "run"):
        pass


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    """As on Windows: a folder cannot be opened, and only a writable file is synced."""
    fsync, synced = os.fsync, []

    def open_like_windows(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    def fsync_like_windows(descriptor):
        os.write(descriptor, b"")  # fails where the file was opened to be read
        synced.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "open", open_like_windows)
    monkeypatch.setattr(os, "fsync", fsync_like_windows)
    with atomic(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a").read_text() == "whole" and len(synced) == 1


def test_two_may_write_the_same_file_at_once_and_the_last_stays(tmp_path):
    """Each has a temporary file of its own, also where the name is as long as names may be."""
    for path in (tmp_path / "a", tmp_path / ("é" * 127 + "b")):
        with atomic(path) as first:
            first.write_text("first")
            with atomic(path) as second:
                second.write_text("second")
            assert first != second and path.read_text() == "second"
        assert path.read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_goes_when_the_folder_is_locked(tmp_path):
    """Their names differ, so no later one replaces them."""
    checkpoint = tmp_path / "run" / "checkpoints" / "last.pt"
    with atomic(checkpoint) as temporary:
        temporary.write_text("half")
        left = temporary.rename(temporary.with_name(temporary.name.replace(".part", "")))
        temporary.write_text("whole")
    left.rename(temporary)
    (tmp_path / "run" / ".mine.part").touch()
    with locked(tmp_path / "run"):
        assert sorted(path.name for path in (tmp_path / "run").rglob("*.p*")) == [".mine.part", "last.pt"]


def test_a_long_name_is_shortened_and_stays_its_own():
    long = "é" * 120
    names = [fitting(stem, ".TextGrid") for stem in (long + "a" * 20, long + "b" * 20)]
    assert len(set(names)) == 2
    for name in names:
        assert len(os.fsencode(name)) <= LONGEST_NAME and name.endswith(".TextGrid") and name.startswith("é" * 100)
    assert fitting("a", ".srt") == "a.srt" and fitting("a" * 251, ".srt") == "a" * 251 + ".srt"
    assert len(os.fsencode(fitting(os.fsdecode(b"\xe9" * 300), ".srt"))) <= LONGEST_NAME


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz", "list.TXT.GZ", "list.txt.xz"])
def test_a_file_is_read_the_same_compressed_or_not(tmp_path, name):
    path = tmp_path / name
    text = "\ufeffun café\ndeux\n".encode()
    path.write_bytes(text if name == "list.txt" else (lzma if name.endswith("xz") else gzip).compress(text))
    with opened(path) as file:
        assert file.readline() == "\ufeffun café\n".encode() and file.read() == b"deux\n"
    assert read_text(path) == "un café\ndeux\n"
    assert without_gz(path).name.lower() == "list.txt"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    whole = gzip.compress(os.urandom(999))
    for name, content, what in (
        ("none", None, "cannot be read .No such file"),
        ("short.gz", whole[:-9], "is not a whole gzip file"),
        ("plain.gz", b"plain", "is not a whole gzip file"),
        ("changed.gz", whole[:-8] + bytes(4) + whole[-4:], "is not a whole gzip file"),
        ("short.xz", lzma.compress(whole)[:-9], "is not a whole xz file"),
        ("plain.xz", b"plain", "is not a whole xz file"),
        ("latin", "café".encode("latin-1"), "is not UTF-8"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: {what}"):
            read_text(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.xz"])
def test_a_small_file_that_becomes_huge_is_refused(tmp_path, monkeypatch, name):
    pack = gzip.compress if name.endswith("gz") else lzma.compress
    monkeypatch.setattr("asr.files.UNPACKED_ANYWAY", 1 << 20)
    (tmp_path / name).write_bytes(pack(bytes(1 << 20)))
    assert len(read_text(tmp_path / name)) == 1 << 20
    (tmp_path / name).write_bytes(pack(bytes((1 << 20) + 1)))
    with pytest.raises(DataError, match=rf"{name}: holds more than 200 times its size"):
        read_text(tmp_path / name)
    honest = os.urandom(2 << 20).hex()
    (tmp_path / name).write_bytes(pack(honest.encode()))
    assert read_text(tmp_path / name) == honest
