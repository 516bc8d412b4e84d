"""Options -> a frozen dataclass, by tyro; and tyro's complaints -> one line."""

import contextlib
import inspect
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any

import tyro

from asr.errors import ConfigError

NO_PREFIX = tyro.conf.arg(name="")
"""A nested dataclass whose fields are options of the command itself: --epochs, and --acoustic.hidden one level down."""

FRAME = " " + "".join(map(chr, range(0x2500, 0x2580)))
"""What surrounds a line of tyro's complaint: Unicode's box drawing."""


def parse(command: type[Any], program: str, arguments: Sequence[str], default: Any = None) -> Any:
    """Parse options, on top of an instance's values if one is given.

    tyro has no public way to hand out what is wrong: it prints a box on standard error and exits. So the box is taken, its
    frame dropped, and its lines joined.

    Raises:
        ConfigError: for an option that does not exist or has a wrong value.
    """
    complaint = io.StringIO()
    is_help = not {"-h", "--help"}.isdisjoint(arguments)
    try:
        with contextlib.redirect_stderr(complaint), contextlib.nullcontext() if is_help else _wide_screen():
            description = inspect.getdoc(command)
            return tyro.cli(command, prog=program, args=arguments, default=default, description=description)
    except SystemExit as stop:
        if not stop.code:
            raise
    lines = [line.strip(FRAME) for line in complaint.getvalue().splitlines() if not line.startswith("╭")]
    raise ConfigError(" ".join(filter(None, lines)) or f"wrong options; see {program} --help")


@contextlib.contextmanager
def _wide_screen() -> Iterator[None]:
    """Make room for a complaint on one line: tyro breaks words, such as the names of files, where it lacks room."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
