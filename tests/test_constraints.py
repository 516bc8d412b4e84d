"""The lists of versions keep step with pyproject.toml."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
OPEN = {"torch", "torchaudio"}
"""Which build fits is the machine's business."""


def bounds():
    """The requirements of pyproject.toml, of the package and all its extras, by name.

    Read by hand: Python 3.10 has no tomllib.
    """
    lists = re.findall(
        r"^\w[\w-]* = \[(.*?)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [line for text in lists for line in re.findall(r'"([\w\[\],-]+ ?>=[^"]+)"', re.sub(r"#.*", "", text))]
    wanted = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in wanted if one.name != "asr"}


def pins(name):
    lines = (ROOT / "constraints" / f"{name}.txt").read_text("utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(str(one.specifier).startswith("==") for one in pinned)
    return {canonicalize_name(one.name): Version(str(one.specifier).removeprefix("==")) for one in pinned}


def test_requirements_are_found():
    """Else the tests below could not fail."""
    assert {"numpy", "tyro", "torch", "onnxruntime", "mypy", "mkdocs-material", "fastapi", "setuptools"} <= set(
        bounds()
    )


@pytest.mark.parametrize("name", sorted(set(bounds()) - OPEN))
def test_each_requirement_is_listed_at_its_bound_and_at_a_newest_version(name):
    specifier = bounds()[name].specifier
    (least,) = (Version(one.version) for one in specifier if one.operator == ">=")
    assert pins("oldest")[name] == least
    assert specifier.contains(pins("newest")[name]) and pins("newest")[name] >= least


def test_pytorch_is_left_open():
    for name in ("oldest", "newest"):
        assert not [one for one in pins(name) if one in OPEN or one.startswith(("nvidia", "cuda", "triton"))]
