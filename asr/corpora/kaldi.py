"""Kaldi data directories: wav.scp, text, and if they are there segments and utt2spk."""

from collections.abc import Iterator
from pathlib import Path

from asr.corpora.lines import existing, read_lines
from asr.corpora.source import written
from asr.corpora.utterance import Problem, Utterance
from asr.units import Seconds

Stretch = tuple[str, Seconds, Seconds | None]
"""A recording's name, a start and a duration."""


def read_kaldi(folder: Path, language: str | None = None) -> tuple[list[Utterance], list[Problem]]:
    """Read a data directory; each of its files may be gzipped.

    Relative audio paths start from the directory. A command in wav.scp is a problem: none is ever
    run.

    Raises:
        DataError: if wav.scp or text is missing.
    """
    scp, segments = existing(folder / "wav.scp"), existing(folder / "segments")
    problems: list[Problem] = []
    recordings: dict[str, Path] = {}
    commands = set()
    for where, name, value in _pairs(scp, problems):
        if value.endswith("|"):
            commands.add(name)
            problems.append(Problem(where, f"{name} is a command, and none is run: write its output to a file"))
        else:
            recordings[name] = written(folder, value)
    speakers = {name: value for _, name, value in _optional_pairs(existing(folder / "utt2spk"), problems)}
    stretches: dict[str, Stretch] = {}
    if segments.is_file():
        for where, name, value in _pairs(segments, problems):
            stretch = _stretch(value)
            if stretch is None:
                problems.append(Problem(where, "is not an utterance, a recording, a start and an end in seconds"))
            else:
                stretches[name] = stretch
    else:
        stretches = {name: (name, 0.0, None) for name in (*recordings, *commands)}
    utterances = []
    listing = segments if segments.is_file() else scp
    for where, name, text in _pairs(existing(folder / "text"), problems):
        recording, start, duration = stretches.pop(name, ("", 0.0, None))
        if recording in recordings:
            audio, speaker = recordings[recording], speakers.get(name)
            utterances.append(Utterance(name, audio, text, where, speaker, start, duration, language))
        elif recording not in commands:
            missing = (
                f"{recording} is not in wav.scp" if recording else f"{name} is not in {listing.name}, or faulty there"
            )
            problems.append(Problem(where, missing))
    problems += [Problem(str(listing), f"{name} is not in text, or twice in {listing.name}") for name in stretches]
    return utterances, problems


def _pairs(path: Path, problems: list[Problem]) -> Iterator[tuple[str, str, str]]:
    """Read lines of a name and a value, as (where, name, value)."""
    lines, faults = read_lines(path)
    problems += faults
    for number, line in lines:
        name, *value = line.split(maxsplit=1)
        yield f"{path}:{number}", name, value[0].strip() if value else ""


def _optional_pairs(path: Path, problems: list[Problem]) -> Iterator[tuple[str, str, str]]:
    return _pairs(path, problems) if path.is_file() else iter(())


def _stretch(value: str) -> Stretch | None:
    """Read "recording start end"; an end of -1 is the recording's."""
    try:
        recording, start, end = value.split()
        return recording, float(start), None if float(end) == -1 else float(end) - float(start)
    except ValueError:
        return None
