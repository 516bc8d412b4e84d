"""What a list of rare words as hot words helps and costs.

    python -m benchmarks.hotwords test.jsonl.gz --model DIR [--lm FILE] [--known train.txt]

The list is the rarest words of five letters or more in the transcripts, as names are; those that
stand in `--known`, a text, are left out. For each bonus it tells how many of their occurrences are
right, how often they are put where they were not said, and the word error rate on utterances
without any of them.
"""

import argparse
from collections import Counter
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asr.cli.output import TerminalProgress
from asr.data.cuts import load_cuts
from asr.scoring.score import Score
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber


def main() -> None:
    """Choose words, decode with each bonus, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lm", type=Path, nargs="*")
    parser.add_argument("--known", type=Path)
    parser.add_argument("--words", type=int, default=50)
    parser.add_argument("--beam", type=int, default=50)
    parser.add_argument("--bonuses", type=float, nargs="+", default=[0.0, 3.0, 6.0, 9.0, 12.0])
    options = parser.parse_args()
    cuts = load_cuts(options.manifest)
    known = set(options.known.read_text(encoding="utf-8").split()) if options.known else set()
    names = rarest([cut.text for cut in cuts], known, options.words)
    table = Table("bonus", "right", "of", "put wrongly", "WER % with some", "WER % elsewhere")
    for bonus in options.bonuses:
        transcriber = Transcriber.load(
            options.model, lm=options.lm or False, beam=options.beam, hotwords=dict.fromkeys(names, bonus)
        )
        score = evaluate(transcriber, cuts, progress=TerminalProgress()).score
        right, said, wrong, errors = counted(score, names)
        shares = (f"{100 * errors[some][0] / max(1, errors[some][1]):.2f}" for some in (True, False))
        table.add_row(f"{bonus:g}", f"{right} ({100 * right / max(1, said):.0f} %)", str(said), str(wrong), *shares)
    console = Console(width=140)
    console.print(table)
    console.print(f"{len(names)} words, such as {', '.join(sorted(names)[:5])}; {len(cuts)} utterances")


def rarest(texts: list[str], known: set[str], number: int) -> set[str]:
    """The words that the fewest texts have, by chance where equal."""
    often = Counter(word for text in texts for word in set(text.split()) if len(word) >= 5 and word not in known)
    order = sorted(often, key=lambda word: (often[word], sha256(word.encode()).digest()))
    return set(order[:number])


def counted(score: Score, names: set[str]) -> tuple[int, int, int, dict[bool, list[int]]]:
    """Names that are right, said, put wrongly; errors and words of utterances with and without."""
    right = said = wrong = 0
    errors = {True: [0, 0], False: [0, 0]}
    for utterance in score.utterances:
        has_some = False
        for edit in utterance.alignment:
            has_some |= edit.reference in names
            said += edit.reference in names
            right += edit.kind == "equal" and edit.reference in names
            wrong += edit.kind != "equal" and edit.hypothesis in names
        errors[has_some][0] += utterance.words.errors
        errors[has_some][1] += utterance.words.reference_length
    return right, said, wrong, errors


if __name__ == "__main__":
    main()
