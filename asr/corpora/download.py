"""Fetching corpora: whole, checked, and resumed where a connection broke.

They are unpacked nowhere but in their own folder.
"""

import hashlib
import http.client
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

from asr.errors import DownloadError
from asr.progress import SILENT, Progress
from asr.units import Seconds

BLOCK = 1 << 18  # bytes read at a time

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


def fetch(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    tries: int = 5,
    wait: Seconds = 1.0,
    timeout: Seconds = 30.0,
    progress: Progress = SILENT,
) -> Path:
    """Download a file, unless it is there already, and return `destination`.

    What has arrived is kept in `destination.part`. The next try or the next call continues it, if
    the server says that the file is still the same (If-Range). Otherwise it starts over. Only a
    complete file that passes its checksum gets its name.

    Args:
        url: what to fetch.
        destination: the file to write; its folder is made.
        sha256: checksum in hexadecimal, where the publisher states one.
        md5: the same, of publishers who state only this.
        tries: how often in a row to try without receiving anything new.
        wait: pause before the second try; it doubles from try to try, up to 30 s.
        timeout: how long to wait for a silent server.
        progress: shows a bar of bytes.

    Raises:
        DownloadError: if the file does not arrive whole, fails its checksum, or cannot be written.
    """
    try:
        if destination.is_file() and _checksum_fault(destination, sha256, md5) is None:
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        part = destination.with_name(f"{destination.name}.part")
        _receive(url, part, tries, wait, timeout, progress)
        if fault := _checksum_fault(part, sha256, md5):
            part.unlink()
            _tag_file(part).unlink(missing_ok=True)
            raise _failure(url, f"what arrived is not what was published ({fault}); it was removed")
        part.replace(destination)
        _tag_file(part).unlink(missing_ok=True)
        return destination
    except OSError as error:
        raise _failure(url, f"cannot write {destination} ({error.strerror or error})") from None


def fetch_archive(url: str, folder: Path, *, sha256: str | None = None, progress: Progress = SILENT) -> Path:
    """Download an archive, unpack it as `folder` and remove it.

    A folder that exists is returned as it is.

    Raises:
        DownloadError: as `fetch` and `unpack` do.
    """
    if folder.is_dir():
        return folder
    archive = fetch(url, folder.with_name(url.rsplit("/", 1)[-1]), sha256=sha256, progress=progress)
    unpack(archive, folder)
    archive.unlink()
    return folder


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a .zip or tar (plain, gz, bz2, xz) as the new folder `folder`, whole or not at all.

    Members that would land outside the folder, links out of it and devices are refused.

    Raises:
        DownloadError: if the archive is damaged (it is then removed), holds such a member, or
            cannot be written.
    """
    temporary = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        if archive.suffix == ".zip":
            _unpack_zip(archive, temporary)
        else:
            _unpack_tar(archive, temporary)
        temporary.rename(folder)
    except (tarfile.ReadError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError) as error:
        damage = str(error).partition("\n")[0].rstrip(":")
    except OSError as error:
        if error.errno is not None:
            raise DownloadError(f"{archive}: cannot be unpacked into {folder} ({error.strerror})") from None
        damage = str(error)  # gzip and bz2 report damage so
    else:
        return folder
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    archive.unlink(missing_ok=True)
    raise DownloadError(
        f"{archive}: is damaged ({damage}) and was removed; run the command again to fetch it anew, "
        "or unpack it by hand and name its folder with --source DIR"
    )


def _receive(url: str, part: Path, tries: int, wait: Seconds, timeout: Seconds, progress: Progress) -> None:
    """Append to `part` until it is complete."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive_some(url, part, timeout, progress):
                return
            fault = "the connection was closed early"
        except urllib.error.HTTPError as error:
            fault = f"the server answers {error.code} {error.reason}"
            if error.code == 416:  # it has less than we do: another file
                part.unlink(missing_ok=True)
            elif error.code not in _RETRIED:
                raise _failure(url, fault) from None
        except _BROKEN as error:
            fault = str(getattr(error, "reason", error)) or type(error).__name__
        after = part.stat().st_size if part.exists() else 0
        failures = 1 if after > before else failures + 1
        if failures >= tries:
            raise _failure(url, f"{fault}, {tries} times in a row; run the command again to continue") from None
        time.sleep(min(30.0, wait * 2 ** (failures - 1)))


def _receive_some(url: str, part: Path, timeout: Seconds, progress: Progress) -> bool:
    """Make one request and keep what it brings; say whether the file is then complete."""
    tag_file = _tag_file(part)
    request = urllib.request.Request(url)
    if part.exists() and tag_file.exists():
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", tag_file.read_text())
    with urllib.request.urlopen(request, timeout=timeout) as response:
        # A weak entity tag does not promise the same bytes.
        tag = response.headers["ETag"] or "W/"
        tag = response.headers["Last-Modified"] if tag.startswith("W/") else tag
        start = 0
        if response.status == 206:
            start = part.stat().st_size
            same_file = tag in (None, tag_file.read_text())
            if not same_file or not (response.headers["Content-Range"] or "").startswith(f"bytes {start}-"):
                part.unlink()
                return False
        length = response.headers["Content-Length"]
        total = None if length is None else start + int(length)
        with part.open("ab" if start else "wb") as file, progress.bar(part.stem, total, unit="bytes") as bar:
            if start == 0:
                tag_file.unlink(missing_ok=True)
                if tag:
                    tag_file.write_text(tag)
            bar.update(start)
            while block := _read(response):
                file.write(block)
                bar.update(file.tell())
            file.flush()
            os.fsync(file.fileno())
            return total is None or file.tell() == total


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK)
    except OSError as error:  # told apart from what goes wrong in writing
        raise ConnectionError(error.strerror or str(error)) from None


def _tag_file(part: Path) -> Path:
    """Where the server's mark of the file's version is kept from one call to the next."""
    return part.with_name(f"{part.name}.tag")


def _checksum_fault(path: Path, sha256: str | None, md5: str | None) -> str | None:
    for name, wanted in (("sha256", sha256), ("md5", md5)):
        if wanted is None:
            continue
        digest = hashlib.new(name, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        if digest.hexdigest() != wanted.lower():
            return f"{name} is {digest.hexdigest()}, not {wanted}"
    return None


def _failure(url: str, what: str) -> DownloadError:
    return DownloadError(
        f"{url}: {what}. If it stays so, get the corpus another way and name its folder with --source DIR"
    )


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        try:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:  # the first releases of Python 3.10 and 3.11
                for member in tar.getmembers():
                    if not (member.isfile() or member.isdir()):
                        raise _refusal(archive, member.name)
                    _require_inside(archive, folder, member.name)
                tar.extractall(folder)
        except tarfile.ReadError:
            raise
        except tarfile.TarError as error:
            raise _refusal(archive, str(error)) from None
        # The compressor's own checksum comes last, after all that tarfile has a use for.
        while tar.fileobj and tar.fileobj.read(BLOCK):
            pass


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            _require_inside(archive, folder, name)
        packed.extractall(folder)


def _require_inside(archive: Path, folder: Path, name: str) -> None:
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise _refusal(archive, name)


def _refusal(archive: Path, name: str) -> DownloadError:
    return DownloadError(f"{archive}: holds a member that does not belong in a corpus ({name}); nothing was unpacked")
