"""Draw the picture of the README from the table of test sets of recipes/RESULTS.md.

    python -m benchmarks.plot_results

A bar is a test word error rate. Its line is the 95 % interval. Grey bars are another recogniser's.
Recipes that train for minutes alone are left out. Names stand above their bars, so that the picture
can be read on a phone.
"""

import re
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"\| (?P<name>[^|]+) \| (?P<rate>[\d.]+) % \[(?P<low>[\d.]+), (?P<high>[\d.]+)\]")
OURS, OTHERS = "#3b6ea5", "#a9a9a9"
OTHER = "PocketSphinx"
LEFT_OUT = "fast recipe"


class Bar(NamedTuple):
    """A word error rate and its interval, per cent."""

    name: str
    rate: float
    low: float
    high: float


def read_bars(text: str) -> list[Bar]:
    """Read the rows of the table of test sets."""
    table = text.split("\n| test set |", 1)[1].split("\n\n", 1)[0]
    return [Bar(name, *map(float, figures)) for name, *figures in ROW.findall(table) if LEFT_OUT not in name]


def draw(bars: list[Bar], path: Path) -> None:
    """Draw horizontal bars with their intervals, the first on top."""
    figure, axes = plt.subplots(figsize=(5.2, 0.4 * len(bars) + 0.6))
    for place, bar in enumerate(bars):
        axes.barh(place, bar.rate, color=OTHERS if OTHER in bar.name else OURS, height=0.36)
        axes.plot([bar.low, bar.high], [place, place], color="black", linewidth=1.2)
        axes.text(bar.high + 1, place, f"{bar.rate:.2f} %", va="center")
        axes.text(0.8, place - 0.24, bar.name, va="bottom")
    axes.set_yticks([])
    axes.set_ylim(len(bars) - 0.6, -0.8)
    axes.set_xlim(0, 100)
    axes.set_xlabel("test word error rate, %, and its 95 % interval; lower is better")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    draw(read_bars((ROOT / "recipes" / "RESULTS.md").read_text(encoding="utf-8")), ROOT / "docs" / "results.png")
