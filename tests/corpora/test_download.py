"""Fetching from a server on the loopback that misbehaves on order; unpacking archives that do."""

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asr import corpora
from asr.corpora import fsdd, librispeech, prompts, yesno
from asr.corpora.download import fetch, fetch_archive, unpack
from asr.errors import ConfigError, DownloadError

BODY = os.urandom(50_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server:
    """Serves `body` with ranges.

    `faults` holds one misbehaviour for each coming request, `ranges` what was asked for.
    """

    def __init__(self):
        self.body = BODY
        self.etag = '"first"'
        self.last_modified = None
        self.faults = []
        self.ranges = []
        self.url = ""

    def answer(self, handler):
        wanted = handler.headers["Range"]
        self.ranges.append(wanted)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            handler.send_error(fault)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault != "ignore range" else 0
        unchanged = handler.headers["If-Range"] in (self.etag, self.last_modified)
        start = start if unchanged or fault == "lie about range" else 0
        if start >= len(self.body):
            handler.send_error(416)
            return
        if start and fault == "wrong place":
            start += 7
        body = self.body[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        for name, value in (("ETag", self.etag), ("Last-Modified", self.last_modified)):
            if value:
                handler.send_header(name, value)
        if fault != "no length":
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if fault == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault == "drop":
            body = body[: len(body) // 2]
        handler.wfile.write(body)


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.answer(self)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/corpus.tar.gz"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def get(server, folder, **options):
    return fetch(server.url, folder / "deep/corpus.tar.gz", **{"wait": 0.0, "timeout": 5.0, **options})


def leftovers(folder):
    return sorted(path.name for path in (folder / "deep").iterdir())


def test_a_file_arrives_whole_and_alone_and_is_not_fetched_twice(server, tmp_path):
    for _ in range(2):
        assert get(server, tmp_path, sha256=SHA256.upper(), md5=hashlib.md5(BODY).hexdigest()).read_bytes() == BODY
    assert server.ranges == [None] and leftovers(tmp_path) == ["corpus.tar.gz"]


def test_a_file_that_fails_its_checksum_is_fetched_anew(server, tmp_path):
    get(server, tmp_path).write_bytes(b"something else")
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == BODY


@pytest.mark.parametrize("mark", ["etag", "last modified", "weak etag"])
def test_dropped_connections_are_continued_where_they_broke(server, tmp_path, mark):
    if mark != "etag":
        server.etag = None if mark == "last modified" else 'W/"weak"'
        server.last_modified = "Sat, 01 Feb 2020 00:00:00 GMT"
    server.faults = ["drop", "drop", "drop"]
    assert get(server, tmp_path, tries=2, sha256=SHA256).read_bytes() == BODY
    assert server.ranges == [None, "bytes=25000-", "bytes=37500-", "bytes=43750-"]


def test_a_later_call_continues_what_an_earlier_one_left(server, tmp_path):
    server.faults = ["drop", 503]
    with pytest.raises(DownloadError, match=r"503.*2 times in a row"):
        get(server, tmp_path, tries=2)
    assert leftovers(tmp_path) == ["corpus.tar.gz.part", "corpus.tar.gz.part.tag"]
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == BODY
    assert server.ranges[-1] == "bytes=25000-"


def test_a_file_that_changed_between_tries_is_not_mixed_with_the_old_one(server, tmp_path):
    for lie in (None, "lie about range"):
        server.body, server.etag, server.faults = BODY, '"first"', ["drop", 500]
        with pytest.raises(DownloadError):
            get(server, tmp_path, tries=2)
        server.body, server.etag, server.faults = BODY[::-1], '"second"', [lie]
        path = get(server, tmp_path)
        assert path.read_bytes() == BODY[::-1]
        path.unlink()


@pytest.mark.parametrize("fault", ["ignore range", "wrong place"])
def test_a_server_that_does_not_know_ranges_is_asked_from_the_start(server, tmp_path, fault):
    server.faults = ["drop", fault]
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == BODY


def test_nothing_is_continued_without_a_mark_of_the_version(server, tmp_path):
    server.etag = None
    server.faults = ["drop"]
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == BODY
    assert server.ranges == [None, None]


def test_a_part_longer_than_the_file_starts_over(server, tmp_path):
    server.faults = ["drop", 500]
    with pytest.raises(DownloadError):
        get(server, tmp_path, tries=2)
    server.body = BODY[:10_000]
    assert get(server, tmp_path).read_bytes() == BODY[:10_000]


def test_endless_drops_end(server, tmp_path):
    server.etag = None
    server.faults = ["drop"] * 9
    with pytest.raises(DownloadError, match=r"closed early, 3 times in a row.*--source DIR"):
        get(server, tmp_path, tries=3)
    assert not (tmp_path / "deep/corpus.tar.gz").exists()


@pytest.mark.parametrize("length", [None, "no length"])
def test_corruption_is_caught_by_the_checksum_and_not_kept(server, tmp_path, length):
    server.faults = ["corrupt"]
    with pytest.raises(DownloadError, match=f"sha256 is .*, not {SHA256}.*--source DIR"):
        get(server, tmp_path, sha256=SHA256)
    assert not leftovers(tmp_path)
    server.faults = [length]
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == BODY


def test_what_is_not_there_is_asked_for_once_and_named(server, tmp_path):
    server.faults = [404]
    with pytest.raises(DownloadError, match=rf"{re.escape(server.url)}: the server answers 404.*--source DIR"):
        get(server, tmp_path)
    assert server.ranges == [None]


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.faults = [500, 503, 429]
    assert get(server, tmp_path).read_bytes() == BODY


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/x: .*2 times in a row"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", wait=0.0, tries=2)


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "deep").write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match=r"cannot write .*corpus\.tar\.gz"):
        get(server, tmp_path)


