"""Several corpora as one: a folder of folders, each a corpus in its own layout."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from asr.corpora import an4, commonvoice, folder, fsdd, librispeech
from asr.corpora.split import by_text
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import DataError

FEW_WORDS = 4
"""A text of fewer words proves nothing: everybody says "yes" and counts to three."""


def read(source: Path, *, parts: Sequence[str] = (), language: str | None = None) -> Splits:
    """Read each corpus of a folder and join them split by split.

    Ids begin with the corpus's folder: "an4/...". Each corpus parts its own train, dev and test. A
    transcript that a machine made (one with a confidence) is only ever trained on. A text of four
    words or more that another corpus has in dev or test is not in train, nor one of test in dev.

    Args:
        source: the folder that holds them.
        parts: names of the corpora's folders; a missing one is left out with a note. None named:
            all that are there.
        language: for utterances of which no corpus says it.

    Raises:
        DataError: if none is there, or one of them cannot be read.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    names = parts or sorted(child.name for child in source.iterdir() if child.is_dir() and child.name[0] != ".")
    found = {name: _read(source / name, language) for name in names if (source / name).is_dir()}
    if not found:
        raise DataError(f"{source}: holds none of the corpora {', '.join(names)}" if names else f"{source}: is empty")
    notes = [f"{name} is not in {source}, and left out" for name in names if name not in found]
    problems: list[Problem] = []
    joined: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for name, splits in found.items():
        problems += splits.problems
        notes += [f"{name}: {note}" for note in splits.notes]
        for split, utterances in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
            for utterance in utterances:
                part = "train" if utterance.confidence is not None else split
                joined[part].append(replace(utterance, id=f"{name}/{utterance.id}", corpus=name))
    train = _strangers(joined["train"], (*joined["dev"], *joined["test"]))
    dev = _strangers(joined["dev"], joined["test"])
    known = len(joined["train"]) - len(train) + len(joined["dev"]) - len(dev)
    if known:
        notes.append(f"{known} utterances of train and dev are left out: another corpus tests on their text")
    return Splits(tuple(train), tuple(dev), tuple(joined["test"]), tuple(problems), tuple(notes))


def _read(place: Path, language: str | None) -> Splits:
    """Read a corpus in the layout that it has."""
    layouts: tuple[tuple[str, Callable[[Path], Splits]], ...] = (
        ("etc/an4_train.fileids", an4.read),
        ("recordings/[0-9]_*_*.wav", fsdd.read),
        ("*/*/*/*.trans.txt", librispeech.read),
        ("train.tsv", lambda source: commonvoice.read(source, language=language)),
        ("validated.tsv", lambda source: commonvoice.read(source, language=language)),
    )
    for sign, reader in layouts:
        if any(place.glob(sign)):
            return reader(place)
    return folder.read(place, language=language)


def _strangers(utterances: Sequence[Utterance], tested: Sequence[Utterance]) -> list[Utterance]:
    """Keep the utterances whose text no other corpus has among the tested ones."""
    owners: dict[str, set[str | None]] = {}
    for utterance in tested:
        owners.setdefault(by_text(utterance), set()).add(utterance.corpus)

    def known(utterance: Utterance) -> bool:
        text = by_text(utterance)
        return len(text.split()) >= FEW_WORDS and bool(owners.get(text, set()) - {utterance.corpus})

    return [utterance for utterance in utterances if not known(utterance)]
