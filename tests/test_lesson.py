"""The notebook of the lesson runs, and what it says of itself holds: its cells assert it."""

import json
import re
from pathlib import Path

import matplotlib
import pytest

LESSON = Path(__file__).parents[1] / "docs" / "lesson.ipynb"
CELLS = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]


def test_every_cell_runs(monkeypatch):
    matplotlib.use("Agg")
    shown = []
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: shown.append(1))
    known: dict[str, object] = {"__name__": "lesson"}
    for number, cell in enumerate(CELLS):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), known)
    assert len(shown) == 4


def test_its_outputs_are_kept_for_those_who_only_read():
    pictures = [output for cell in CELLS for output in cell.get("outputs", ()) if "data" in output]
    assert len(pictures) == 4
    assert not any(str(Path.home()) in json.dumps(cell.get("outputs", ())) for cell in CELLS)


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell["cell_type"] == "markdown"], ids=lambda cell: cell["id"]
)
def test_its_links_lead_somewhere(cell):
    targets = re.findall(r"\]\(([^)#]+)", "".join(cell["source"]))
    assert [target for target in targets if not (LESSON.parent / target).exists()] == []
