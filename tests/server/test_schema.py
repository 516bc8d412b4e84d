"""Schemathesis over the schema: requests of every kind, right and wrong, drawn with a seed."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.talkative import talkative, wav

pytest.importorskip("fastapi")

from support.serving import serving

from asr.server.app import create_app
from asr.server.service import Service
from asr.server.settings import ServeConfig

HOOKS = """
import os, pathlib, schemathesis, zlib
@schemathesis.hook
def map_body(context, body):
    drawn = zlib.crc32(repr(body).encode())
    if isinstance(body, dict) and isinstance(body.get("file"), bytes) and drawn % 4:
        body["file"] = pathlib.Path(os.environ["RECORDING"]).read_bytes()
        for phrases in ("keywords[]", "commands[]") if drawn % 3 else ():
            body.pop(phrases, None)
    return body
"""
"""Most files are a recording, and few requests have phrases: chance finds none that can be used."""
UNTOLD = "positive_data_acceptance"
"""That a file is a recording is nothing that a schema can say."""


def searched(folder, *options):
    """Look for answers that the schema does not promise."""
    app = create_app(Service({"tiny": talkative()}, ServeConfig(max_duration=5.0)), tokens=["secret"])
    with serving(app) as url:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--exclude-checks", UNTOLD]
        (folder / "hooks.py").write_text(HOOKS)
        (folder / "a.wav").write_bytes(wav(1.0))
        known = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(folder), "RECORDING": str(folder / "a.wav")}
        command += ["--header", "Authorization: Bearer secret", "--no-color", "--seed", "1", *options]
        return subprocess.run(command, cwd=folder, env=os.environ | known, text=True, capture_output=True, timeout=3600)


needs_it = pytest.mark.skipif(find_spec("schemathesis") is None, reason="pip install schemathesis: it is not here")


@needs_it
def test_all_answers_are_those_of_the_schema(tmp_path):
    done = searched(tmp_path, "--max-examples", "5", "--phases", "coverage,fuzzing")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_it
@pytest.mark.soak
def test_long_searches_find_nothing_either(tmp_path):
    done = searched(tmp_path, "--max-examples", "2000")
    assert done.returncode == 0, done.stdout + done.stderr
