"""The wheel: everything that a user needs is in it, and it works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import soundfile
from support.tiny import noise, recogniser

import asr
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, save_tuned
from asr.lm.compact import write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.recogniser.model_folder import compact_model, save_model

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
def source(tmp_path_factory):
    """A copy of the checkout, which stays clean; with a model to bundle even if that has none."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "asr", source / "asr", ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    bundled = source / "asr" / "bundled" / "english"
    if not bundled.exists():
        model = tmp_path_factory.mktemp("model")
        save_model(model, recogniser(), readme="A card.\n")
        write_compact(train_ngram(["cab cab cab"], NgramConfig(2)), model / "lm.ngram")
        save_tuned(model, TunedDecoding(("lm.ngram",), DecodingConfig(beam=10)))
        compact_model(model, bundled)
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """Built as pip would, without the network."""
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


def test_every_file_of_the_package_is_in_the_wheel_and_it_is_small(source, wheel):
    with zipfile.ZipFile(wheel) as packed:
        shipped = {name for name in packed.namelist() if name.startswith("asr/")}
    here = {path.relative_to(source).as_posix() for path in (source / "asr").rglob("*") if path.is_file()}
    assert shipped == {name for name in here if "/__pycache__/" not in name}
    assert wheel.stat().st_size < 15_000_000
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


def test_what_is_installed_transcribes_without_a_model_being_named(installed, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(16_000), 16_000)
    (file, text) = run([str(installed / "asr"), "transcribe", "a.wav", "--min-confidence", "0"], tmp_path).split("\t")
    assert file == "a.wav" and text.endswith("\n")
    script = "import asr; print(asr.load().transcribe('a.wav').text)"
    assert run([str(installed / "python"), "-c", script], tmp_path).endswith("\n")


def test_the_installed_command_scores_and_writes_its_page(installed, tmp_path):
    (tmp_path / "reference").write_text("a the cat sat\nb on the mat\n", encoding="utf-8")
    (tmp_path / "hypothesis").write_text("a the cat sat\nb on a mat\n", encoding="utf-8")
    shown = run([str(installed / "asr"), "score", "reference", "hypothesis", "--html", "page.html"], tmp_path)
    assert "16.67" in shown, "one of six words"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<html" in page and "16.67" in page
