"""The shape of the package, held by reading it: who imports whom, and how long things are."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import asr

ROOT = Path(asr.__file__).parent

GROUND = {"errors", "units", "files", "cache", "config", "child", "workers", "ranks", "progress"}
"""Modules that lie in no folder."""
FOLDERS = (
    "model",
    "text",
    "audio",
    "scoring",
    "corpora",
    "data",
    "lm",
    "recogniser",
    "decoding",
    "transcription",
    "training",
    "server",
    "checkup",
    "cli",
    "__main__",
)
"""In the order in which data flows: each imports only from those before it.

`__main__` is `python -m asr`.
"""

MODULE_LINES = 400
FUNCTION_LINES = 80


def modules():
    """(dotted name below asr, path) of every module of the package."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield name, path


def imports(path):
    """Dotted names below `asr` of what a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            is_module = {
                alias.name: (ROOT.parent / f"{node.module}.{alias.name}".replace(".", "/")) for alias in node.names
            }
            for name, below in is_module.items():
                found.add(
                    f"{node.module}.{name}" if below.with_suffix(".py").is_file() or below.is_dir() else node.module
                )
    return {name.removeprefix("asr.") for name in found if name.startswith("asr.")}


GRAPH = {name: imports(path) for name, path in modules()}


def level(name):
    """0 on the ground; 1 in the first folder, and so on."""
    room = name.split(".")[0]
    return 0 if room in GROUND else 1 + FOLDERS.index(room)


def test_every_module_has_its_place():
    assert {name.split(".")[0] for name in GRAPH} == GROUND | set(FOLDERS)


@pytest.mark.parametrize("name", GRAPH)
def test_a_module_imports_only_from_its_own_folder_and_those_before(name):
    assert [other for other in GRAPH[name] if level(other) > level(name)] == []


def test_no_two_modules_import_each_other_not_even_in_a_round():
    TopologicalSorter(GRAPH).prepare()  # raises CycleError and names the modules of the cycle


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if name.startswith("model.")))
def test_the_model_knows_only_the_ground_and_itself(name):
    assert {other.split(".")[0] for other in GRAPH[name]} <= GROUND | {"model"}


@pytest.mark.parametrize("name", ["model.acoustic", "model.recurrent"])
def test_the_acoustic_model_knows_no_loss(name):
    assert "model.ctc" not in GRAPH[name]


def reached(name):
    """A module and all that it leads to."""
    found, rest = set(), [name]
    while rest:
        if (module := rest.pop()) in GRAPH and module not in found:
            found.add(module)
            rest += GRAPH[module]
    return found


def libraries(path):
    """First names of what a module imports that is not of this package."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names} - {"asr"}


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if name.startswith(("scoring.", "corpora."))))
def test_scoring_and_corpora_need_no_pytorch(name):
    paths = dict(modules())
    assert [other for other in reached(name) if libraries(paths[other]) & {"torch", "torchaudio"}] == []


def prints(path):
    """Lines on which a module calls `print` or opens a console."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func).split(".")[-1] in ("print", "Console")]


@pytest.mark.parametrize(
    "path",
    [path for name, path in modules() if not name.startswith("cli")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_only_the_command_line_prints(path):
    assert prints(path) == []


def test_libraries_and_printing_are_found(tmp_path):
    """Else the tests above could not fail."""
    module = tmp_path / "module.py"
    module.write_text("import torch.nn\ndef f():\n    from torchaudio import a\n    rich.Console().print(1)\n")
    assert libraries(module) == {"torch", "torchaudio"} and prints(module) == [4, 4]
    assert prints(ROOT / "cli" / "output.py") and "asr.cli" not in reached("scoring.page")
    assert {"scoring.page", "audio.reader", "errors"} <= reached("scoring.page")
    assert "torch" in libraries(ROOT / "model" / "ctc.py")


def too_long(path):
    """What is longer than it may be: the module itself, and its functions, by name."""
    text = path.read_text(encoding="utf-8")
    found = []
    if (lines := len(text.splitlines())) > MODULE_LINES:
        found.append(f"{path.name} has {lines} lines")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - min([node.lineno, *(d.lineno for d in node.decorator_list)]) + 1
            if lines > FUNCTION_LINES:
                found.append(f"{path.name}: {node.name} has {lines} lines")
    return found


@pytest.mark.parametrize("path", [path for _, path in modules()], ids=[name for name, _ in modules()])
def test_a_module_and_its_functions_fit_in_a_head(path):
    assert too_long(path) == []


def test_what_is_too_long_is_found(tmp_path):
    """Else the test above could not fail."""
    module = tmp_path / "module.py"
    body = "        pass\n" * (FUNCTION_LINES - 1)
    module.write_text(f"class Some:\n    def fits(self):\n{body}    async def no(self):\n        pass\n{body}")
    assert too_long(module) == [f"module.py: no has {FUNCTION_LINES + 1} lines"]
    module.write_text("\n" * MODULE_LINES)
    assert too_long(module) == []
    module.write_text("\n" * (MODULE_LINES + 1))
    assert too_long(module) == [f"module.py has {MODULE_LINES + 1} lines"]


def test_imports_are_found_wherever_they_stand(tmp_path):
    """Else the tests above could not fail."""
    module = tmp_path / "module.py"
    module.write_text(
        "import asr.training.train\nfrom asr import data, corpora\ndef f():\n    from asr.scoring.score import wer\n"
    )
    assert imports(module) == {"training.train", "data", "corpora", "scoring.score"}
    assert GRAPH["training.train"] and GRAPH["corpora.an4"]
