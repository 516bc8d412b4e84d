"""How little it takes to transcribe: imported modules, and an environment without PyTorch."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.tiny import RATE, gusts, recogniser, sine

import asr
from asr.recogniser.model_folder import save_model
from asr.recogniser.onnx_export import export

ROOT = Path(asr.__file__).parent.parent
REQUIREMENTS = ROOT / "requirements-runtime.txt"
NEVER = {"torch", "torchaudio", "lhotse", "onnx", "scipy", "matplotlib", "jiwer", "tensorboard", "sklearn", "pandas"}
"""What no way to a text without PyTorch may import."""
LARGEST = 300e6

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def loaded(code, *arguments):
    """First names of the modules that are there after a program."""
    listing = "import json, sys\nsys.stderr.write('\\n' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    program = f"import atexit\n@atexit.register\ndef tell():\n    {listing.replace(chr(10), chr(10) + '    ')}\n{code}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    made = recogniser(layers=2, seed=2)
    with torch.no_grad():
        made.acoustic.output.bias[0] -= 2  # else it says next to nothing
    save_model(folder, made, readme="")
    export(made, folder)
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "a.wav"
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 15)
    sound = np.concatenate([sine(pitch, 0.2) for pitch in pitches]) + gusts(3 * RATE, level=0.3)
    soundfile.write(path, sound, RATE)
    return path


TRANSCRIBE = "import sys\nsys.argv[0] = 'asr'\nfrom asr.cli import main\nmain()"


def test_help_imports_nothing_that_is_not_pythons():
    shown, modules = loaded(TRANSCRIBE, "--help")
    assert "usage: asr COMMAND" in shown
    assert modules & (NEVER | {"numpy", "tyro", "rich"}) == set()


def test_transcribing_through_onnx_imports_no_pytorch(model, recording):
    shown, modules = loaded(TRANSCRIBE, "transcribe", recording, "--model", model, "--min-confidence", 0)
    assert shown.split("\t")[1].strip()
    assert modules & NEVER == set()


def test_a_beam_search_and_live_reading_import_no_pytorch(model, recording):
    code = """
import sys, asr, numpy, soundfile
samples, rate = soundfile.read(sys.argv[1], dtype="float32")
found = asr.load(sys.argv[2], beam=4, engine="onnx")
print(found.transcribe(sys.argv[1]).text, [h.text for h in found.hypotheses(sys.argv[1])])
stream = asr.load(sys.argv[2]).stream(sample_rate=rate)
print(stream.accept(samples), stream.finish())
"""
    assert loaded(code, recording, model)[1] & NEVER == set()


def test_a_server_imports_no_pytorch(model, recording):
    pytest.importorskip("fastapi")
    code = """
import sys, asr, asr.cli.serve
from fastapi.testclient import TestClient
from asr.server.app import create_app
from asr.server.service import Service
with TestClient(create_app(Service({"mine": asr.load(sys.argv[1])}))) as client:
    with open(sys.argv[2], "rb") as file:
        answer = client.post("/v1/audio/transcriptions", files={"file": file})
print(answer.json()["text"])
"""
    shown, modules = loaded(code, model, recording)
    assert shown.strip() and modules & NEVER == set()


def test_a_server_without_pytorch_needs_what_the_extra_says():
    lines = (ROOT / "requirements-serve.txt").read_text(encoding="utf-8").splitlines()
    listed = {str(Requirement(line)) for line in lines if not line.startswith(("#", "-r"))}
    extra = re.search(r"^serve = (\[.*?\])", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert {str(Requirement(line)) for line in json.loads(extra[1])} <= listed


def test_a_check_of_the_installation_imports_nothing_that_may_be_broken():
    code = "import asr.cli.doctor, asr.checkup.sandbox; asr.cli.doctor.Doctor(self_test=False)"
    assert loaded(code)[1] & NEVER == set()


def closure():
    """Names of the runtime's packages and of all that these need."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    waiting = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            needed = distribution(wanted.name).requires or []
        except PackageNotFoundError:
            pytest.skip(f"{wanted.name} is not installed")
        found.add(name)
        waiting += map(Requirement, needed)
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Python of a new environment that holds the runtime's packages and asr, and nothing else."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False)
    python = next(home.glob("bin/python" if os.name == "posix" else "Scripts/python.exe"))
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    for name in closure():
        package = distribution(name)
        for file in package.files or ():
            source = Path(package.locate_file(file))
            if ".." in file.parts or file.suffix == ".pyc" or not source.is_file():
                continue
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    shutil.copytree(ROOT / "asr", packages / "asr", ignore=shutil.ignore_patterns("__pycache__"))
    return python, packages


def test_an_environment_without_pytorch_is_small_and_finds_the_same_text(fresh, model, recording):
    python, packages = fresh
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert size < LARGEST
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments):
        command = (
            [str(python), "-P", "-m", "asr", *map(str, arguments)]
            if sys.version_info >= (3, 11)
            else [str(python), "-m", "asr", *map(str, arguments)]
        )
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=packages.parent)

    done = run("transcribe", recording, "--model", model, "--min-confidence", 0)
    assert done.returncode == 0, done.stderr
    expected = replace(asr.load(model, engine="torch"), min_confidence=0.0).transcribe(recording).text
    assert done.stdout.split("\t")[1].strip() == expected and len(expected) > 5
    checked = run("doctor", "--model", model, "--json")
    found = {check["name"]: check for check in json.loads(checked.stdout)["checks"]}
    assert checked.returncode == 0 and found["trial: model"]["facts"]["engines"] == ["onnx"], checked.stdout
    refused = run("evaluate", recording, "--model", model)
    assert refused.returncode == 1 and refused.stderr.startswith("asr: ") and refused.stderr.count("\n") == 1
    assert "asr evaluate needs msgspec, which this installation leaves out: pip install asr" in refused.stderr
