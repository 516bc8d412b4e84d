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
"""A nested dataclass whose fields are the command's own options.

For example --epochs, and one level down --acoustic.hidden.
"""

FRAME = " |─│╭╮╰╯"
"""What surrounds a line of tyro's complaint."""


def parse(command: type[Any], program: str, arguments: Sequence[str], default: Any = None) -> Any:
    """Parse options, on top of an instance's values if one is given.

    tyro has no public way to hand out what is wrong. It prints a title and lines, and exits. They
    are taken from both streams, so that tyro sees no terminal. For a terminal it would draw a
    frame, and colours between the words.

    Raises:
        ConfigError: for an option that does not exist or has a wrong value.
        SystemExit: after help, which tyro prints for the terminal.
    """

    def parsed() -> Any:
        return tyro.cli(command, prog=program, args=arguments, default=default, description=inspect.getdoc(command))

    if any(argument in ("-h", "--help") or argument.startswith("--tyro-") for argument in arguments):
        return parsed()
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(complaint), _wide_screen():
            return parsed()
    except SystemExit:
        _title, *lines = complaint.getvalue().splitlines() or [""]
    inside = (line.strip(FRAME) for line in lines)
    message = " ".join(line for line in inside if line.strip("-"))
    raise ConfigError(message or f"wrong options; see {program} --help")


@contextlib.contextmanager
def _wide_screen() -> Iterator[None]:
    """Make room for a complaint on one line.

    tyro breaks words, such as the names of files, where it lacks room.
    """
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
