"""Whatever bytes come from outside: no traceback, no hang, bounded memory, errors of one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
if not Path("/proc/self/statm").exists():
    pytest.skip("memory is bounded as Linux does", allow_module_level=True)

TESTS = Path(__file__).parent.parent
SUITE, SOAK = 1_000, 50_000
"""Inputs, of all targets together."""


def campaign(inputs: int) -> dict[str, dict]:
    """What became of each target, in a fresh process: it forks, which threads would not survive."""
    found = subprocess.run(
        [sys.executable, "-m", "fuzz", "--all", str(inputs), "--json"],
        env=os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where decoders complain of each input
        text=True,
    )
    reports = map(json.loads, found.stdout.splitlines())
    return {report["target"]: report for report in reports}


def judged(reports: dict[str, dict], inputs: int) -> None:
    assert sum(report["inputs"] for report in reports.values()) >= inputs
    assert {name: report["faults"] for name, report in reports.items() if report["faults"]} == {}


def test_a_thousand_inputs():
    judged(campaign(SUITE), SUITE)


@pytest.mark.soak
def test_fifty_thousand_inputs():
    judged(campaign(SOAK), SOAK)
