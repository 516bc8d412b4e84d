"""What the machine gives: cores, memory, shared memory, disks, encodings, devices."""

import locale
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.checkup.finding import Fact, Finding, Problem
from asr.checkup.packages import version_of
from asr.checkup.sandbox import Sandbox, SandboxError, told
from asr.errors import AsrError
from asr.files import atomic, locked
from asr.units import Seconds
from asr.workers import core_quota, group_limits, num_cores

GIB = 1 << 30
MIB = 1 << 20
ENOUGH_MEMORY = 2 * GIB
ENOUGH_SHARED = 256 * MIB
"""Weights and a gradient for each of several workers lie in shared memory."""
ENOUGH_DISK = 2 * GIB
LEAST_DISK = 200 * MIB
SHARED = Path("/dev/shm")
NVIDIA = Path("/dev/nvidiactl")
"""There where the driver of an NVIDIA GPU is at work."""
PATIENCE: Seconds = 120.0


def processor() -> Finding:
    """The processor, the cores that this process may use, and who else uses them."""
    cores, quota = num_cores(), core_quota()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    threads = os.environ.get("OMP_NUM_THREADS", "")
    facts: dict[str, Fact] = {
        "model": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "usable": cores,
        "quota": quota,
        "load": None if load is None else round(load, 1),
        "OMP_NUM_THREADS": threads,
    }
    problems = []
    if threads and not (threads.isdecimal() and 0 < int(threads) <= cores):
        remedy = "unset it, or set it to the number of usable cores"
        problems.append(Problem(f"OMP_NUM_THREADS is {threads} with {cores} usable cores", remedy, False))
    if load is not None and load > 1.5 * cores:
        what = f"other programs keep {load:.1f} cores busy, of {cores}"
        problems.append(Problem(what, "end them, or expect less speed", False))
    return Finding("processor", facts, tuple(problems))


def memory() -> Finding:
    """Memory that is free, here and in the container."""
    total, free = (_kibibytes(name) for name in ("MemTotal", "MemAvailable"))
    limit = min(
        map(int, filter(str.isdecimal, group_limits("memory.max", "memory/memory.limit_in_bytes"))), default=None
    )
    facts: dict[str, Fact] = {"total": _size(total), "free": _size(free)}
    if limit is not None and (total is None or limit < total):
        facts["limit"] = _size(limit)
    known = [size for size in (limit, free) if size is not None]
    problems = []
    if known and min(known) < ENOUGH_MEMORY:
        remedy = "end other programs; train with a lower --batch-seconds and --threads 1"
        problems.append(Problem(f"{_size(min(known))} of memory are free", remedy, False))
    return Finding("memory", facts, tuple(problems))


def shared_memory() -> Finding | None:
    """Shared memory, in which training's workers keep weights and gradients; None if not Linux."""
    if sys.platform != "linux":
        return None
    remedy = "in a container give it more: docker run --shm-size=1g; else train with --threads 1"
    try:
        with tempfile.TemporaryFile(dir=SHARED):
            usage = shutil.disk_usage(SHARED)
    except OSError as error:
        problem = Problem(f"/dev/shm cannot be used ({error.strerror})", remedy)
        return Finding("shared memory", {}, (problem,))
    facts: dict[str, Fact] = {"total": _size(usage.total), "free": _size(usage.free)}
    problems = []
    if usage.free < ENOUGH_SHARED:
        problems.append(Problem(f"{_size(usage.free)} of /dev/shm are free", remedy, False))
    return Finding("shared memory", facts, tuple(problems))


def disk(name: str, folder: Path, remedy: str) -> Finding:
    """Whether there is room in a folder, and whether files can be written, renamed and locked."""
    try:
        usage = shutil.disk_usage(folder)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".asr-doctor-") as inside,
            locked(Path(inside)),
            atomic(Path(inside) / "file") as path,
        ):
            path.write_bytes(bytes(1 << 16))
    except (OSError, AsrError) as error:
        reason = error.strerror if isinstance(error, OSError) else told(error)
        return Finding(name, {}, (Problem(f"files cannot be written there ({reason})", remedy),))
    problems = []
    if usage.free < ENOUGH_DISK:
        problems.append(Problem(f"{_size(usage.free)} are free", f"free some, or {remedy}", usage.free < LEAST_DISK))
    return Finding(name, {"free": _size(usage.free), "of": _size(usage.total)}, tuple(problems))


def encoding() -> Finding:
    """In what bytes names of files and text on the terminal are written."""
    facts: dict[str, Fact] = {
        "files": sys.getfilesystemencoding(),
        "locale": locale.getpreferredencoding(False),
        "terminal": getattr(sys.stdout, "encoding", None),
    }
    foreign = {name: value for name, value in facts.items() if "utf" not in str(value).lower() and value}
    if not foreign:
        return Finding("encoding", facts)
    what = (
        f"{' and '.join(foreign)} {'is' if len(foreign) == 1 else 'are'} not UTF-8: letters of other scripts are lost"
    )
    return Finding("encoding", facts, (Problem(what, "set LC_ALL=C.UTF-8, or PYTHONUTF8=1", False),))


def torch_devices(sandbox: Sandbox) -> Finding | None:
    """What PyTorch computes on; None without PyTorch."""
    if version_of("torch") is None:
        return None
    try:
        facts = sandbox.call(describe_torch, limit=PATIENCE)
    except SandboxError as error:
        problem = Problem(f"PyTorch does not work: {error}", "install a build for this machine: docs/problems.md")
        return Finding("torch", {}, (problem,))
    problems = []
    if NVIDIA.exists() and not facts["cuda"]:
        remedy = "update the driver, or install a PyTorch build for its CUDA version"
        problems.append(Problem("there is an NVIDIA GPU, and PyTorch cannot use it", remedy, False))
    if facts["instructions"] in ("DEFAULT", "NO AVX"):
        problems.append(Problem("PyTorch uses no AVX2 on this processor: it is slow", "take another machine", False))
    return Finding("torch", facts, tuple(problems))


def describe_torch() -> Mapping[str, Any]:
    """What PyTorch says of itself, as `Sandbox` calls it."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    properties = [torch.cuda.get_device_properties(number) for number in range(count)]
    return {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "oneDNN": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "threads": torch.get_num_threads(),
        "built for CUDA": torch.version.cuda,
        "cuda": [f"{each.name} ({_size(each.total_memory)})" for each in properties],
    }


def microphones(sandbox: Sandbox) -> Finding:
    """How many microphones there are. Their names are personal: `asr listen --devices`."""
    if version_of("sounddevice") is None:
        return Finding("microphone", {"found": None}, ())
    try:
        count = sandbox.call(count_microphones, limit=PATIENCE)
    except SandboxError as error:
        return Finding("microphone", {}, (Problem(str(error), "asr listen needs it; all else works", False),))
    problem = Problem("there is no microphone", "plug one in; asr listen --devices lists them", False)
    return Finding("microphone", {"found": count}, () if count else (problem,))


def count_microphones() -> int:
    """As `Sandbox` calls it: sound drivers may print, and may hang."""
    from asr.audio.microphone import microphones

    return len(microphones())


def _field(file: Path, name: str) -> str:
    """A value in a file of lines such as `name: value`; "" without."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")


def _kibibytes(name: str) -> int | None:
    value = _field(Path("/proc/meminfo"), name).removesuffix(" kB")
    return int(value) * 1024 if value.isdecimal() else None


def _size(size: int | None) -> str | None:
    """Bytes for the eye."""
    if size is None:
        return None
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
