"""A server under load, on loopback: throughput, waiting, errors, memory; and live streams.

    python -m benchmarks.serve RECORDINGS
    python -m benchmarks.serve RECORDINGS --streams 1 4 8 12 16
    python -m benchmarks.serve RECORDINGS --hours 1 --clients 2

The server is `asr serve` in a process of its own, with the English model exported to 8 bits, or
another model folder that has what `asr export --int8` writes. Its clients share this machine.

- Without more: first the recordings are transcribed offline, as many at a time as the server's
  jobs. Then each number of clients sends recordings for `--seconds`, each client one after the
  other. An answer that differs from the offline text is an error. Waiting counts from the request
  to the end of its answer; memory is the server's peak. Work is seconds of a core for a second of
  sound: of the server, and of all its clients. It says what a busy machine hides.
- `--streams`: each number of live streams is fed at real time in blocks of 100 ms to a server with
  one job. The lag of a block is the time from its end to its answer.
- `--hours`: the server's memory every five minutes.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import websockets

from asr.audio.folder import find_recordings
from asr.audio.waveform import load
from asr.recogniser.bundled import bundled_model
from asr.recogniser.model_folder import load_model
from asr.recogniser.onnx_export import export
from asr.transcription.transcribe import Transcriber
from benchmarks.measure import report

BLOCK = 0.1
"""Seconds of sound that a live client sends at a time."""
RATE = 16_000
LONGEST_WAIT = 600


@dataclass
class Load:
    """What clients saw."""

    sound: float = 0.0
    """Seconds."""
    waited: list[float] = field(default_factory=list)
    """Seconds of each request, or of each block of sound."""
    errors: list[str] = field(default_factory=list)


class Family:
    """A process and its children, on Linux."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @property
    def work(self) -> float:
        """Seconds of a core that they have spent."""
        spent = sum(int(fields[11]) + int(fields[12]) for _, fields in self._members())
        return spent / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """MB that they hold; what several share counts once."""
        lines = [line for path, _ in self._members() for line in (path / "smaps_rollup").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6

    def _members(self) -> Iterator[tuple[Path, list[str]]]:
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                fields = (path / "stat").read_text().rsplit(")")[-1].split()
                if self._pid in (int(path.name), int(fields[1])):
                    yield path, fields


class Server(NamedTuple):
    """`asr serve`."""

    url: str
    processes: Family


@contextmanager
def serving(model: Path, *options: str) -> Iterator[Server]:
    """A server, from its first line to its end: its address and its processes."""
    command = [sys.executable, "-m", "asr", "serve", "--model", f"english={model}", "--engine", "int8", "--port", "0"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            if " answers for " not in line:
                raise SystemExit(line + process.stderr.read())
            yield Server(line.split()[1], Family(process.pid))
        finally:
            process.terminate()


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, help="without it, the English model of the package")
    parser.add_argument("--greedy", action="store_true", help="without the language model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 32, 64])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--streams", type=int, nargs="+")
    parser.add_argument("--hours", type=float)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = [found.path for found in find_recordings(options.recordings)]
    with ExitStack() as stack:
        model = options.model or exported(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        search = [] if options.greedy else ["--lm"]
        if options.streams:
            server = stack.enter_context(serving(model, "--jobs", "1", "--streams", "1000", *search))
            waveforms = [load(path, sample_rate=RATE) for path in paths]
            rows = []
            for count in options.streams:
                rows.append(asyncio.run(live(server, waveforms, count, options.seconds)))
                print(rows[-1], flush=True)
            report("live streams, one job", rows, options.json)
            return
        known, offline, work = transcribed(model, paths, options)
        server = stack.enter_context(serving(model, "--jobs", str(options.jobs), *search))
        print(f"offline: {offline:.1f} x real time, work {work:.4f}, {options.jobs} jobs", flush=True)
        if options.hours:
            asyncio.run(endurance(server, known, options))
            return
        rows = []
        for count in options.clients:
            rows.append(asyncio.run(measured(server, known, count, options.seconds)))
            rows[-1] |= {"of offline": rows[-1]["x real time"] / offline, "offline work": work}
            print(rows[-1], flush=True)
        report(
            f"{len(known)} recordings, {sum(s for s, _ in known.values()) / len(known):.1f} s each", rows, options.json
        )


def exported(folder: Path) -> Path:
    """The package's model, with its ONNX graphs."""
    shutil.copytree(bundled_model(), folder, dirs_exist_ok=True)
    export(load_model(folder), folder, int8=True)
    return folder


def transcribed(
    model: Path, paths: list[Path], options: argparse.Namespace
) -> tuple[dict[Path, tuple[float, str]], float, float]:
    """Seconds and text of each recording; how many times real time that took; and the work."""
    transcriber = Transcriber.load(model, engine="int8", lm=not options.greedy)
    if transcriber.decoder is not None:
        transcriber = replace(transcriber, decoder=transcriber.decoder.in_processes(options.jobs))
    transcriber.transcribe(paths[0])
    here = Family(os.getpid())
    begun, spent, sound, found = time.perf_counter(), here.work, 0.0, {}
    with ThreadPoolExecutor(options.jobs) as threads:
        for path, timed in zip(paths, threads.map(transcriber.transcribe, paths), strict=True):
            found[path] = timed.duration, timed.text
            sound += timed.duration
    return found, sound / (time.perf_counter() - begun), (here.work - spent) / sound


async def measured(
    server: Server, known: dict[Path, tuple[float, str]], count: int, seconds: float, every: float = 1.0
) -> dict[str, Any]:
    """A row of the table: some clients, for some time."""
    bodies = {path: path.read_bytes() for path in known}
    order, load, peak = itertools.cycle(known.items()), Load(), 0.0
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=LONGEST_WAIT, limits=limits) as http:

        async def ask(path: Path) -> httpx.Response:
            return await http.post("/v1/audio/transcriptions", files={"file": (path.name, bodies[path])})

        async def client() -> None:
            while time.perf_counter() < begun + seconds:
                path, (length, text) = next(order)
                asked = time.perf_counter()
                try:
                    answer = await ask(path)
                except httpx.HTTPError as error:
                    load.errors.append(repr(error))
                    continue
                if answer.status_code != 200 or answer.json()["text"] != text:
                    load.errors.append(answer.text)
                    continue
                load.waited.append(time.perf_counter() - asked)
                load.sound += length

        await ask(next(iter(known)))
        spent, begun = (server.processes.work, time.process_time()), time.perf_counter()
        working = asyncio.gather(*(client() for _ in range(count)))
        while not working.done():
            peak = max(peak, server.processes.memory)
            await asyncio.wait([working], timeout=every)
        await working
        passed = time.perf_counter() - begun
    return {
        "clients": count,
        "x real time": load.sound / passed,
        "answers": len(load.waited),
        **percentiles(load.waited),
        "errors": len(load.errors),
        "peak MB": peak,
        **worked(server, spent, load),
    }


def worked(server: Server, before: tuple[float, float], load: Load) -> dict[str, float]:
    """Columns of a table."""
    sound = load.sound or float("nan")
    return {
        "work": (server.processes.work - before[0]) / sound,
        "of clients": (time.process_time() - before[1]) / sound,
    }


def percentiles(waited: list[float]) -> dict[str, float]:
    """Columns of a table."""
    return {f"p{share} s": float(np.percentile(waited or [np.nan], share)) for share in (50, 95, 99)}


async def live(server: Server, waveforms: list[np.ndarray], count: int, seconds: float) -> dict[str, Any]:
    """A row of the table: some streams, each fed at real time."""
    load, draw, peak, spent = Load(), np.random.default_rng(count), 0.0, (server.processes.work, time.process_time())
    size, url = round(BLOCK * RATE), server.url.replace("http", "ws") + "/"

    async def stream(first: int, delay: float) -> None:
        order = waveforms[first:] + waveforms[:first]
        samples = itertools.chain.from_iterable((waveform, np.zeros(RATE, np.float32)) for waveform in order)
        await asyncio.sleep(delay)
        ends: asyncio.Queue[float | None] = asyncio.Queue()
        async with websockets.connect(url, max_queue=None, ping_interval=None) as socket:

            async def listen() -> None:
                while (end := await ends.get()) is not None:
                    try:
                        answer = json.loads(await asyncio.wait_for(socket.recv(), LONGEST_WAIT))
                    except websockets.ConnectionClosed as closed:
                        answer = {"error": str(closed)}
                    if "error" in answer:
                        load.errors.append(answer["error"])
                        return
                    load.waited.append(time.perf_counter() - end)

            listening = asyncio.create_task(listen())
            begun, rest, sent = time.perf_counter(), np.zeros(0, np.float32), 0
            while sent * BLOCK < seconds and not listening.done():
                while len(rest) < size:
                    rest = np.concatenate([rest, next(samples)])
                block, rest, sent = rest[:size], rest[size:], sent + 1
                await asyncio.sleep(max(0, begun + sent * BLOCK - time.perf_counter()))
                ends.put_nowait(begun + sent * BLOCK)
                with contextlib.suppress(websockets.ConnectionClosed):  # `listen` counts that
                    await socket.send((32767 * np.clip(block, -1, 1)).astype("<i2").tobytes())
            load.sound += sent * BLOCK
            ends.put_nowait(None)
            await listening

    starts = draw.uniform(0, 1, count).tolist()
    working = asyncio.gather(*(stream(int(draw.integers(len(waveforms))), delay) for delay in starts))
    while not working.done():
        peak = max(peak, server.processes.memory)
        await asyncio.wait([working], timeout=1.0)
    await working
    found = {"streams": count, **percentiles(load.waited), "errors": len(load.errors), "peak MB": peak}
    return found | worked(server, spent, load)


async def endurance(server: Server, known: dict[Path, tuple[float, str]], options: argparse.Namespace) -> None:
    """Memory every five minutes, or once in less."""
    (count, *_), rows = options.clients, []
    every = min(5.0, 60 * options.hours)
    for number in range(1, int(60 * options.hours / every) + 1):
        row = await measured(server, known, count, 60 * every)
        rows.append({"minute": number * every, "MB": server.processes.memory, **row})
        print(rows[-1], flush=True)
    report("memory", rows, options.json)


if __name__ == "__main__":
    main()
