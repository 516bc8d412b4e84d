"""`asr doctor`."""

import json
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.checkup.finding import Finding
from asr.checkup.machine import (
    disk,
    encoding,
    memory,
    microphones,
    processor,
    shared_memory,
    torch_devices,
)
from asr.checkup.models import model_files
from asr.checkup.packages import installed, python
from asr.checkup.sandbox import Sandbox
from asr.checkup.trial import trial
from asr.errors import AsrError

WIDTH = 100


@dataclass(frozen=True)
class Doctor:
    """Say what is wrong with this installation and machine, and what to do about it.

    The exit code is 1 if something is broken that training or transcribing needs. A self-test of up
    to a minute trains, stops, resumes, exports and transcribes with each engine.
    """

    model: Path | None = None
    """A model folder to be checked, too: its checksums, and whether each engine reads with it."""
    runs: Path = Path()
    """Folder where runs will be written: is there room?"""
    self_test: bool = True
    """Whether to run the self-test, of up to a minute."""
    json: bool = False
    """Print JSON for a bug report: it holds no path, and no name of a user, host or device."""

    def run(self) -> None:
        findings = []
        with Sandbox() as sandbox:
            for finding in self._findings(sandbox):
                findings.append(finding)
                if not self.json:
                    show(finding)
        broken = [finding.name for finding in findings if finding.is_broken]
        if self.json:
            print(json.dumps({"broken": broken, "checks": [finding.to_json() for finding in findings]}, indent=2))
            sys.exit(1 if broken else 0)
        if broken:
            raise AsrError(f"broken: {', '.join(broken)}; what to do stands beside each")
        print("nothing that matters is broken")

    def _findings(self, sandbox: Sandbox) -> Iterator[Finding]:
        """All checks, the cheap ones first."""
        yield from (python(), encoding(), processor(), memory())
        yield from filter(None, (shared_memory(),))
        yield disk("disk for runs", self.runs, "name another folder with --out")
        yield disk("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder with room")
        yield from model_files(self.model)
        yield from installed(sandbox)
        yield from filter(None, (torch_devices(sandbox), microphones(sandbox)))
        if self.self_test:
            with tempfile.TemporaryDirectory(prefix="asr-doctor-", ignore_cleanup_errors=True) as folder:
                yield from trial(Path(folder), sandbox, self.model)


def show(finding: Finding) -> None:
    """Print what a check found: its facts, and a line for each problem."""
    lines = textwrap.wrap(finding.line, WIDTH - 24, break_long_words=False) or [""]
    mark = "BROKEN" if finding.is_broken else "note" if finding.problems else "ok"
    print(
        f"{mark:7}{finding.name}: {lines[0]}".rstrip(), *(f"{'':9}{line}" for line in lines[1:]), sep="\n", flush=True
    )
    for problem in finding.problems:
        print(f"{'':7}! {problem.what}. What to do: {problem.remedy}", flush=True)
