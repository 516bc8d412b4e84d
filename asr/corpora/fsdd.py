"""Free Spoken Digit Dataset: six people say each digit 50 times, 3000 recordings at 8 kHz."""

import re
from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.source import locate
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import ConfigError
from asr.progress import SILENT, Progress

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)")


def download(folder: Path, *, progress: Progress = SILENT) -> Path:
    """Fetch the corpus into `folder`; its publisher states no checksum."""
    return fetch_archive(URL, folder / "fsdd", progress=progress)


def read(source: Path, *, held_out_speaker: str | None = None) -> Splits:
    """Read the transcripts off the file names.

    The official test set is the recordings with index 0 to 4. Here 5 to 9 are dev and the rest
    train, so every speaker is in every split. With `held_out_speaker`, test is all of that
    speaker's recordings; of the others 5 to 9 are dev, the rest train.

    Raises:
        DataError: if there is no `recordings` folder.
        ConfigError: if nobody of the name `held_out_speaker` is in the corpus.
    """
    folder = locate(source, "recordings") / "recordings"
    train, dev, test, problems = [], [], [], []
    for path in sorted(folder.glob("*.wav")):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            problems.append(Problem(str(path), "not named DIGIT_SPEAKER_INDEX.wav"))
            continue
        speaker, index = match["speaker"], int(match["index"])
        utterance = Utterance(path.stem, path, DIGITS[int(match["digit"])], str(path), speaker, language="en")
        tests = index < 5 if held_out_speaker is None else speaker == held_out_speaker
        if tests:
            test.append(utterance)
        elif 5 <= index < 10:
            dev.append(utterance)
        else:
            train.append(utterance)
    if held_out_speaker is not None and not test:
        names = ", ".join(sorted({u.speaker for u in (*train, *dev) if u.speaker}))
        raise ConfigError(f"held_out_speaker is {held_out_speaker}, but the speakers are {names}")
    return Splits(tuple(train), tuple(dev), tuple(test), tuple(problems))
