"""Kaldi's yesno, a first corpus to try: one man says "yes" and "no" in Hebrew.

Each of its 60 files has eight words.
"""

from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.source import locate
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import DataError
from asr.progress import SILENT, Progress

URL = "http://www.openslr.org/resources/1/waves_yesno.tar.gz"
SHA256 = "c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73"
"""Of the archive, as torchaudio states it (2.11, `datasets/yesno.py`)."""

WORDS = {"0": "lo", "1": "ken"}


def download(folder: Path, *, progress: Progress = SILENT) -> Path:
    """Fetch the corpus (5 MB) into `folder`."""
    return fetch_archive(URL, folder / "yesno", sha256=SHA256, progress=progress)


def read(source: Path) -> Splits:
    """Read the transcripts off the file names.

    Of each 15 files in alphabetical order, 10 are train, 2 are dev and 3 are test.

    Raises:
        DataError: if there are no WAV files in `source` or its `waves_yesno`.
    """
    folder = (
        source if source.name == "waves_yesno" and source.is_dir() else locate(source, "waves_yesno") / "waves_yesno"
    )
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    problems = []
    files = sorted(folder.glob("*.wav"))
    if not files:
        raise DataError(f"{folder}: holds no .wav files")
    for position, path in enumerate(files):
        digits = path.stem.split("_")
        if not all(digit in WORDS for digit in digits):
            problems.append(Problem(str(path), "not named by its words, as 0_1_1_0_0_1_0_1.wav is"))
            continue
        part = "test" if position % 5 == 4 else "dev" if position % 15 in (2, 8) else "train"
        text = " ".join(WORDS[digit] for digit in digits)
        parts[part].append(Utterance(path.stem, path, text, str(path), speaker="yesno", language="he"))
    return Splits(tuple(parts["train"]), tuple(parts["dev"]), tuple(parts["test"]), tuple(problems))
