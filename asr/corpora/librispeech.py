"""LibriSpeech: read English books, 1000 hours in seven parts; any parts will do."""

from collections.abc import Sequence
from pathlib import Path

from asr.corpora.download import fetch_archive
from asr.corpora.lines import read_lines
from asr.corpora.split import by_speaker, complete
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import ConfigError, DataError
from asr.progress import SILENT, Progress

URL = "http://www.openslr.org/resources/{number}/{part}.tar.gz"

SHA256 = {
    "train-clean-100": "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
}
"""The parts and their archives' checksums, from torchaudio 2.11's `datasets/librispeech.py`."""

PARTS = (*SHA256, "train-clean-5", "dev-clean-2")
"""Of LibriSpeech, and of mini LibriSpeech, which has an archive of its own."""
TRAIN = tuple(part for part in SHA256 if part.startswith("train-"))

_PLACES = ("{part}", "LibriSpeech/{part}", "{part}/LibriSpeech/{part}")  # the last is how `download` leaves it


def download(
    folder: Path,
    *,
    train: Sequence[str] = (),
    dev: Sequence[str] = (),
    test: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Path:
    """Fetch the wanted parts, by default train-clean-100 (6.3 GB), dev-clean and test-clean.

    Raises:
        ConfigError: if a part that was asked for is not a part of LibriSpeech; nothing is fetched.
        DownloadError: if a part does not arrive whole or fails its checksum.
    """
    root = folder / "librispeech"
    parts = (*(train or TRAIN[:1]), *(dev or ("dev-clean",)), *(test or ("test-clean",)))
    for part in parts:
        _require_known(part)
    for part in parts:
        fetch_archive(url(part), root / part, sha256=SHA256.get(part), progress=progress)
    return root


def url(part: str) -> str:
    """Where a part's archive lies; mini LibriSpeech's two parts are a corpus of their own."""
    return URL.format(number=12 if part in SHA256 else 31, part=part)


def read(source: Path, *, train: Sequence[str] = (), dev: Sequence[str] = (), test: Sequence[str] = ()) -> Splits:
    """Read the named parts; by default all training parts that are there, dev-clean and test-clean.

    Where there is no dev or no test part, whole speakers are held out of train, and a note says so.
    Of less than three speakers, whole chapters are held out.

    Raises:
        DataError: if no part is in `source` or its `LibriSpeech`.
        ConfigError: if a part that was asked for is not a part of LibriSpeech, or not there.
    """
    found = {part: place for part in PARTS if (place := find(source, part)) is not None}
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
    """Read SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt: lines of an id and a text."""
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


def find(source: Path, part: str) -> Path | None:
    """Where a part lies in a folder; None if it is not there."""
    for place in _PLACES:
        folder = source / place.format(part=part)
        if any(folder.glob("*/*/*.trans.txt")):
            return folder
    return source if source.name == part and any(source.glob("*/*/*.trans.txt")) else None


def _require_known(part: str) -> None:
    if part not in PARTS:
        raise ConfigError(f"{part} is no part of LibriSpeech; the parts are {', '.join(PARTS)}")
