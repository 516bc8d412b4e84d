"""How many commands are missed at how many false accepts of other speech.

    python -m benchmarks.commands digits/test.jsonl.gz other/test.jsonl.gz --model DIR
    python -m benchmarks.commands sentences.jsonl.gz --phrases 50 --model DIR --plot commands.png

The commands are the texts of the first manifest, those read most often first, at most so many. All
its other utterances, and those of further manifests, are other speech. Thresholds are chosen on
half of the other speech and judged on the other half.
"""

import argparse
import math
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asr.cli.output import TerminalProgress
from asr.data.cuts import LazyCut, load_cuts
from asr.decoding.commands import Commands
from asr.text.grammar import Phrase
from asr.transcription.rejection import HOUR, Trial, draw_rejection, fit_rejection, listen
from asr.transcription.transcribe import Transcriber


def main() -> None:
    """Choose commands, listen, print a line a rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spoken", type=Path)
    parser.add_argument("others", type=Path, nargs="*")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--phrases", type=int, default=50)
    parser.add_argument("--most-words", type=int, default=8)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 1.0, 2.0, 5.0, 10.0])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    spoken = load_cuts(options.spoken)
    transcriber = Transcriber.load(options.model, beam=None, lm=False)
    commands = Commands(
        transcriber.recogniser.tokenizer, chosen(spoken, number=options.phrases, most_words=options.most_words)
    )
    heard = [
        listen(transcriber, commands, cuts, TerminalProgress()) for cuts in [spoken, *map(load_cuts, options.others)]
    ]
    others = [sound for trial in heard for sound in trial.others]
    seconds = sum(trial.seconds for trial in heard)
    readings = heard[0].commands
    fit, judged = (Trial(readings, tuple(others[half::2]), seconds / 2) for half in (0, 1))
    columns = ("asked, an hour", "threshold", "false accepts", "an hour", "% of others", "missed %", "confused %")
    table = Table(*columns, "both % [95 %]")
    for rate in options.rates:
        least = fit_rejection(commands, fit, rate).threshold
        accepted, missed, confused = judged.accepted(least), judged.missed(least), judged.confused(least)
        low, high = wilson(missed + confused, len(readings))
        table.add_row(
            f"{rate:g}",
            f"{least:.2f}",
            str(accepted),
            f"{accepted / (judged.seconds / HOUR):.1f}",
            f"{100 * accepted / max(1, len(judged.others)):.2f}",
            f"{100 * missed / len(readings):.1f}",
            f"{100 * confused / len(readings):.1f}",
            f"{100 * (missed + confused) / len(readings):.1f} [{low:.1f}, {high:.1f}]",
        )
    console = Console(width=140)
    console.print(table)
    console.print(
        f"{len(commands.phrases)} phrases, {len(readings)} readings; other speech: {len(others)} utterances, {seconds / HOUR:.2f} h"
    )
    if options.plot:
        draw_rejection(judged, fit_rejection(commands, fit, 1.0).threshold, options.plot)


def chosen(cuts: list[LazyCut], *, number: int, most_words: int) -> list[Phrase]:
    """The short texts that are read most often."""
    often = Counter(cut.text for cut in cuts)
    short = [text for text, _ in often.most_common() if len(text.split()) <= most_words]
    return [Phrase(text) for text in short[:number]]


def wilson(failed: int, total: int) -> tuple[float, float]:
    """95 % interval of a share, in % (Wilson 1927)."""
    z, share = 1.96, failed / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return 100 * max(0.0, centre - reach), 100 * min(1.0, centre + reach)


if __name__ == "__main__":
    main()
