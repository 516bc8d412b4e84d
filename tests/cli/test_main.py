"""What holds for all commands."""

import ast
import inspect
import io
import os
import signal
import subprocess
import sys
from dataclasses import is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_type_hints

import pytest

import asr as package
from asr import cli


def settings(kind: type) -> set[type]:
    """A dataclass, those that it extends, and those that it holds."""
    held = [hint for hint in get_type_hints(kind).values() if is_dataclass(hint)]
    return {parent for parent in kind.__mro__ if is_dataclass(parent)}.union(*map(settings, held))


def test_without_arguments_the_commands_are_listed(asr):
    shown = asr()
    assert shown.code == 0 and shown == asr("--help") == asr("-h")
    assert shown.out.startswith("usage: asr COMMAND")
    listed = [line.split()[0] for line in shown.out.splitlines() if line.startswith("  ")]
    assert listed[:5] == ["prepare", "train", "evaluate", "transcribe", "score"]
    assert listed == [*cli.FIRST, *(name for name in cli.COMMANDS if name not in cli.FIRST)]
    assert shown.out.count("\n\n") == 4, "the five stand by themselves"


def test_the_version_is_that_of_the_package(asr):
    assert asr("--version").out == f"asr {package.__version__}\n"


def test_the_package_can_be_run_as_a_module(asr):
    ran = subprocess.run([sys.executable, "-m", "asr", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == asr("--version").out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_lists_its_options(asr, name: str):
    shown = asr(name, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"usage: asr {name} ")


def test_an_option_is_explained_on_one_line_of_source():
    """tyro keeps the line breaks of longer ones."""
    broken = []
    for kind in set().union(*(settings(cli.command_of(name)) for name in cli.COMMANDS)):
        body = ast.parse(inspect.getsource(kind)).body[0].body
        for field, help_text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(help_text, ast.Expr) and "\n" in help_text.value.value:
                broken.append(f"{kind.__name__}.{field.target.id}")
    assert broken == []


def test_a_command_that_does_not_exist_is_refused(refused):
    refused(2, "no such command: sing; there are prepare, ", "sing")


@pytest.mark.parametrize("arguments", [[], ["score", "--help"]], ids=" ".join)
def test_a_reader_who_has_left_is_no_trouble(arguments):
    """As in `asr --help | head -0`: what is left to print is dropped in silence."""
    reader, writer = os.pipe()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    os.close(reader)
    program = [sys.executable, "-m", "asr", *arguments]
    ran = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert ran.returncode in (0, 1) and ran.stderr == ""


def test_an_interruption_and_a_full_disk_have_their_codes(capfd):
    for error, code, line in (
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space", "f"), 1, "f: No space"),
    ):
        with pytest.raises(SystemExit) as stop, cli.exit_codes():
            raise error
        assert stop.value.code == code and line in capfd.readouterr().err


def test_an_interruption_of_imports_is_one_line(tmp_path):
    """An extension module makes another error of it."""
    (tmp_path / "tyro").mkdir()
    (tmp_path / "tyro" / "__init__.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(5)\n"
        "except BaseException:\n    raise ImportError('numpy could not be imported')\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    program = [sys.executable, "-m", "asr", "score", "a", "b"]
    ran = subprocess.run(
        program,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", f"{cli.INTERRUPTED}\n")


def test_who_ignores_interruptions_goes_on_ignoring_them():
    """As in the background of a shell."""
    for kept in (signal.SIG_IGN, signal.default_int_handler):
        before = signal.signal(signal.SIGINT, kept)
        try:
            with cli.leaving_at_once():
                assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == (kept is signal.SIG_IGN)
            assert signal.getsignal(signal.SIGINT) is kept
        finally:
            signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "é".encode()), ("latin-1", b"\xe9"), ("koi8-r", rb"\xe9"), ("utf-8", "é".encode())],
)
def test_no_letter_fails_in_any_encoding(monkeypatch, encoding, shown):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    cli.printable()
    print("é \udce9", flush=True)
    assert printed.getvalue() == shown + b" \\udce9\n"
