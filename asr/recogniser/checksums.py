"""SHA-256 sums of a model folder's files, as `sha256sum --check` reads them.

They show damage on the way. Whoever can change the files can change the sums, too: only a signature
shows that.
"""

import hashlib
from pathlib import Path

from asr.files import atomic

SUMS_FILE = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """List the sums of all files in a folder and below, but for hidden ones.

    Raises:
        AsrError: if the list cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    lines = [f"{_sum(file)}  {file.relative_to(folder).as_posix()}\n" for file in files if file.name != SUMS_FILE]
    with atomic(folder / SUMS_FILE) as path:
        path.write_text("".join(lines), encoding="utf-8", newline="\n")


def changed(folder: Path) -> list[str] | None:
    """Name the files that are missing or have another sum than the list says; None without a list.

    Files that the list does not name may be there. A name that leads out of the folder counts as
    changed.
    """
    try:
        lines = (folder / SUMS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    listed = [line.partition("  ") for line in lines if line.strip()]
    return [name for expected, _, name in listed if not _is_inside(folder, name) or _sum(folder / name) != expected]


def _is_inside(folder: Path, name: str) -> bool:
    return bool(name) and (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
