"""Kaldi data directories: wav.scp, text, and if they are there segments and utt2spk."""

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
    run. So is a name that stands twice in a file; where the two lines differ, neither is used.

    Raises:
        DataError: if wav.scp or text is missing.
    """
    scp, segments = existing(folder / "wav.scp"), existing(folder / "segments")
    problems: list[Problem] = []
    recordings: dict[str, Path] = {}
    commands = set()
    for name, (where, value) in _keyed(scp, problems).items():
        if value.endswith("|"):
            commands.add(name)
            problems.append(Problem(where, f"{name} is a command, and none is run: write its output to a file"))
        else:
            recordings[name] = written(folder, value)
    utt2spk = existing(folder / "utt2spk")
    speakers = _keyed(utt2spk, problems) if utt2spk.is_file() else {}
    stretches: dict[str, Stretch] = {}
    if segments.is_file():
        for name, (where, value) in _keyed(segments, problems).items():
            stretch = _stretch(value)
            if stretch is None:
                problems.append(Problem(where, "is not an utterance, a recording, a start and an end in seconds"))
            else:
                stretches[name] = stretch
    else:
        stretches = {name: (name, 0.0, None) for name in (*recordings, *commands)}
    utterances = []
    listing = segments if segments.is_file() else scp
    for name, (where, text) in _keyed(existing(folder / "text"), problems).items():
        recording, start, duration = stretches.pop(name, ("", 0.0, None))
        if recording in recordings:
            speaker = speakers[name][1] if name in speakers else None
            utterances.append(Utterance(name, recordings[recording], text, where, speaker, start, duration, language))
        elif recording not in commands:
            place = "wav.scp" if recording else listing.name
            problems.append(Problem(where, f"{recording or name} is not in {place}, or faulty there"))
    problems += [Problem(str(listing), f"{name} is not in text, or faulty there") for name in stretches]
    return utterances, problems


def _keyed(path: Path, problems: list[Problem]) -> dict[str, tuple[str, str]]:
    """Read lines of a name and a value, as name to (where, value).

    A name that stands again is a problem. Where its values differ, none is to be trusted.
    """
    lines, faults = read_lines(path)
    problems += faults
    found: dict[str, tuple[str, str]] = {}
    differing = set()
    for number, line in lines:
        name, *rest = line.split(maxsplit=1)
        value = rest[0].strip() if rest else ""
        first = found.setdefault(name, (f"{path}:{number}", value))
        if first[0] == f"{path}:{number}":
            continue
        what = f"{name} stands already at {first[0]}, and names must be unique"
        if value != first[1]:
            differing.add(name)
            what += "; the two differ, so neither is used"
        problems.append(Problem(f"{path}:{number}", what))
    return {name: entry for name, entry in found.items() if name not in differing}


def _stretch(value: str) -> Stretch | None:
    """Read "recording start end"; an end of -1 is the recording's."""
    try:
        recording, start, end = value.split()
        return recording, float(start), None if float(end) == -1 else float(end) - float(start)
    except ValueError:
        return None
