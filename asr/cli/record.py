"""`asr record`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.audio.microphone import microphone, play
from asr.audio.reader import Waveform
from asr.audio.take import read_aloud
from asr.corpora.prompted import Verdict, read_prompts, record

RATE = 16_000
ANSWERS: dict[str, Verdict] = {"k": "keep", "a": "again", "s": "skip", "q": "stop"}


@dataclass(frozen=True)
class Record:
    """Record sentences that you read aloud, one by one, for `asr adapt` and `asr prepare folder`.

    Press Enter, read the sentence, and wait a second. It is checked for level, clipping and noise,
    and played back. Enter keeps a good one and repeats a bad one. The same command goes on with
    what is missing.
    """

    prompts: Annotated[Positional[Path | None], arg(metavar="[PROMPTS]")] = None
    """A text file, a sentence a line. Without it, forty English sentences that hold every sound."""
    out: Annotated[Path, arg(help="Folder for the recordings and their texts.")] = Path("recordings")
    device: str | None = None
    """The microphone: a number or part of its name, as `asr listen --devices` lists them."""
    playback: bool = True
    """Play each recording back."""

    def run(self) -> None:
        session = record(read_prompts(self.prompts), self.out, _Terminal(self), sample_rate=RATE)
        print(f"{session.recorded} of {session.total} sentences are in {self.out}")
        if session.recorded < session.total:
            print("the same command goes on", file=sys.stderr)
        else:
            print(f"next: asr adapt {self.out} --out DIR", file=sys.stderr)


@dataclass(frozen=True)
class _Terminal:
    """A session at the keyboard."""

    options: Record

    def show(self, text: str, number: int, total: int) -> bool:
        print(f"\n{number} of {total}\n\n    {text}\n", flush=True)
        return _ask("Enter, then read (q stops): ").strip().lower()[:1] != "q"

    def take(self) -> Waveform:
        with microphone(RATE, self.options.device) as blocks:
            print("listening ...", flush=True)
            return read_aloud(blocks, RATE)

    def play(self, waveform: Waveform) -> None:
        if self.options.playback:
            play(waveform, RATE)

    def judge(self, faults: Sequence[str]) -> Verdict:
        for fault in faults:
            print(f"  {fault}")
        first, other = ("again", "k keep") if faults else ("keep", "a again")
        answer = _ask(f"Enter {first}, {other}, s skip, q stop: ").strip().lower()[:1]
        usual: Verdict = "again" if faults else "keep"
        return ANSWERS.get(answer, usual)


def _ask(question: str) -> str:
    """Ask at the keyboard; the end of the input is q."""
    try:
        return input(question)
    except EOFError:
        return "q"
