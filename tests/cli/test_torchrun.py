"""Commands under a real torchrun: killed, stopped, asked to end, on two hosts."""

import contextlib
import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import pytest
from support.command_line import SMALL
from support.ranks import Torchrun, descendants, torchrun
from support.runs import same, weights
from support.tones import write_corpus

from asr import cli
from asr.training.logbook import read_metrics

TRAINING = (*SMALL, "--batch-seconds", "4", "--checkpoint-every", "0", "--device", "cpu")
PATIENT = 300.0
"""What lasts longer hangs."""
CLONE_NEWNET = 0x40000000
"""What `setns` calls a network."""
HASTY = "import sys, asr.ranks; asr.ranks.TIMEOUT = 5.0; sys.argv[0] = 'asr'; from asr.cli import main; main()\n"
"""`asr`, whose ranks soon give each other up."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=18, dev=4)


@pytest.fixture(scope="module")
def one_process(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The same run by two workers of one process, which nothing disturbs; gives its folder."""

    @cache
    def run(epochs: int) -> Path:
        out = tmp_path_factory.mktemp("one") / "run"
        arguments = ("asr", "train", corpus, "--out", out, *TRAINING, "--threads", 2, "--epochs", epochs)
        with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as stop:
            patched.setattr(sys, "argv", list(map(str, arguments)))
            cli.main()
        assert stop.value.code == 0
        return out

    return run


