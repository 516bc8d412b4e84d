"""Targets -> faults: each target in a process of its own, with bounded memory and time.

traceback   an error that is none of `asr.errors`, or a warning of arithmetic (it is shown)
memory      more than `MEMORY` beyond what valid inputs took
time        more than `SECONDS` of a core
death       of the process: a signal, or `HANGS` seconds without an answer
"""

import faulthandler
import json
import os
import resource
import shutil
import struct
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from fuzz.targets import Target

from asr.errors import AsrError

MEMORY = 1 << 30
SECONDS = 20.0
HANGS = 240.0
NO_MEMORY = ("allocate memory", "bad_alloc", "out of memory", "bad allocation")


@dataclass
class Report:
    """What became of a target's inputs."""

    target: str
    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    """In seconds of a core."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def made(target: Target, valid: list[bytes], number: int) -> bytes:
    """Input of a number: the valid ones, then those that were faults, then those made by chance."""
    if number < len(valid):
        return valid[number]
    if number < len(valid) + len(target.mended):
        return list(target.mended.values())[number - len(valid)](valid[0])
    draw = Random(f"{target.name} {number}")
    return target.mutate(draw.choice(valid), draw, target.words)


def run(target: Target, inputs: int, *, start: int = 0, kept: Path | None = None) -> Report:
    """Read inputs from `start` on; those with faults are kept, if a folder is named."""
    report = Report(target.name)
    stop, begun = start + inputs, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="asr-fuzz-") as folder:
        while start < stop:
            start = _part(target, start, stop, Path(folder), report, kept)
    report.seconds = time.monotonic() - begun
    return report


def _part(target: Target, start: int, stop: int, folder: Path, report: Report, kept: Path | None) -> int:
    """Read inputs in a child until all are read or it dies; returns the first that is not read."""
    log, reached = folder / "log", folder / "reached"
    log.write_bytes(b"")
    reached.write_bytes(struct.pack("<q", start))
    child = os.fork()
    if not child:
        code = 1
        try:
            found = _read_all(target, start, stop, folder, reached, kept)
            log.write_text(json.dumps(asdict(found)))
            code = 0
        except BaseException:
            log.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    (number,) = struct.unpack("<q", reached.read_bytes())
    partial = folder / "partial.json"
    if (invalid := folder / "invalid").exists():
        raise AssertionError(f"{target.name}: a valid input is not read: {invalid.read_text()}")
    if status == 0:
        found = Report(**json.loads(log.read_text()))
    else:
        found = Report(**json.loads(partial.read_text())) if partial.exists() else Report(target.name)
        why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else log.read_text()[-2000:] or "no answer"
        found.faults.append(f"{number}: the process died: {why}")
        number += 1
        found.inputs = number - start
    partial.unlink(missing_ok=True)
    report.inputs, report.refused = report.inputs + found.inputs, report.refused + found.refused
    report.slowest = max(report.slowest, found.slowest)
    report.faults += found.faults
    return number if status else stop


def _read_all(target: Target, start: int, stop: int, folder: Path, reached: Path, kept: Path | None) -> Report:
    room = folder / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    try:
        valid = list(target.valid(room))
        for data in valid:
            target.read(room, data)  # what is imported and kept for later counts as no input's
    except BaseException:
        (folder / "invalid").write_text(traceback.format_exc())
        raise
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY, MEMORY))
    warnings.simplefilter("error", RuntimeWarning)
    report = Report(target.name)
    with reached.open("r+b", buffering=0) as place:
        for number in range(start, stop):
            place.seek(0)
            place.write(struct.pack("<q", number))
            faulthandler.dump_traceback_later(HANGS, exit=True)
            data = made(target, valid, number)
            before = time.process_time()
            fault = _fault(target, room, data, report)
            taken = time.process_time() - before
            report.slowest = max(report.slowest, taken)
            report.inputs += 1
            if taken > SECONDS and not fault:
                fault = f"took {taken:.0f} s of a core"
            if fault:
                names = dict(enumerate(target.mended, start=len(valid)))
                report.faults.append(f"{number}{f' ({names[number]})' if number in names else ''}: {fault}")
                if kept is not None:
                    kept.mkdir(parents=True, exist_ok=True)
                    (kept / f"{target.name.replace(' ', '-').replace('/', '-')}-{number}").write_bytes(data)
                (folder / "partial.json").write_text(json.dumps(asdict(report)))
    faulthandler.cancel_dump_traceback_later()
    return report


def _fault(target: Target, room: Path, data: bytes, report: Report) -> str:
    try:
        target.read(room, data)
    except AsrError as error:
        report.refused += 1
        text = str(error)
        if any(sign in text.lower() for sign in NO_MEMORY):
            return f"wanted too much memory: {text[:300]}"
        if "\n" in text.strip() or "Traceback" in text:
            return f"a message of several lines: {text[:300]!r}"
    except BaseException:
        lines = traceback.format_exc().strip().split("\n")
        return "\n".join([*lines[-9:-1], lines[-1][:400]])
    return ""
