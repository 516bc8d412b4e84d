"""The wheel: everything that a user needs is in it, and it works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import asr

ROOT = Path(__file__).parents[1]
IGNORED = shutil.ignore_patterns("__pycache__")

pytest.importorskip("setuptools", reason="setuptools builds the wheel", minversion="77")
pytest.importorskip("pip", reason="pip installs the wheel")


def run(command, folder):
    """Run a command in `folder` with nothing that leads to the checkout; returns its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as pip would, from a copy: without the network, and the checkout stays clean."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "asr", source / "asr", ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-c", f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"], source)
    (built,) = out.glob("asr-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The `bin` of a fresh environment with the wheel in it.

    A .pth file leads to the dependencies of the running environment. Python follows no .pth file in
    a folder that it was led to by another, so an editable install of the checkout stays out.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    (binaries,) = home.glob("bin") if os.name == "posix" else home.glob("Scripts")
    python = binaries / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    run([sys.executable, "-m", "pip", "--python", str(python), *install], home)
    print_packages = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run([str(python), "-c", print_packages], home).strip())
    dependencies = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies), encoding="utf-8")
    return binaries


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as packed:
        shipped = {name for name in packed.namelist() if name.startswith("asr/")}
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "asr").rglob("*") if path.is_file()}
    assert shipped == {name for name in here if "/__pycache__/" not in name}
    assert {"asr/__init__.py", "asr/py.typed", "asr/cli/__init__.py", "asr/scoring/page.html"} <= shipped


def test_every_folder_of_the_package_can_be_imported(wheel):
    """One without an __init__ would be left out of the wheel."""
    folders = {path.parent for path in (ROOT / "asr").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    with zipfile.ZipFile(wheel) as packed:
        assert {f"{folder.relative_to(ROOT).as_posix()}/__init__.py" for folder in folders} <= set(packed.namelist())


def test_the_wheel_runs_from_another_folder_without_the_checkout(installed, tmp_path):
    home = installed.parent.resolve()
    where = run(
        [str(installed / "python"), "-c", "import asr, asr.cli; print(asr.__file__, asr.cli.__file__)"], tmp_path
    )
    assert all(Path(file).resolve().is_relative_to(home) for file in where.split()), where
    assert "transcribe" in run([str(installed / "asr"), "--help"], tmp_path)
    assert f"asr {asr.__version__}\n" == run([str(installed / "asr"), "--version"], tmp_path)
    assert "--model" in run([str(installed / "asr"), "transcribe", "--help"], tmp_path)


def test_the_installed_command_scores_and_writes_its_page(installed, tmp_path):
    (tmp_path / "reference").write_text("a the cat sat\nb on the mat\n", encoding="utf-8")
    (tmp_path / "hypothesis").write_text("a the cat sat\nb on a mat\n", encoding="utf-8")
    shown = run([str(installed / "asr"), "score", "reference", "hypothesis", "--html", "page.html"], tmp_path)
    assert "16.67" in shown, "one of six words"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<html" in page and "16.67" in page