def rank(launcher: int, number: int) -> int | None:
    """The process of a rank that has joined the others and trains."""
    for process in descendants(launcher):
        with contextlib.suppress(OSError):
            environment = (Path("/proc") / str(process) / "environ").read_bytes().split(b"\0")
            parent = int((Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == launcher and f"RANK={number}".encode() in environment:
                return process
    return None


def steps(out: Path) -> int:
    """How often the checkpoint was written, or something near it: its time of change."""
    checkpoint = out / "checkpoints" / "last.pt"
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0


def wait_for_steps(out: Path, process: "subprocess.Popen[str] | Torchrun", wanted: int) -> None:
    """Wait until so many checkpoints more were written."""
    seen, deadline = {steps(out)}, time.monotonic() + PATIENT
    while len(seen) <= wanted and process.poll() is None and time.monotonic() < deadline:
        seen.add(steps(out))
        time.sleep(0.001)
    said = process.said if isinstance(process, Torchrun) else ""
    assert process.poll() is None, (process.poll(), said)
    assert len(seen) > wanted, ("no step was taken", said)


def own_lines(said: str) -> list[str]:
    """What is said on standard error, without torchrun's own messages."""
    return [line for line in said.splitlines() if line.startswith("asr: ")]


def gone(processes: set[int]) -> bool:
    """Whether all have ended, after a moment."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not any((Path("/proc") / str(process)).exists() for process in processes):
            return True
        time.sleep(0.05)
    return False


def test_a_killed_rank_is_restarted_and_the_run_ends_with_the_same_weights(one_process, corpus: Path, tmp_path: Path):
    out = tmp_path / "run"
    options = ("--nproc-per-node", 2, "--max-restarts", 2, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")
    process = Torchrun(tmp_path / "said", options, ("train", corpus, "--out", out, *TRAINING, "--epochs", 4))
    try:
        wait_for_steps(out, process, 2)
        os.kill(process.ranks[1], signal.SIGKILL)
    finally:
        process.finish(PATIENT)
    assert process.code == 0, process.said
    assert "going on from" in process.said and "2 processes" in process.said
    assert process.printed == f"best model: {out / 'best'}\n"
    assert same(weights(one_process(4)), weights(out))
    epochs = [record["epoch"] for record in read_metrics(out / "metrics.jsonl") if record["kind"] == "epoch"]
    assert epochs == [1, 2, 3, 4]


def test_evaluation_under_torchrun_prints_and_writes_what_one_process_does(asr, model: Path, dev: Path, tmp_path: Path):
    train = dev.with_name("train.jsonl.gz")
    options = ("--model", model, "--device", "cpu", "--json", "--hypotheses")
    alone = asr("evaluate", train, *options, tmp_path / "one.txt")
    with torchrun(2, "-m", "asr", "evaluate", train, *options, tmp_path / "two.txt") as process:
        printed, said = process.communicate(timeout=PATIENT)
    assert process.returncode == 0, said
    assert printed == alone.out
    assert (tmp_path / "two.txt").read_bytes() == (tmp_path / "one.txt").read_bytes()


def test_a_command_that_is_one_process_is_refused_under_torchrun(refused, monkeypatch):
    monkeypatch.setattr("asr.cli.joined", lambda: contextlib.nullcontext(Two()))
    refused(2, "asr transcribe is one process; start it without torchrun", "transcribe", "a.wav")


class Two:
    """Two ranks, of whom only the number is asked."""

    count = 2


@pytest.mark.soak
def test_ranks_killed_at_any_instant_end_with_the_same_weights(one_process, corpus: Path, tmp_path: Path):
    draw, out = random.Random(0), tmp_path / "run"
    command = ("-m", "asr", "train", corpus, "--out", out, *TRAINING, "--epochs", 12)
    kills = 6
    with torchrun(2, *command, options=("--max-restarts", kills)) as process:
        for number in range(kills):
            wait_for_steps(out, process, draw.randint(1, 5))
            time.sleep(draw.uniform(0, 0.2))
            victim = rank(process.pid, number % 2)
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENT)
    assert process.returncode == 0, said
    assert said.count("going on from") == kills
    assert same(weights(one_process(12)), weights(out))


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_torchrun_that_is_asked_to_end_leaves_no_process_and_the_run_goes_on(corpus: Path, tmp_path: Path, number):
    out = tmp_path / "run"
    command = ("-m", "asr", "train", corpus, "--out", out, *TRAINING, "--epochs", 30)
    with torchrun(2, *command) as process:
        wait_for_steps(out, process, 3)
        started = descendants(process.pid)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENT)
    assert process.returncode != 0
    assert len(own_lines(said)) == 1, said
    assert "the same command" in said or "repeat the command" in said
    assert gone(started)
    with torchrun(2, *command) as process:
        wait_for_steps(out, process, 1)
        process.kill()
    assert gone(started)


@pytest.mark.soak
def test_a_rank_that_is_held_up_is_given_up(corpus: Path, tmp_path: Path):
    """SIGSTOP: it lives, and neither answers nor ends when it is asked to."""
    (tmp_path / "hasty.py").write_text(HASTY)
    out = tmp_path / "run"
    with torchrun(2, tmp_path / "hasty.py", "train", corpus, "--out", out, *TRAINING, "--epochs", 500) as process:
        wait_for_steps(out, process, 3)
        started = descendants(process.pid)
        os.kill(rank(process.pid, 1), signal.SIGSTOP)
        _, said = process.communicate(timeout=PATIENT)
    assert process.returncode == 1
    [line] = own_lines(said)
    assert "another process of this run has ended, or did not answer for 5 seconds" in line
    assert gone(started)


@pytest.mark.soak
def test_a_recording_that_one_rank_cannot_read_ends_all_with_one_line(tmp_path: Path):
    corpus = write_corpus(tmp_path, train=6, dev=2)
    (corpus / "train-03.wav").write_bytes(b"nothing")
    with torchrun(2, "-m", "asr", "train", corpus, "--out", tmp_path / "run", *TRAINING) as process:
        _, said = process.communicate(timeout=PATIENT)
    assert process.returncode == 1
    [line] = own_lines(said)
    assert "train-03" in line


@pytest.mark.soak
def test_a_recipe_under_torchrun_is_that_of_one_process(recordings: Path, tmp_path: Path):
    (tmp_path / "own.py").write_text(
        "from asr.cli.recipe import recipe\n"
        "from asr.text.tokenizer import TokenizerConfig\n"
        "from asr.training.settings import TrainConfig\n"
        "recipe('folder', TrainConfig(epochs=2), TrainConfig(epochs=2, tokenizer=TokenizerConfig(units='words')))\n"
    )
    program = [tmp_path / "own.py", "--source", recordings, *TRAINING]
    with torchrun(2, *program, "--out", tmp_path / "two") as process:
        printed, said = process.communicate(timeout=PATIENT)
    assert process.returncode == 0, said
    command = [sys.executable, *program, "--out", tmp_path / "one", "--threads", "2"]
    alone = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=PATIENT)
    assert printed == alone.stdout and re.fullmatch(r"test WER .*\n", printed)
    for name in ("test.json", "test.hypotheses.txt"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    for stage in (".", "stage-1"):
        assert same(weights(tmp_path / "one" / stage), weights(tmp_path / "two" / stage))


# ---- two hosts


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    names = [f"asr-{os.getpid()}-{number}" for number in (1, 2)]

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "host1", "netns", names[0], "type", "veth", "peer", "name", "host2", "netns", names[1])
        for number, name in enumerate(names, start=1):
            ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", f"host{number}")
            for interface in ("lo", f"host{number}"):
                ip("-n", name, "link", "set", interface, "up")
        yield names
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces can be made here: {getattr(error, 'stderr', None) or error}")
    finally:
        for name in names:
            with contextlib.suppress(OSError):
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def on_hosts(hosts: Sequence[str], folder: Path, *arguments: object) -> list[Torchrun]:
    """Start torchrun on both, with one rank each."""

    def enter(number: int, name: str) -> None:
        """Be on a host: see its network alone."""
        with Path("/run/netns", name).open() as namespace:
            assert ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET) == 0
        os.environ["GLOO_SOCKET_IFNAME"] = f"host{number}"

    return [
        Torchrun(
            folder / f"said-{number}",
            (
                *("--nnodes", 2, "--nproc-per-node", 1, "--max-restarts", 2, "--local-addr", f"10.77.0.{number}"),
                *("--rdzv-backend", "c10d", "--rdzv-endpoint", "10.77.0.1:29400", "--rdzv-id", "asr"),
                *("--rdzv-conf", f"is_host={int(number == 1)}"),
            ),
            arguments,
            partial(enter, number, name),
        )
        for number, name in enumerate(hosts, start=1)
    ]


@pytest.mark.soak
@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "a rank of the second host is killed"])
def test_two_hosts_train_as_one_process_does(hosts: list[str], one_process, corpus: Path, tmp_path: Path, killed: bool):
    out = tmp_path / "run"
    processes = on_hosts(hosts, tmp_path, "train", corpus, "--out", out, *TRAINING, "--epochs", 4)
    try:
        if killed:
            wait_for_steps(out, processes[0], 2)
            os.kill(processes[1].ranks[0], signal.SIGKILL)
    finally:
        codes = [process.finish(PATIENT) for process in processes]
    said = "".join(process.said for process in processes)
    assert codes == [0, 0], said
    assert "".join(process.printed for process in processes) == f"best model: {out / 'best'}\n"
    assert "2 processes" in said and ("going on from" in said) == killed
    assert same(weights(one_process(4)), weights(out))
