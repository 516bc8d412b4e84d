"""The blocks of Markdown pages, and the marks that say what becomes of them.

A block of commands or of Python is run by a test, on a tiny corpus and model. A comment before it
may say otherwise:

    <!-- long -->            `make soak` runs it, as it does benchmarks
    <!-- shown: reason -->   nobody runs it, for a reason

`<!-- all shown: reason -->` marks all blocks of its page that have no mark of their own. A block
whose first line is `# name.txt` is that file, for the blocks after it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".", "docs", "data", "recipes", "benchmarks")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
PROGRAM = re.compile(r"(?:\S*/)?(?:asr|python3?|make|pip|git|torchrun|curl|docker|ffmpeg|arecord|grep) ")
"""How a line of commands begins."""
FILE = re.compile(r"# ([\w-]+\.(?:txt|toml|json|tsv|csv|yml))")
"""The first line of a block that is a file."""
MARK = re.compile(r"<!-- (?P<all>all )?(?P<kind>long|shown)(?:: (?P<reason>.+?))? -->")
INDENT = "    "


@dataclass(frozen=True)
class Block:
    """A block of commands, of Python or of a file: what becomes of it (run, long, shown)."""

    page: Path
    line: int
    text: str
    is_python: bool
    file: str | None
    kind: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Its commands, a line each: continued lines joined, without comments and empty lines."""
        if self.is_python or self.file:
            return []
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [command for line in lines if (command := re.sub(r"(^|\s)#\s.*", "", line).strip())]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of commands, of Python and of files with a name; others are left out."""
    text = page.read_text(encoding="utf-8")
    for_all = next((mark for mark in MARK.finditer(text) if mark["all"]), None)
    for line, language, inside, before in _code(text.split("\n")):
        is_python = language == "python"
        file = FILE.fullmatch(inside[0])
        if is_python or file or any(PROGRAM.match(row) for row in inside):
            mark = MARK.fullmatch(before) or for_all
            usual = "long" if any(row.startswith("python -m benchmarks.") for row in inside) else "run"
            kind, reason = (mark["kind"], mark["reason"]) if mark else (usual, None)
            yield Block(page, line, "\n".join(inside).rstrip("\n"), is_python, file and file[1], kind, reason)


def _code(lines: list[str]) -> Iterator[tuple[int, str, list[str], str]]:
    """Fenced and indented blocks: first line, language, content, the last text before it."""
    before, number = "", 0
    while number < len(lines):
        line, start = lines[number], number + 1
        if line.startswith("```"):
            end = lines.index("```", start)
            yield start + 1, line[3:], lines[start:end], before
            before, number = "", end
        elif line.startswith(INDENT) and not lines[number - 1]:
            end = next(
                (n for n in range(number, len(lines)) if lines[n] and not lines[n].startswith(INDENT)), len(lines)
            )
            inside = [row.removeprefix(INDENT) for row in lines[number:end]]
            yield start, "", inside, before
            before, number = "", end - 1
        elif line:
            before = line
        number += 1
