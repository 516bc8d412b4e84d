"""Tables show all that was measured."""

import io
from pathlib import Path

from rich.console import Console

from asr.cli.tables import preparation
from asr.corpora.utterance import Problem
from asr.data.prepare import Prepared, SplitSummary


def shown(table) -> str:
    screen = io.StringIO()
    Console(width=400, file=screen).print(table)
    return screen.getvalue()


def test_a_preparation_shows_splits_notes_and_every_problem():
    splits = (SplitSummary("train", 7, 2, 1.5, 9.25, "e[s]y"), SplitSummary("dev", 3, 0, 0.5, 2.0, "es"))
    problems = tuple(Problem(f"text.tsv:{n}", f"gone[{n}].wav is missing") for n in range(25))
    text = shown(preparation(Prepared(Path("out"), splits, problems, ("test has nothing",), "characters")))
    rows = [line.split() for line in text.replace("│", " ").replace("┃", " ").splitlines()]
    assert ["train", "7", "2", "1.50", "9.2", "e[s]y"] in rows
    assert ["dev", "3", "unknown", "0.50", "2.0", "es"] in rows
    assert "note: test has nothing" in text and "problems: 25" in text
    assert all(str(problem) in text for problem in problems)
