"""Packages: their versions, whether these are new enough, whether they can be imported."""

import importlib
import importlib.metadata as metadata
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asr import __version__
from asr.checkup.finding import Fact, Finding, Problem
from asr.checkup.sandbox import Sandbox, SandboxError
from asr.units import Seconds

if TYPE_CHECKING:
    from packaging.requirements import Requirement

RUNTIME = frozenset(["av", "filelock", "numpy", "rich", "safetensors", "sentencepiece", "soundfile", "soxr", "tyro"])
"""What transcribing needs, with onnxruntime or torch: the packages of requirements-runtime.txt."""
EXTRAS = {
    "lm": "n-gram models in decoding",
    "onnx": "models that run without PyTorch",
    "live": "a microphone",
    "serve": "asr serve",
    "score": "English normalisation of transcripts",
    "ray": "asr transcribe --cluster ray",
}
"""What each optional part is for."""
MODULES = {"flashlight-text": "flashlight.lib.text.decoder"}
"""What is imported of a package, where that is not its name."""
PATIENCE: Seconds = 120.0
"""A first import reads a gigabyte from a disk that may be slow."""


@dataclass(frozen=True)
class Package:
    """A package that this one asks for."""

    name: str
    requirement: "Requirement"
    extra: str
    """The optional part that it belongs to; "" for none."""
    version: str | None
    """None where it is not installed."""

    @property
    def fits(self) -> bool:
        """Whether the version is one that this package works with."""
        return self.version is None or self.requirement.specifier.contains(self.version, prereleases=True)


def packages() -> list[Package]:
    """The packages that this one asks for, on this Python and system.

    Raises:
        LookupError: if pip knows nothing of this package, or `packaging` is not installed.
    """
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(line) for line in metadata.requires("asr") or ()]
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise LookupError(str(error)) from None
    found = []
    for requirement in wanted:
        for extra in ("", *EXTRAS):
            marker = requirement.marker
            if (marker is None or marker.evaluate({"extra": extra})) and requirement.name != "asr":
                found.append(Package(requirement.name, requirement, extra, version_of(requirement.name)))
                break
    return found


def version_of(name: str) -> str | None:
    """The version of a package that is installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def import_package(name: str) -> None:
    """Import a package, as `Sandbox` does it."""
    importlib.import_module(MODULES.get(name, name.replace("-", "_")))


def python() -> Finding:
    """Python, this package, the system."""
    facts: dict[str, Fact] = {
        "asr": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "bits": 64 if sys.maxsize > 2**32 else 32,
    }
    problems = [Problem("this Python has 32 bits", "install one of 64 bits")] if facts["bits"] == 32 else []
    return Finding("python", facts, tuple(problems))


def installed(sandbox: Sandbox) -> Iterator[Finding]:
    """The packages that are needed, and those of the optional parts."""
    try:
        wanted = packages()
    except LookupError:
        problem = Problem(
            "versions are not compared: pip does not know this package here", "install it: pip install asr", False
        )
        yield Finding("packages", _versions(sorted(RUNTIME | {"torch", "onnxruntime"})), (problem,))
        return
    needed = [package for package in wanted if not package.extra]
    without_torch = version_of("torch") is None
    if without_torch:
        needed += [package for package in wanted if package.name == "onnxruntime"]
    yield _packages("packages", needed, sandbox, without_torch=without_torch)
    for extra, purpose in EXTRAS.items():
        yield _optional(extra, purpose, [package for package in wanted if package.extra == extra], sandbox)


def _packages(name: str, needed: list[Package], sandbox: Sandbox, *, without_torch: bool) -> Finding:
    problems = [problem for package in needed for problem in _problems(package, sandbox, "")]
    missing = [package.name for package in needed if package.version is None]
    if without_torch:
        only = "PyTorch is not installed: models that asr export has written transcribe, nothing can be trained"
        problems.append(Problem(only, "to train: pip install asr", False))
        missing = [name for name in missing if name in RUNTIME or name == "onnxruntime"]
    problems += [Problem(f"{name} is not installed", f"pip install {name}") for name in missing]
    return Finding(name, _versions([package.name for package in needed]), tuple(problems))


def _optional(extra: str, purpose: str, parts: list[Package], sandbox: Sandbox) -> Finding:
    """An optional part, which may be missing."""
    problems = [problem for package in parts for problem in _problems(package, sandbox, extra)]
    missing = [package.name for package in parts if package.version is None]
    if not parts:
        remedy = f"if it should be here: pip install --upgrade 'asr[{extra}]'"
        problems.append(Problem(f"pip knows no packages for {purpose} here", remedy, False))
    if missing:
        problems.append(
            Problem(f"{', '.join(missing)} not installed, for {purpose}", f"pip install 'asr[{extra}]'", False)
        )
    return Finding(f"extra {extra}", _versions([package.name for package in parts]), tuple(problems))


def _versions(names: list[str]) -> dict[str, Fact]:
    return {name: version for name in names if (version := version_of(name)) is not None}


def _problems(package: Package, sandbox: Sandbox, extra: str) -> Iterator[Problem]:
    """What is wrong with a package that is installed."""
    if package.version is None:
        return
    name, again = package.name, f"pip install --upgrade '{package.name}{package.requirement.specifier}'"
    if not package.fits:
        yield Problem(f"{name} {package.version} is not {package.requirement.specifier}", again, not extra)
    try:
        sandbox.call(import_package, name, limit=PATIENCE)
    except SandboxError as error:
        remedy = again.replace("--upgrade", "--force-reinstall")
        yield Problem(f"{name} cannot be imported: {error}", remedy, not extra)
