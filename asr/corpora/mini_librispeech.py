"""Mini LibriSpeech: five hours of read English books, a small benchmark (OpenSLR 31)."""

from pathlib import Path

from asr.corpora import commonvoice, librispeech
from asr.corpora.download import fetch_archive
from asr.corpora.utterance import Splits
from asr.progress import SILENT, Progress

TRAIN, TEST = "train-clean-5", "dev-clean-2"


def download(folder: Path, *, progress: Progress = SILENT) -> Path:
    """Fetch both parts; their publisher states no checksum.

    Raises:
        DownloadError: if a part does not arrive whole.
    """
    root = folder / "mini-librispeech"
    for part in (TRAIN, TEST):
        fetch_archive(librispeech.url(part), root / part, progress=progress)
    return root


def read(source: Path) -> Splits:
    """Read train-clean-5, and dev-clean-2 as test.

    Where that is missing, whole speakers are held out for test. Dev is always held out of train.
    The corpus may also be a table, `train.tsv`, with the recordings in `clips`.

    Raises:
        DataError: if neither is there.
    """
    if any(source.glob("train.tsv")):
        return commonvoice.read(source, language="en")
    there = librispeech.find(source, TEST) is not None
    return librispeech.read(source, train=(TRAIN,), test=(TEST,) if there else ())
