"""Sentences read aloud, one by one -> a folder of recordings with their texts, for `folder`.

Who shows the sentences, listens, plays and asks is handed in as a `Desk`: the command line, a page
or a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from asr.audio.reader import Waveform
from asr.audio.take import faults
from asr.audio.waveform import save_flac
from asr.errors import AsrError, DataError
from asr.files import atomic, read_text
from asr.units import Seconds

Verdict: TypeAlias = Literal["keep", "again", "skip", "stop"]
"""What becomes of a reading, and of the session."""
LEAST_SENTENCES = 10
"""That a model can be adapted to."""


class Desk(Protocol):
    """Where a session takes place."""

    def show(self, text: str, number: int, total: int) -> bool:
        """Show a sentence, and wait until it is to be read; `number` counts from 1.

        Returns:
            Whether it is; else the session is over.
        """

    def take(self) -> Waveform:
        """Listen to one reading, (N,)."""

    def play(self, waveform: Waveform) -> None:
        """Play it back, if that is wanted."""

    def judge(self, faults: Sequence[str]) -> Verdict:
        """Say what is wrong with it, if anything, and ask what becomes of it."""


@dataclass(frozen=True)
class Session:
    """What a session left."""

    recorded: int
    """Sentences that are there now, those of earlier sessions among them."""
    total: int
    seconds: Seconds
    """Of what was recorded in this session."""


def read_prompts(path: Path | None) -> list[str]:
    """Read sentences, one a line; lines that begin with # are notes. None gives the bundled ones.

    Raises:
        DataError: if the file cannot be read or holds none.
    """
    text = files("asr.corpora").joinpath("sentences.txt").read_text("utf-8") if path is None else read_text(path)
    lines = (" ".join(line.split()) for line in text.splitlines())
    found = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not found:
        raise DataError(f"{path}: holds no sentence to read; write one a line")
    return found


def record(prompts: Sequence[str], out: Path, desk: Desk, *, sample_rate: int) -> Session:
    """Record each sentence that is not there yet, again until it is good or somebody decides.

    Of each sentence there are two files, `0001.flac` and `0001.txt`. A sentence is done when both
    are there. So a session may be broken off at any time.

    Args:
        prompts: the sentences.
        out: the folder.
        desk: who shows, listens, plays and asks.
        sample_rate: of what the desk takes, in Hz.

    Raises:
        AsrError: if a file cannot be written.
        DataError: if the microphone fails.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AsrError(f"{out}: cannot be made ({error.strerror}); choose another folder") from None
    done = {read_text(path).strip(): path.stem for path in out.glob("*.txt") if path.with_suffix(".flac").is_file()}
    number = max((int(stem) for stem in done.values() if stem.isdecimal()), default=0)
    seconds = 0.0
    for place, text in enumerate(prompts, start=1):
        if text in done:
            continue
        waveform, verdict = _reading(text, place, len(prompts), desk, sample_rate)
        if verdict == "stop":
            break
        if verdict == "keep":
            number += 1
            with atomic(out / f"{number:04d}.flac") as path:
                save_flac(path, waveform, sample_rate)
            with atomic(out / f"{number:04d}.txt") as path:
                path.write_text(f"{text}\n", encoding="utf-8")
            done[text] = f"{number:04d}"
            seconds += len(waveform) / sample_rate
    return Session(sum(text in done for text in prompts), len(prompts), seconds)


def _reading(text: str, place: int, total: int, desk: Desk, sample_rate: int) -> tuple[Waveform, Verdict]:
    """Record a sentence until it is kept or left."""
    verdict: Verdict = "again"
    while verdict == "again":
        if not desk.show(text, place, total):
            return np.zeros(0, dtype=np.float32), "stop"
        waveform = desk.take()
        wrong = faults(waveform, sample_rate, text)
        desk.play(waveform)
        verdict = desk.judge(wrong)
    return waveform, verdict
