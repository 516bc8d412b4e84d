"""Draw the picture of the README from the table of test sets of recipes/RESULTS.md.

    python -m benchmarks.plot_results

A bar is a test word error rate. Its line is the 95 % interval. Grey bars are another recogniser's.
"""

import re
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"\| (?P<name>[^|]+) \| (?P<rate>[\d.]+) % \[(?P<low>[\d.]+), (?P<high>[\d.]+)\]")
OURS, OTHERS = "#3b6ea5", "#a9a9a9"
OTHER = "PocketSphinx"


class Bar(NamedTuple):
    """A word error rate and its interval, per cent."""

    name: str
    rate: float
    low: float
    high: float


def read_bars(text: str) -> list[Bar]:
    """Read the rows of the table of test sets."""
    table = text.split("\n| test set |", 1)[1].split("\n\n", 1)[0]
    return [Bar(name, *map(float, figures)) for name, *figures in ROW.findall(table)]


def draw(bars: list[Bar], path: Path) -> None:
    """Draw horizontal bars with their intervals, the first on top."""
    figure, axes = plt.subplots(figsize=(9, 0.3 * len(bars) + 0.8))
    for place, bar in enumerate(bars):
        colour = OTHERS if OTHER in bar.name else OURS
        axes.barh(place, bar.rate, color=colour, height=0.62)
        axes.plot([bar.low, bar.high], [place, place], color="black", linewidth=1.2)
        axes.text(bar.high + 1, place, f"{bar.rate:.2f} %", va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 105)
    axes.set_xlabel("test word error rate, %, with its 95 % interval; lower is better")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=OURS, label="asr"), Patch(color=OTHERS, label="PocketSphinx 5, its own model")]
    axes.legend(handles=handles, frameon=False, loc="upper right")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    draw(read_bars((ROOT / "recipes" / "RESULTS.md").read_text(encoding="utf-8")), ROOT / "docs" / "results.png")
