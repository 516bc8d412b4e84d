"""Figures on the pages are those of the results: none is left behind when one is measured anew.

Looked at are error rates with an interval, and the columns of tables whose title names an error
rate. A section that names the benchmark or the command that measured its figures is their source.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import PAGES, ROOT

RESULTS = [ROOT / "recipes" / "RESULTS.md", ROOT / "recipes" / "TRIALS.md", ROOT / "benchmarks" / "RESULTS.md"]
CLAIMING = [page for page in PAGES if page not in RESULTS and page.name != "CHANGELOG.md"]
RATE = re.compile(r"(\d+\.\d+)(?: %)? \[(\d+\.\d), (\d+\.\d)\]")
NUMBER = re.compile(r"\d+\.\d+")
MEASURED_HERE = re.compile(r"python -m benchmarks\.|^    asr (?:gradients|calibrate) ", re.MULTILINE)
ERROR_RATE = re.compile(r"\b(?:WER|CER)\b")


def sections(text: str) -> list[str]:
    """A page's parts of the second level."""
    return re.split(r"^(?=## )", text, flags=re.MULTILINE)


def tables(text: str) -> Iterator[list[list[str]]]:
    """The rows of tables, their title first, as cells."""
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        title, _line, *rows = [
            [cell.strip() for cell in row.strip().strip("|").split("|")] for row in table.splitlines()
        ]
        yield [title, *rows]


def claims(text: str) -> Iterator[str]:
    """Error rates in tables, where the section does not say what measured them."""
    for section in sections(text):
        if not MEASURED_HERE.search(section):
            for title, *rows in tables(section):
                for place, name in enumerate(title):
                    if ERROR_RATE.search(name):
                        yield from (number for row in rows if place < len(row) for number in NUMBER.findall(row[place]))


def agrees(claim: str, measured: set[str]) -> bool:
    """Whether a figure is a measured one, perhaps rounded."""
    decimals = len(claim.partition(".")[2])
    return any(f"{float(figure):.{decimals}f}" == claim or figure == claim for figure in measured)


@pytest.fixture(scope="module")
def measured() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in RESULTS)


@pytest.mark.parametrize("page", CLAIMING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_error_rates_are_those_of_the_results(page: Path, measured: str):
    text, rates = page.read_text(encoding="utf-8"), set(RATE.findall(measured))
    for section in sections(text):
        if not MEASURED_HERE.search(section):
            assert [rate for rate in RATE.findall(section) if rate not in rates] == []
    known = set(NUMBER.findall(measured))
    assert [claim for claim in claims(text) if not agrees(claim, known)] == []


def test_the_first_table_agrees_with_the_sections(measured: str):
    """The same rate stands below, where its command is."""
    first, rest = measured.split("\n## ", 1)
    rates = RATE.findall(first)
    assert len(rates) > 10 and [rate for rate, *_interval in rates if rate not in NUMBER.findall(rest)] == []


def test_a_figure_that_was_measured_anew_is_found():
    """Else the tests above could not fail."""
    known = set(NUMBER.findall("| a | 23.67 % [20.1, 27.7] |"))
    assert agrees("23.7", known) and agrees("23.67", known) and not agrees("23.6", known) and not agrees("23.66", known)
    page = "## One\n\n| BPTT | WER |\n|---|---|\n| full | 23.7 % |\n| half | 9.99 % |\n\n## Two\n\n    python -m benchmarks.x\n"
    assert list(claims(page)) == ["23.7", "9.99"]
    assert list(claims(page.replace("## Two\n\n", ""))) == []
    assert RATE.findall("3.62 % [2.4, 5.2] and 3.62 [2.4, 5.2]") == [("3.62", "2.4", "5.2")] * 2
