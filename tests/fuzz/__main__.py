"""Run a campaign.

PYTHONPATH=tests python -m fuzz --all 50000            # inputs, of all targets together
PYTHONPATH=tests python -m fuzz --each 500 audio HTTP  # of each target whose name begins so
PYTHONPATH=tests python -m fuzz --each 1 --start 77 "audio WAV" --kept /tmp/faults
"""

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from fuzz.campaign import Report, run
from fuzz.models import TARGETS as MODELS
from fuzz.models import model
from fuzz.serving import TARGETS as SERVING
from fuzz.sound import TARGETS as SOUND
from fuzz.texts import TARGETS as TEXTS

TARGETS = [*SOUND, *TEXTS, *MODELS, *SERVING]


def shown(report: Report) -> str:
    """A line, and what the faults were."""
    line = f"{report.target:32} {report.inputs:6} read, {report.refused:6} refused, {len(report.faults):3} faults, "
    line += f"slowest {report.slowest:5.2f} s, {report.seconds:5.0f} s"
    return "\n    ".join([line, *(fault.replace("\n", "\n        ") for fault in report.faults)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("targets", nargs="*", help="beginnings of names; without any, all")
    parser.add_argument("--all", type=int, default=1000, help="inputs, shared out evenly")
    parser.add_argument("--each", type=int, help="inputs of each target, in place of --all")
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--kept", type=Path, help="folder for inputs with faults")
    parser.add_argument("--json", action="store_true", help="print reports as JSON")
    options = parser.parse_args()
    chosen = [t for t in TARGETS if not options.targets or t.name.startswith(tuple(options.targets))]
    each = options.each or math.ceil(options.all / len(chosen))
    torch.set_num_threads(1)  # forked children would miss the others
    if any(target in MODELS for target in chosen):
        model(), model(subwords=True)  # once, and what that imports
    failed = False
    for target in chosen:
        report = run(target, each, start=options.start, kept=options.kept)
        print(json.dumps(asdict(report)) if options.json else shown(report), flush=True)
        failed |= bool(report.faults)
    sys.exit(failed)


if __name__ == "__main__":
    main()
