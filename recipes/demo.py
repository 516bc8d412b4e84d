"""The demo: the English model of the package meets a voice that it does not know, and learns it.

    python recipes/demo.py --out runs/demo

Each step is a command that you can give yourself; it is printed before it runs.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRAMMAR = """\
digit = one -> 1 | two -> 2 | three -> 3 | four -> 4 | five -> 5 | six -> 6 | seven -> 7 | eight -> 8 | nine -> 9
message: press {digit} to (leave a message | forward the message [to another user])
password: please enter your [new] password [followed by the pound key]
"""
COMMAND, SENTENCE, SPOKEN = "vm-leavemsg", "dir-nomatch", "vm-newpassword"
"""Held-out prompts: one that the grammar allows, one that it does not, one for times of words."""
BEFORE, AFTER = "before.txt", "after.txt"
"""What the model made of the held-out prompts before it was taught, and after."""


def steps(out: Path) -> Iterator[tuple[str, list[str]]]:
    """What is shown, and the command; later ones find what earlier ones have made."""
    data, model, grammar = out / "data", out / "model", out / "commands.txt"
    test = str(data / "test.jsonl.gz")
    yield (
        "Twenty minutes of recorded English prompts by one voice. Some are held out to judge by. "
        "What cannot be used is left out and listed.",
        ["prepare", "prompts", "--language", "en", "--out", str(data)],
    )
    yield (
        "The package's English model has never heard this voice, or such sentences. So many words are wrong.",
        ["evaluate", test, "--worst", "0", "--hypotheses", str(out / BEFORE)],
    )
    yield (
        "Three minutes of training teach it the voice and its words, from the prompts that are not held out.",
        ["adapt", str(data), "--out", str(model), "--epochs", "6"],
    )
    yield (
        "The held-out prompts again, by the adapted model with the language model. The page shows each.",
        [
            *("evaluate", test, "--model", str(model), "--lm"),
            *("--hypotheses", str(out / AFTER), "--html", str(out / "report.html")),
        ],
    )
    yield (
        "One of them, with the time and the confidence of each word.",
        ["transcribe", recording(data, SPOKEN), "--model", str(model), "--lm", "--format", "ctm", "--out", "-"],
    )
    grammar.write_text(GRAMMAR, encoding="utf-8")
    yield (
        "Commands: a sentence that the list allows is recognised, with what fills its slot. Another is rejected.",
        [
            "transcribe",
            recording(data, COMMAND),
            recording(data, SENTENCE),
            "--model",
            str(model),
            "--commands",
            str(grammar),
        ],
    )


def recording(data: Path, name: str) -> str:
    """Find a held-out prompt's file."""
    from asr.data.cuts import load_cuts

    (cut,) = (cut for cut in load_cuts(data / "test.jsonl.gz") if cut.id == name)
    path = Path(cut.cut().recording.sources[0].source)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def wrong(data: Path, hypotheses: Path) -> str:
    """The word error rate of what was written of the held-out prompts."""
    import asr
    from asr.scoring.transcripts import read_transcripts

    spoken, heard = read_transcripts(data / "test.jsonl.gz"), read_transcripts(hypotheses, hypotheses=True)
    score = asr.score([entry.text for entry in spoken.values()], [heard[name].text for name in spoken])
    return f"{100 * score.wer.value:.1f} %"


def main() -> None:
    """Run the steps; the first that fails ends it with its exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("runs/demo"))
    out: Path = options.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    for number, (explanation, command) in enumerate(steps(out), start=1):
        print(f"\n{number}. {explanation}\n   $ asr {shlex.join(command)}\n", flush=True)
        code = subprocess.run([sys.executable, "-m", "asr", *command], check=False).returncode
        if code:
            sys.exit(code)
    before, after = (wrong(out / "data", out / name) for name in (BEFORE, AFTER))
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    print(f"\nword error rate of the held-out prompts: {before} before, {after} after")
    print(f"that took {minutes}:{seconds:02d}; model: {out / 'model'}   report: {out / 'report.html'}")


if __name__ == "__main__":
    main()
