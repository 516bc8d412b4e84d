"""The one direction in which modules know each other, held by reading their imports."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import asr

ROOT = Path(asr.__file__).parent

LAYERS = {
    "values": {"errors", "units", "words", "config", "files"},
    "edges": {
        "audio",
        "text",
        "interval",
        "score",
        "alternatives",
        "compare",
        "breakdown",
        "transcripts",
        "subtitles",
        "formats",
    },
    "signals": {"features", "augment", "tokenizer", "spelling", "corpora", "lm", "hotwords"},
    "model": {"bptt", "recurrent", "acoustic", "ctc", "align"},
    "use": {
        "recogniser",
        "data",
        "decode",
        "confidence",
        "timing",
        "rnn_lm",
        "fusion",
        "checkpoint",
        "logbook",
        "workers",
        "settings",
        "objective",
        "forecast",
        "trainer",
        "diagnostics",
    },
    "programs": {
        "prepare",
        "run",
        "train",
        "pretrain",
        "train_lm",
        "evaluate",
        "assess",
        "transcribe",
        "aligner",
        "calibrate",
        "tune",
        "gradients",
    },
    "surface": {"report", "page", "cli"},
}
"""From the bottom up; `corpora` stands for all of its folder."""

LEVELS = {module: level for level, modules in enumerate(LAYERS.values()) for module in modules}


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


def layer(name):
    return LEVELS[name.split(".")[0]]


def test_every_module_has_its_layer():
    assert {name.split(".")[0] for name in GRAPH} == set(LEVELS)


@pytest.mark.parametrize("name", GRAPH)
def test_a_module_imports_only_from_its_own_layer_and_those_below(name):
    assert [other for other in GRAPH[name] if layer(other) > layer(name)] == []


def test_no_two_modules_import_each_other_not_even_in_a_round():
    TopologicalSorter(GRAPH).prepare()  # raises CycleError and names the modules of the cycle


@pytest.mark.parametrize("name", sorted(LAYERS["model"]))
def test_the_model_knows_only_values_and_itself(name):
    assert {other.split(".")[0] for other in GRAPH[name]} <= LAYERS["values"] | LAYERS["model"]


@pytest.mark.parametrize("name", ["acoustic", "recurrent"])
def test_the_acoustic_model_knows_no_loss(name):
    assert "ctc" not in GRAPH[name]


def test_imports_are_found_wherever_they_stand(tmp_path):
    """Else the tests above could not fail."""
    module = tmp_path / "module.py"
    module.write_text("import asr.train\nfrom asr import data, corpora\ndef f():\n    from asr.score import wer\n")
    assert imports(module) == {"train", "data", "corpora", "score"}
    assert GRAPH["train"] and GRAPH["corpora.an4"]
