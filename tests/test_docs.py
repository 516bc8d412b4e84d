"""What the pages say exists, and they can be read: short lines, a short README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md")]
    + [page for folder in ("docs", "recipes", "benchmarks") for page in (ROOT / folder).glob("*.md")]
)
WIDTH = 100
README_WORDS = 700
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\b(?:asr|tests|benchmarks|recipes|docs)/[\w./-]*\w")
DOTTED = re.compile(r"\basr(?:\.[a-z_]\w*)+")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([^)#\s]*\.md|)#([^)\s]+)\)")
COMMENT = re.compile(r"<!--.*-->")
LINK_ALONE = re.compile(r"^[-*\s]*!?\[[^]]*\]\([^)]*\)[.,:]?$")


def prose(text):
    """(line number, line) outside of code blocks, tables and lines that are only a link."""
    for number, line in enumerate(FENCE.sub(lambda block: "\n" * block[0].count("\n"), text).splitlines(), start=1):
        if not line.startswith(("    ", "|")) and not LINK_ALONE.match(line):
            yield number, line


def is_there(dotted):
    """Whether a dotted name leads to a module, or to a name that stands in one."""
    path = ROOT / "asr"
    for place, part in enumerate(dotted.split(".")[1:]):
        if (path / part).is_dir():
            path /= part
        elif (path / f"{part}.py").is_file():
            path /= f"{part}.py"
        else:
            module = (path if path.suffix else path / "__init__.py").read_text(encoding="utf-8")
            names = dotted.split(".")[1 + place :]
            return all(re.search(rf'(?:def|class) {name}\b|^{name}\b|"{name}"', module, re.MULTILINE) for name in names)
    return True


def anchors(page):
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page):
    return page.resolve().relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_a_page_names_are_there(page):
    named = set(FILE.findall(page.read_text(encoding="utf-8")))
    assert [file for file in sorted(named) if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_modules_that_a_page_names_are_there(page):
    named = set(DOTTED.findall(page.read_text(encoding="utf-8")))
    assert [dotted for dotted in sorted(named) if not is_there(dotted)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []
    anchored = [(page.parent / target if target else page, anchor) for target, anchor in ANCHOR.findall(text)]
    assert [(name(page), anchor) for page, anchor in anchored if anchor not in anchors(page)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_of_prose_fit_a_window(page):
    text = page.read_text(encoding="utf-8")
    assert [(number, len(line)) for number, line in prose(text) if len(line) > WIDTH] == []


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.sub("<!--.*?-->", "", text).split()) <= README_WORDS


def test_every_page_and_picture_is_linked_from_somewhere():
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    }
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    linked |= {ROOT / "docs" / file for file in re.findall(r"([\w-]+\.(?:md|py|css))\b", site)}
    assert [file.name for file in sorted((ROOT / "docs").glob("*.*")) if file.resolve() not in linked] == []


def test_every_page_has_its_place_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    listed = set(re.findall(r": ([\w-]+\.md)$", site, re.MULTILINE))
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in listed] == []
    folders = {path.parent.name for path in (ROOT / "asr").rglob("__init__.py")}
    assert folders == set(re.findall(r": reference/(\w+)\.md$", site, re.MULTILINE))


def test_error_messages_lead_to_a_heading():
    """A message that needs more than a line names a page and its anchor."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "asr").rglob("*.py"))
    named = re.findall(r"\((docs/[\w-]+\.md)#([\w-]+)\)", sources)
    assert len(named) > 3 and [(page, anchor) for page, anchor in named if anchor not in anchors(ROOT / page)] == []


def test_the_citation_is_of_this_version():
    version = re.search(r'^__version__ = "(.+)"', (ROOT / "asr/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"\nversion: {version[1]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_room_stands_in_the_picture():
    """A module has a row in the table of its folder."""
    rooms = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Rooms")[1]
    named = set()
    for table in rooms.strip().split("\n\n"):
        folder = re.search(r"asr/\w+/", table)
        cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        named |= {
            f"{folder[0] if folder else 'asr/'}{room}.py" for cell in cells for room in re.findall(r"`(\w+)`", cell)
        }
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "asr").rglob("*.py") if path.stem != "__init__"}
    assert sorted(named ^ there) == []


def test_what_is_not_there_is_found():
    """Else the tests above could not fail."""
    assert is_there("asr.model.bptt") and is_there("asr.model.bptt.Truncated") and is_there("asr.errors.AsrError")
    assert not is_there("asr.ears") and not is_there("asr.model.bptt.Ear") and not is_there("asr.model.bptt.Full.ear")
    assert FILE.findall("see [x](asr/hear.py), `asr/text/`.") == ["asr/hear.py", "asr/text"]
    text = "word " * 30 + "\n```\n" + "code " * 30 + "\n```\n| " + "cell " * 30 + "\n" + "last " * 30
    assert [number for number, line in prose(text) if len(line) > WIDTH] == [1, 6]