class Recorder:
    """A progress that keeps what it is told: each bar as [doing, total, unit, amounts]."""

    def __init__(self):
        self.bars = []

    def say(self, line):
        raise AssertionError("a download has nothing to say")

    @contextmanager
    def bar(self, doing, total, *, unit=""):
        amounts = []
        self.bars.append([doing, total, unit, amounts])
        yield type("Bar", (), {"update": staticmethod(lambda done, doing=None: amounts.append(done))})


def test_progress_counts_bytes_of_the_whole_file_and_nothing_is_printed(server, tmp_path, capfd):
    server.faults = ["drop", "no length"]
    recorder = Recorder()
    get(server, tmp_path, progress=recorder)
    whole, rest = recorder.bars
    assert whole == ["corpus.tar.gz", 50_000, "bytes", [0, 25_000]]
    assert rest == ["corpus.tar.gz", None, "bytes", [25_000, 50_000]], "what was there already counts"
    get(server, tmp_path, progress=recorder)
    assert len(recorder.bars) == 2, "nothing to fetch, nothing to show"
    assert capfd.readouterr() == ("", "")


# ---- archives


def tar_bytes(members, compression="gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as tar:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz", "zip"])
def test_archives_are_unpacked(tmp_path, compression):
    archive = tmp_path / ("a.zip" if compression == "zip" else "a.tar")
    if compression == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("corpus/list.txt", "words")
    else:
        archive.write_bytes(tar_bytes([("corpus/list.txt", b"words")], compression))
    assert (unpack(archive, tmp_path / "out") / "corpus/list.txt").read_text() == "words"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([archive.name, "out"])


@pytest.mark.parametrize("how", ["truncated", "flipped", "not an archive", "bad zip"])
def test_a_damaged_archive_is_removed_and_leaves_no_folder(tmp_path, how):
    good = tar_bytes([("a.txt", os.urandom(9999)), ("b.txt", os.urandom(9999))])
    bad = {
        "truncated": good[:9000],
        "flipped": good[:9000] + bytes(500) + good[9500:],
        "not an archive": b"<html>sign in first</html>",
        "bad zip": b"PK\x03\x04" + bytes(99),
    }
    archive = tmp_path / ("a.zip" if how == "bad zip" else "a.tar.gz")
    archive.write_bytes(bad[how])
    with pytest.raises(DownloadError, match=rf"{archive.name}: is damaged .*--source DIR"):
        unpack(archive, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "python without filters"])
