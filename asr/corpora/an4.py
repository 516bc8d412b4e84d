"""CMU AN4 ("census"): 84 people spell names and say numbers, dates and commands.

It has 948 training utterances and 130 test utterances.
"""

import re
from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.lines import read_lines
from asr.corpora.source import locate
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.progress import SILENT, Progress

URL = "http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz"

DEV_SPEAKERS = frozenset({"fjam", "fplp", "mcen", "meab", "mjes", "mmdg", "mrmg", "mtje"})
"""Eight of the 74 training speakers, since AN4 names no development set.

In alphabetical order they are the 6th and 16th of the 21 women, and every ninth of the 53 men from
the fifth on.
"""

_TRANSCRIPT = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)\s*")


def download(folder: Path, *, progress: Progress = SILENT) -> Path:
    """Fetch the corpus (64 MB) into `folder`; its publisher states no checksum."""
    return fetch_archive(URL, folder / "an4", progress=progress)


def read(source: Path) -> Splits:
    """Read AN4's own lists: its training set, of which `DEV_SPEAKERS` are dev, and its test set.

    Transcripts and files are paired by utterance id. The speaker is the folder of a recording.

    Raises:
        DataError: if the lists are not under `source`.
    """
    root = locate(source, "etc/an4_train.fileids")
    train, problems = _read_part(root, "train")
    test, test_problems = _read_part(root, "test")
    return Splits(
        train=tuple(u for u in train if u.speaker not in DEV_SPEAKERS),
        dev=tuple(u for u in train if u.speaker in DEV_SPEAKERS),
        test=tuple(test),
        problems=(*problems, *test_problems),
    )


def _read_part(root: Path, part: str) -> tuple[list[Utterance], list[Problem]]:
    transcription = root / "etc" / f"an4_{part}.transcription"
    lines, problems = read_lines(transcription)
    transcripts: dict[str, tuple[int, str]] = {}
    for number, line in lines:
        match = _TRANSCRIPT.fullmatch(line)
        if match is None:
            problems.append(Problem(f"{transcription}:{number}", "does not end in an utterance id in parentheses"))
        elif match["id"] in transcripts:
            what = f"{match['id']} was transcribed before, on line {transcripts[match['id']][0]}; the first is kept"
            problems.append(Problem(f"{transcription}:{number}", what))
        else:
            words = (word for word in match["text"].split() if word not in ("<s>", "</s>"))
            transcripts[match["id"]] = number, " ".join(words)
    fileids = root / "etc" / f"an4_{part}.fileids"
    lines, more = read_lines(fileids)
    problems += more
    utterances = []
    for number, line in lines:
        file = Path(line.strip())
        audio = root / "wav" / f"{file}.sph"
        if file.name not in transcripts:
            problems.append(Problem(f"{fileids}:{number}", f"{file.name} has no transcript in {transcription.name}"))
            continue
        at, text = transcripts.pop(file.name)
        speaker = file.parent.name or None
        utterances.append(Utterance(file.name, audio, text, f"{transcription}:{at}", speaker, language="en"))
    problems += [
        Problem(f"{transcription}:{number}", f"{name} is not in {fileids.name}")
        for name, (number, _) in transcripts.items()
    ]
    return utterances, problems
