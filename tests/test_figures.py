"""Figures on the pages are those of the results: none is left behind when one is measured anew.

Looked at are error rates with an interval, the columns of tables whose title names an error rate,
and in prose whatever is per cent with a decimal. A section that names the benchmark or the command
that measured its figures is their source. What is reckoned from results is reckoned again.
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
PER_CENT = re.compile(r"(?<![\d.])\d+\.\d+(?= %)")
MEASURED_HERE = re.compile(
    r"python -m benchmarks\.|benchmarks/\w+\.py|`--gain|^    asr (?:gradients|calibrate) ", re.MULTILINE
)
TIMES = re.compile(r"((?:[\d:]+(?: \+ )?)+), on (\d+)")
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
    """Error rates, where the section does not say what measured them."""
    for section in sections(text):
        if not MEASURED_HERE.search(section):
            yield from PER_CENT.findall(section)
            for title, *rows in tables(section):
                for place, name in enumerate(title):
                    if ERROR_RATE.search(name):
                        yield from (rate for row in rows if place < len(row) for rate in NUMBER.findall(row[place]))


def agrees(claim: str, measured: set[str]) -> bool:
    """Whether a figure is a measured one, perhaps rounded."""
    decimals = len(claim.partition(".")[2])
    return any(f"{float(figure):.{decimals}f}" == claim or figure == claim for figure in measured)


def core_hours(cell: str) -> float:
    """Times of trainings and the cores of each, as `6:16 + 4:03, on 2; 1:02:09, on 1`."""
    return sum(int(cores) * sum(map(seconds, times.split(" + "))) for times, cores in TIMES.findall(cell)) / 3600


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def seconds(time: str) -> int:
    """Of `minutes:seconds`, or with hours before."""
    return sum(int(part) * 60**place for place, part in enumerate(reversed(time.split(":"))))


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


def test_core_hours_are_times_of_the_results(measured: str):
    rows = next(table for table in tables((ROOT / "docs/models.md").read_text("utf-8")) if table[0][-1] == "core-hours")
    assert len(rows) > 5
    for _model, training, hours in rows[1:]:
        assert agrees(hours, {str(core_hours(training))}), (training, core_hours(training))
        assert [time for time in re.findall(r"[\d:]+:\d\d", training) if time not in measured] == []


def test_speeds_are_those_that_were_measured():
    """Times real time, and what is reckoned from them."""
    known = {
        row[title.index(name)]
        for title, *rows in tables((ROOT / "docs/speed.md").read_text("utf-8"))
        for name in title
        if "x real time" in name
        for row in rows
    }
    models = next(table for table in tables((ROOT / "docs/models.md").read_text("utf-8")) if "x real time" in table[0])
    title, *petabyte = next(tables((ROOT / "docs/scaling.md").read_text("utf-8")))
    speeds = re.findall(r"\((\d+) x\)", " ".join(title))
    claimed = speeds + [row[1] for row in models[1:] if row[1].isdigit()]
    assert len(claimed) > 3 and [claim for claim in claimed if claim not in known] == []
    for _recordings, rate, _hours, *reckoned in petabyte:
        hours = 1e15 / number(rate) / 3600
        assert [number(cell) for cell in reckoned] == pytest.approx([hours / int(speed) for speed in speeds], rel=0.02)


def test_the_size_of_the_english_model_is_that_of_its_files():
    size = (ROOT / "asr/bundled/english/model.safetensors").stat().st_size / 1e6
    with_lm = (ROOT / "asr/bundled/english/lm.ngram").stat().st_size / 1e6
    text = (ROOT / "docs/models.md").read_text("utf-8")
    assert f"| {size:.1f} |\n" in text and f"adds {with_lm:.1f} MB" in text


def test_the_first_table_agrees_with_the_sections(measured: str):
    """The same rate stands below, where its command is."""
    first, rest = measured.split("\n## ", 1)
    rates = RATE.findall(first)
    assert len(rates) > 10 and [rate for rate, *_interval in rates if rate not in NUMBER.findall(rest)] == []


def test_a_figure_that_was_measured_anew_is_found():
    """Else the tests above could not fail."""
    known = set(NUMBER.findall("| a | 23.67 % [20.1, 27.7] |"))
    assert agrees("23.7", known) and agrees("23.67", known) and not agrees("23.6", known) and not agrees("23.66", known)
    page = "## One\n\nIt has 5.1 %.\n\n| BPTT | WER, % |\n|---|---|\n| full | 23.7 |\n\n## Two\n\n    python -m benchmarks.x\n"
    assert list(claims(page)) == ["5.1", "23.7"]
    assert list(claims(page.replace("## Two\n\n", ""))) == []
    assert core_hours("0:36 + 1:00:24, on 2; 0:10, on 1") == pytest.approx(2 * 61 / 60 + 10 / 3600)
    assert RATE.findall("3.62 % [2.4, 5.2] and 3.62 [2.4, 5.2]") == [("3.62", "2.4", "5.2")] * 2
