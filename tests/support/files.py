"""Text files of tests."""

from pathlib import Path


def write(path: Path, text: str = "") -> Path:
    """Write a file and the folders that it lies in; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
