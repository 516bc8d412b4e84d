"""Mozilla Common Voice: sentences read by volunteers, in more than a hundred languages."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asr.corpora.source import locate
from asr.corpora.split import Key, by_speaker, by_text, hold_out
from asr.corpora.table import read_table
from asr.corpora.utterance import Problem, Splits, Utterance

HOW_TO_GET = (
    "commonvoice: Mozilla asks for your consent first, so no program can fetch it: choose a language on "
    "https://commonvoice.mozilla.org/datasets, download and unpack it, and name its folder with --source DIR"
)


def read(source: Path, *, language: str | None = None) -> Splits:
    """Read train.tsv, dev.tsv and test.tsv; the recordings are in `clips`.

    Without train.tsv, validated.tsv takes its place. Without test.tsv, dev serves as test. Where
    there is then no dev, a tenth of train becomes dev. Those are whole speakers, without the
    sentences that train still has. Where that would leave less than half of them, or where no
    speaker is known, they are whole sentences; never single clips.

    Raises:
        DataError: if there is no train.tsv or validated.tsv, or a table cannot be read.
    """
    found = any(source.glob("train.tsv")) or any(source.glob("*/train.tsv"))
    validated = any(source.glob("validated.tsv")) or any(source.glob("*/validated.tsv"))
    table = "validated.tsv" if validated and not found else "train.tsv"
    root = locate(source, table)
    problems: list[Problem] = []
    notes = []
    train: Sequence[Utterance] = _read_part(root / table, language, problems)
    dev: Sequence[Utterance] = _read_part(root / "dev.tsv", language, problems)
    test: Sequence[Utterance] = _read_part(root / "test.tsv", language, problems)
    if table == "validated.tsv":  # it also lists the clips of dev and test, and others by the same speakers
        train = _strangers(_strangers(train, (*dev, *test), by_text), (*dev, *test), by_speaker)
        notes.append("there is no train.tsv: train is what validated.tsv has besides dev and test")
    if not test and dev:
        notes.append("there is no test.tsv: dev.tsv serves as test")
        dev, test = [], dev
    if not test:
        train, test, note = _hold_out(train)
        notes.append(f"there is no test.tsv: {note}")
    if not dev:
        train, dev, note = _hold_out(train)
        notes.append(f"dev is taken from train: {note}")
    return Splits(tuple(train), tuple(dev), tuple(test), tuple(problems), tuple(notes))


def _hold_out(train: Sequence[Utterance]) -> tuple[Sequence[Utterance], Sequence[Utterance], str]:
    """Take a tenth away and say how: no sentence is on both sides, nor a speaker if possible."""
    if any(utterance.speaker for utterance in train):
        kept, held = hold_out(train, 0.1, by_speaker)
        new = _strangers(held, kept, by_text)
        if len(new) >= len(held) / 2:
            left_out = f"{len(held) - len(new)} of those, whose sentences train has, are left out"
            return kept, new, f"whole speakers with a tenth of its clips; {left_out}"
    return *hold_out(train, 0.1, by_text), "a tenth of its sentences, with all their clips"


def _strangers(utterances: Sequence[Utterance], known: Sequence[Utterance], key: Key) -> list[Utterance]:
    """Keep the utterances whose key none of the known ones has."""
    keys = {key(utterance) for utterance in known}
    return [utterance for utterance in utterances if key(utterance) not in keys]


def _read_part(table: Path, language: str | None, problems: list[Problem]) -> list[Utterance]:
    if not table.is_file():
        return []
    clips = table.parent / "clips"
    rows, faults = read_table(table, clips if clips.is_dir() else table.parent, language)
    problems += faults
    utterances = [row.utterance for row in rows]
    twice = clips / clips.name  # where tables of parts of the corpus have "clips/NAME"
    if twice.exists():
        return utterances
    return [
        replace(one, audio=clips / one.audio.relative_to(twice)) if one.audio.is_relative_to(twice) else one
        for one in utterances
    ]
