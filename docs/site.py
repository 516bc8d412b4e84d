"""Hooks of MkDocs: pages that lie elsewhere in the repository, the reference, and their links.

A page stays where readers of the repository look for it. Here it gets its place in the site, and
links between files become links between pages. A link that leads to no page is a warning.
"""

import base64
import json
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ELSEWHERE = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "corpora.md": "data/README.md",
    "results.md": "recipes/RESULTS.md",
    "trials.md": "recipes/TRIALS.md",
    "benchmarks.md": "benchmarks/RESULTS.md",
}
NOTEBOOK = "lesson.ipynb"
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?(\))")

log = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in docs/ as Markdown."""
    for uri, path in ELSEWHERE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for uri, content in (*reference(), *notebook(ROOT / "docs" / NOTEBOOK), ("recipes.md", recipes())):
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files into links between pages."""
    here = page.file.src_uri
    source = ELSEWHERE.get(here, f"docs/{here}")

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        uri, anchor = place(path)
        if uri is None:
            log.warning(f"{source}: leads to {path}, which is no page")
            return link[0]
        return f"{link[1]}{posixpath.relpath(uri, posixpath.dirname(here) or '.')}{link[3] or anchor}{link[4]}"

    return LINK.sub(moved, markdown)


def place(path: str) -> tuple[str | None, str]:
    """Where a file of the repository is in the site: a page and an anchor."""
    pages = {path: uri for uri, path in ELSEWHERE.items()} | {f"docs/{NOTEBOOK}": "lesson.md"}
    if path in pages:
        return pages[path], ""
    if path.startswith("docs/"):
        return path.removeprefix("docs/"), ""
    folder, name = posixpath.split(path)
    if folder == "recipes" and name.endswith(".py"):
        return "recipes.md", f"#{name.removesuffix('.py')}"
    if path.startswith("asr/") and name.endswith(".py"):
        return f"reference/{posixpath.basename(folder)}.md", f"#{path.removesuffix('.py').replace('/', '.')}"
    return None, ""


def reference() -> Iterator[tuple[str, str]]:
    """A page for each folder of the package, with its modules."""
    package = ROOT / "asr"
    for folder in (package, *sorted(path.parent for path in package.glob("*/__init__.py"))):
        names = sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "__main__"))
        dotted = ".".join(folder.relative_to(ROOT).parts)
        documented = (folder / "__init__.py").stat().st_size > 0
        rooms = [dotted] * documented + [f"{dotted}.{name}" for name in names]
        yield f"reference/{folder.name}.md", f"# {dotted}\n\n" + "".join(f"::: {room}\n\n" for room in rooms)


def recipes() -> str:
    """All recipes: they are short."""
    sources = sorted((ROOT / "recipes").glob("*.py"))
    texts = [f"## {path.stem}\n\n```python\n{path.read_text(encoding='utf-8')}```\n" for path in sources]
    return (
        "# Recipes\n\nA recipe is a corpus and settings. What they reach is in [results](results.md).\n\n"
        + "\n".join(texts)
    )


def notebook(path: Path) -> Iterator[tuple[str, str | bytes]]:
    """A notebook as a page, and its pictures."""
    parts = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                yield f"lesson-{number}.png", base64.b64decode(data["image/png"])
                parts.append(f"![output of the cell above](lesson-{number}.png)")
            elif text := output.get("text") or data.get("text/plain"):
                parts.append(f"```text\n{''.join(text)}\n```")
    yield "lesson.md", "\n\n".join(parts) + "\n"
