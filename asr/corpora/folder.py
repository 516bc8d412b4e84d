"""A user's own recordings, in any of four layouts; data/README.md shows them."""

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from asr.audio.folder import Listing, listing
from asr.corpora.kaldi import read_kaldi
from asr.corpora.lines import existing, read_lines
from asr.corpora.manifest import lhotse_kind, read_manifest
from asr.corpora.split import by_speaker, by_text, complete, natural_key
from asr.corpora.table import Row, read_table
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import DataError
from asr.files import opened, without_gz

ACCEPTED = (
    "accepted are recordings with a .txt of the same name beside each, one table (.tsv or .csv) with a path and a "
    "sentence column, one .jsonl with audio_filepath and text, a Kaldi data directory (wav.scp and text), "
    "or any of these once for each of train, dev and test; lists may be gzipped (.gz)"
)

SPLIT_NAMES = {"train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev", "test": "test"}
"""What files, folders and the values of a split column may be called."""

Reader = Callable[[Path, str | None], tuple[list[Row], list[Problem]]]
Layout = list[tuple[str, Path, Reader]]
"""What to read: for each place, the split that its name tells ("" if none)."""

_NOT_TRANSCRIPTS = frozenset({"readme", "license", "licence", "notes"})


def read(source: Path, *, language: str | None = None) -> Splits:
    """Find out which layout a folder has and read it; `source` may also be a table or a manifest.

    Splits that the data names are kept: in a split column, or as files or folders called train, dev
    and test. What is missing of dev and test is held out of train, by `natural_key`. Lists may be
    gzipped. Manifests of lhotse's own are no source; an error says so if there is nothing else.

    Raises:
        DataError: if there is nothing of the kind, or more than one thing.
    """
    named: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    problems: list[Problem] = []
    for label, place, reader in _layout(source):
        rows, faults = reader(place, language)
        problems += faults
        for row in rows:
            split = SPLIT_NAMES.get(row.split or label or "train")
            if split is None:
                what = f"split is {row.split}; it must be one of {', '.join(SPLIT_NAMES)}"
                problems.append(Problem(row.utterance.where, what))
            else:
                named[split].append(row.utterance)
    missing = [split for split in ("dev", "test") if not named[split]]
    key = natural_key(named["train"])
    parts = complete(named["train"], named["dev"], named["test"], key=key)
    what = "whole speakers" if key is by_speaker else "whole sentences" if key is by_text else "single recordings"
    notes = (f"{' and '.join(missing)}: {what} held out of train, a tenth for each",) if missing else ()
    return Splits(*parts, tuple(problems), notes)


def _layout(source: Path) -> Layout:
    if source.is_file():
        reader = _file_reader(source)
        if reader is None:
            raise DataError(f"{source}: is neither a table nor a manifest; {_lhotse([source])}{ACCEPTED}")
        return [("", source, reader)]
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    children = sorted(child for child in source.iterdir() if not child.name.startswith("._"))
    files: Layout = [(_split_of(child), child, reader) for child in children if (reader := _file_reader(child))]
    folders = [(_split_of(child), child) for child in children if child.is_dir() and _split_of(child)]
    kinds: dict[str, Layout] = {}
    if (scp := existing(source / "wav.scp")).is_file():
        kinds[scp.name] = [("", source, _read_kaldi)]
    if files:
        kinds[", ".join(file.name for _, file, _ in files)] = files
    if not kinds and "train" in [split for split, _ in folders]:
        return [(split, place, reader) for split, child in folders for _, place, reader in _layout(child)]
    inside = listing(source)
    texts = _texts(inside)
    if any(path.with_suffix("") in texts or _composed(path) in texts for path in inside.recordings):
        kinds["recordings with .txt files"] = [("", source, _read_side_by_side)]
    if not kinds:
        raise DataError(f"{source}: holds no transcribed recordings; {_lhotse(children)}{ACCEPTED}")
    splits = [split for split, _, _ in files]
    if len(kinds) > 1 or (len(files) > 1 and ("" in splits or len(set(splits)) < len(splits))):
        raise DataError(
            f"{source}: holds {' and '.join(kinds)}, so name the file or folder to read with --source; {ACCEPTED}"
        )
    (layout,) = kinds.values()
    return layout


def _split_of(path: Path) -> str:
    """Read the split off a name such as train, train.tsv.gz or train_manifest.json."""
    return SPLIT_NAMES.get(without_gz(path).stem.lower().replace("-", "_").split("_")[0], "")


def _file_reader(path: Path) -> Reader | None:
    suffix = without_gz(path).suffix.lower()
    if not path.is_file():
        return None
    if suffix in (".tsv", ".csv"):
        return _read_table
    if suffix == ".json":  # NeMo's manifests are often called so; most other .json files are none
        with opened(path) as file:
            return read_manifest if b'"audio_filepath"' in file.readline() else None
    return read_manifest if suffix == ".jsonl" and lhotse_kind(path) is None else None


def _lhotse(files: Iterable[Path]) -> str:
    """Say which files are lhotse's own manifests, as part of a message; empty if none is."""
    kinds = {path.name: lhotse_kind(path) for path in files if without_gz(path).suffix.lower() == ".jsonl"}
    found = [f"{name} holds lhotse's {kind}" for name, kind in kinds.items() if kind]
    if not found:
        return ""
    return (
        f"{', '.join(found)}, not audio_filepath and text: `asr train` takes lhotse's cuts as they are, "
        "and `lhotse cut simple` makes cuts of recordings and supervisions; "
    )


def _read_table(path: Path, language: str | None) -> tuple[list[Row], list[Problem]]:
    return read_table(path, path.parent, language)


def _read_kaldi(folder: Path, language: str | None) -> tuple[list[Row], list[Problem]]:
    utterances, problems = read_kaldi(folder, language)
    return [Row(utterance) for utterance in utterances], problems


def _read_side_by_side(folder: Path, language: str | None) -> tuple[list[Row], list[Problem]]:
    """Pair each recording with the .txt beside it; the id is its path here without the ending.

    Neither letter case of the endings nor the composition of accents (NFC, NFD) matters.
    """
    inside = listing(folder)
    problems = [Problem(str(error.filename), f"cannot be read ({error.strerror})") for error in inside.unreadable]
    rows = []
    texts = _texts(inside)
    lonely = {path for path in texts.values() if path.stem.lower() not in _NOT_TRANSCRIPTS}
    for path in inside.recordings:
        transcript = texts.get(path.with_suffix("")) or texts.get(_composed(path))
        if transcript is None:
            problems.append(Problem(str(path), f"has no transcript: write {path.stem}.txt beside it"))
            continue
        lonely.discard(transcript)
        lines, faults = read_lines(transcript)
        problems += faults
        if not faults:
            name = path.relative_to(folder).with_suffix("").as_posix()
            text = " ".join(line for _, line in lines)
            rows.append(Row(Utterance(name, path, text, str(transcript), language=language)))
    problems += [Problem(str(path), "has no recording of the same name beside it") for path in sorted(lonely)]
    return rows, problems


def _texts(inside: Listing) -> dict[Path, Path]:
    """Find text files by their names without ending, as they stand and with accents composed."""
    found = [path for path in inside.files if path.suffix.lower() == ".txt"]
    composed = {_composed(path): path for path in found}
    return composed | {path.with_suffix(""): path for path in sorted(found, key=lambda path: path.suffix == ".txt")}


def _composed(path: Path) -> Path:
    return path.with_name(unicodedata.normalize("NFC", path.stem))
