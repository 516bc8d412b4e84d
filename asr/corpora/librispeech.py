"""LibriSpeech: read English books, 1000 hours in seven parts; any parts will do."""

from collections.abc import Sequence
from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.lines import read_lines
from asr.corpora.split import by_speaker, complete
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import ConfigError, DataError

URL = "http://www.openslr.org/resources/12/{part}.tar.gz"

TRAIN = ("train-clean-100", "train-clean-360", "train-other-500")
PARTS = (*TRAIN, "dev-clean", "dev-other", "test-clean", "test-other")

_PLACES = ("{part}", "LibriSpeech/{part}", "{part}/LibriSpeech/{part}")  # the last is how `download` leaves it


def download(folder: Path, *, train: Sequence[str] = (), dev: Sequence[str] = (), test: Sequence[str] = ()) -> Path:
    """Fetch the wanted parts, by default train-clean-100 (6.3 GB), dev-clean and test-clean.

    The checksums are those that torchaudio states.
    """
    from torchaudio.datasets import librispeech

    root = folder / "librispeech"
    for part in (*(train or TRAIN[:1]), *(dev or ("dev-clean",)), *(test or ("test-clean",))):
        _require_known(part)
        url = URL.format(part=part)
        fetch_archive(url, root / part, sha256=librispeech._CHECKSUMS.get(url))
    return root


def read(source: Path, *, train: Sequence[str] = (), dev: Sequence[str] = (), test: Sequence[str] = ()) -> Splits:
    """Read the named parts; by default all training parts that are there, dev-clean and test-clean.

    Where there is no dev or no test part, whole speakers are held out of train (whole chapters, if there are less
    than three speakers), and a note says so.

    Raises:
        DataError: if no part is in `source` or its `LibriSpeech`.
        ConfigError: if a part that was asked for is not a part of LibriSpeech, or not there.
    """
    found = {part: place for part in PARTS if (place := _find(source, part)) is not None}
    if not found:
        raise DataError(f"{source}: holds no part of LibriSpeech, such as train-clean-100, nor does LibriSpeech in it")
    for part in (*train, *dev, *test):
        _require_known(part)
        if part not in found:
            raise ConfigError(f"{part} is not in {source}; these parts are: {', '.join(found)}")
        if [*train, *dev, *test].count(part) > 1:
            raise ConfigError(f"{part} is named twice; a part belongs to one split")
    wanted = {
        "train": train or [part for part in TRAIN if part in found],
        "dev": dev or [part for part in ("dev-clean",) if part in found],
        "test": test or [part for part in ("test-clean",) if part in found],
    }
    if not wanted["train"]:
        raise ConfigError(f"{source} has no training part; choose one, such as --train {next(iter(found))}")
    problems: list[Problem] = []
    utterances = {
        split: [utterance for part in parts for utterance in _read_part(found[part], problems)]
        for split, parts in wanted.items()
    }
    few = len({utterance.speaker for utterance in utterances["train"]}) < 3
    key = _by_chapter if few else by_speaker
    notes = [
        f"there is no {split} part here: whole {'chapters' if few else 'speakers'} of train are held out for it"
        for split in ("dev", "test")
        if not utterances[split]
    ]
    parts = complete(utterances["train"], utterances["dev"], utterances["test"], key=key)
    return Splits(*parts, tuple(problems), tuple(notes))


def _read_part(folder: Path, problems: list[Problem]) -> list[Utterance]:
    """Read SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt, lines of an id and a text; adds what is wrong to `problems`."""
    utterances = []
    for listing in sorted(folder.glob("*/*/*.trans.txt")):
        lines, faults = read_lines(listing)
        problems += faults
        listed = set()
        for number, line in lines:
            name, _, text = line.strip().partition(" ")
            listed.add(name)
            audio = listing.parent / f"{name}.flac"
            speaker = listing.parent.parent.name
            utterances.append(Utterance(name, audio, text, f"{listing}:{number}", speaker, language="en"))
        problems += [
            Problem(str(audio), f"is not transcribed in {listing.name}")
            for audio in sorted(listing.parent.glob("*.flac"))
            if audio.stem not in listed
        ]
    return utterances


def _by_chapter(utterance: Utterance) -> str:
    return utterance.id.rpartition("-")[0]


def _find(source: Path, part: str) -> Path | None:
    for place in _PLACES:
        folder = source / place.format(part=part)
        if any(folder.glob("*/*/*.trans.txt")):
            return folder
    return source if source.name == part and any(source.glob("*/*/*.trans.txt")) else None


def _require_known(part: str) -> None:
    if part not in PARTS:
        raise ConfigError(f"{part} is no part of LibriSpeech; the parts are {', '.join(PARTS)}")
