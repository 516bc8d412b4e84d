"""Kaldi's yesno: one man says "yes" and "no" in Hebrew, eight words in each of 60 files; a first corpus to try."""

from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.source import locate
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import DataError

WORDS = {"0": "lo", "1": "ken"}


def download(folder: Path) -> Path:
    """Fetch the corpus (5 MB) into `folder`, with the checksum that torchaudio states."""
    from torchaudio.datasets import yesno

    release = yesno._RELEASE_CONFIGS["release1"]
    return fetch_archive(release["url"], folder / "yesno", sha256=release["checksum"])


def read(source: Path) -> Splits:
    """Read the transcripts off the file names; of each 15 files in alphabetical order, 10 train, 2 are dev and 3 test.

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