@pytest.mark.parametrize(
    "member",
    ["../evil", "a/../../evil", link("in", "../..", tarfile.SYMTYPE), link("null", "", tarfile.CHRTYPE)],
    ids=str,
)
def test_members_that_reach_outside_are_refused(tmp_path, monkeypatch, filters, member):
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    archive = tmp_path / "sub/a.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(tar_bytes([("fine.txt", b"fine"), (member, b"")]))
    with pytest.raises(DownloadError, match="does not belong in a corpus"):
        unpack(archive, archive.parent / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["sub", "a.tar.gz"]


def test_zip_members_that_reach_outside_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../evil", "")
    with pytest.raises(DownloadError, match="does not belong"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


# ---- corpora


def test_an_archive_is_fetched_unpacked_and_removed_once(server, tmp_path):
    server.body = tar_bytes([("corpus/list.txt", b"words")])
    for _ in range(2):
        folder = fetch_archive(server.url, tmp_path / "data/corpus", sha256=hashlib.sha256(server.body).hexdigest())
        assert (folder / "corpus/list.txt").exists()
    assert server.ranges == [None] and [path.name for path in (tmp_path / "data").iterdir()] == ["corpus"]


def test_a_corpus_is_found_by_its_reader_where_it_was_unpacked(server, tmp_path, monkeypatch):
    names = [f"{digit}_ann_{index}" for digit in range(3) for index in range(12)]
    server.body = tar_bytes([(f"free-spoken-digit-dataset-1.0.10/recordings/{name}.wav", b"") for name in names])
    monkeypatch.setattr(fsdd, "URL", server.url)
    splits = corpora.read("fsdd", corpora.download("fsdd", tmp_path, corpora.Options()), corpora.Options())
    assert len(splits.test) == 15 and not splits.problems


@pytest.mark.parametrize("part", librispeech.SHA256)
def test_no_part_of_librispeech_is_believed_without_its_checksum(server, tmp_path, monkeypatch, part):
    """Wherever it comes from: by its name, not by its address."""
    server.body = tar_bytes([("LibriSpeech/list.txt", b"words")])
    monkeypatch.setattr(librispeech, "URL", server.url + "?{part}")
    with pytest.raises(DownloadError, match=f"sha256 is .*, not {librispeech.SHA256[part]}"):
        librispeech.download(tmp_path, train=[part], dev=[part], test=[part])
    assert not any(tmp_path.rglob("*.txt"))


def test_an_unknown_part_is_refused_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(librispeech, "URL", server.url)
    with pytest.raises(ConfigError, match="train-clean-9 is no part"):
        librispeech.download(tmp_path, test=["train-clean-9"])
    assert not server.ranges


def test_yesno_is_not_believed_without_its_checksum(server, tmp_path, monkeypatch):
    monkeypatch.setattr(yesno, "URL", server.url)
    with pytest.raises(DownloadError, match=f"sha256 is .*, not {yesno.SHA256}"):
        yesno.download(tmp_path)


def test_every_checksum_has_64_hexadecimal_digits_and_no_two_are_the_same():
    checksums = [*librispeech.SHA256.values(), yesno.SHA256]
    assert set(librispeech.PARTS) - set(librispeech.SHA256) == {"train-clean-5", "dev-clean-2"}
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in checksums)
    assert len(set(checksums)) == len(checksums)


def test_the_checksums_are_those_that_torchaudio_states():
    datasets = pytest.importorskip("torchaudio.datasets")
    stated = getattr(datasets.librispeech, "_CHECKSUMS", None)
    release = getattr(datasets.yesno, "_RELEASE_CONFIGS", {}).get("release1")
    if stated is None or release is None:
        pytest.skip("this torchaudio has no such tables")
    assert {librispeech.url(part): checksum for part, checksum in librispeech.SHA256.items()} == stated
    assert (release["url"], release["checksum"]) == (yesno.URL, yesno.SHA256)


@contextmanager
def fake_apt(folder, monkeypatch, *, has_package):
    """Put an apt-get and a dpkg-deb of our own first on the path.

    One writes a file, the other "unpacks" it.
    """
    folder.mkdir()
    fetch = 'for name; do :; done; echo "$name" > "${name}_1.6.1-1_all.deb"'
    stale = f'[ "$1" = -o ] || exit 100; [ "$3" = update ] && touch "${{2#*=}}/lock" && exit 0; {fetch}'
    apt = {"yes": fetch, "no": "exit 100", "after an update": stale}[has_package]
    deb = (
        'd="$3/usr/share/asterisk/sounds/it_X"; mkdir -p "$d"; echo "a: b" > "$3/core-sounds-it.txt"; touch "$d/a.wav"'
    )
    for name, script in (("apt-get", apt), ("dpkg-deb", deb)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    yield


@pytest.mark.parametrize("has_package", ["yes", "after an update"])
def test_prompts_come_from_debians_packages_where_apt_has_them(tmp_path, monkeypatch, has_package):
    with fake_apt(tmp_path / "bin", monkeypatch, has_package=has_package):
        folder = prompts.download(tmp_path / "data", "it")
        assert folder == tmp_path / "data/prompts-it"
        assert [u.audio.exists() for u in prompts.read(folder, "it").train] == [True]
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["prompts-it"]
        shutil.rmtree(tmp_path / "bin")
        assert prompts.download(tmp_path / "data", "it") == folder, "what is there is not fetched again"


def test_prompts_come_from_their_publisher_where_apt_has_none(server, tmp_path, monkeypatch):
    server.body = tar_bytes([("core-sounds-it.txt", b"a: b\n"), ("a.wav", b"")])
    monkeypatch.setattr(prompts, "URL", server.url)
    with fake_apt(tmp_path / "bin", monkeypatch, has_package="no"):
        assert (prompts.download(tmp_path / "data", "it") / "a.wav").exists()


def test_gzip_damage_is_damage_not_a_full_disk(tmp_path):
    """gzip reports a bad checksum as OSError without an errno: no fault of the disk."""
    data = bytearray(gzip.compress(tar_bytes([("a.txt", b"a")], "")))
    data[-8] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DownloadError, match="is damaged"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
