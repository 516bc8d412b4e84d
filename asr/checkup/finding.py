"""What a check found: facts, and problems with what to do about them. Nothing personal."""

import getpass
import re
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

Fact: TypeAlias = str | int | float | bool | list[str] | None

_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:|~)?[\\/](?:[^\s'\"]*[\\/])?(?=[^\s'\"])")
"""What stands before the name of a file: a path from the root on, or from a home."""


@dataclass(frozen=True)
class Problem:
    """Something that is broken, slow or missing."""

    what: str
    remedy: str
    """What to do about it."""
    matters: bool = True
    """Whether training or transcribing fails because of it."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Facts hold no path, no name of a user, host or device: they may stand in a bug report.
    """

    name: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether a problem matters."""
        return any(problem.matters for problem in self.problems)

    def to_json(self) -> dict[str, object]:
        """As a bug report has it."""
        return {**asdict(self), "facts": dict(self.facts), "problems": [asdict(problem) for problem in self.problems]}

    @property
    def line(self) -> str:
        """The facts for the eye."""
        return ", ".join(_shown(name, fact) for name, fact in self.facts.items() if fact not in (None, "", []))


def _shown(name: str, fact: Fact) -> str:
    if isinstance(fact, bool):
        fact = "yes" if fact else "no"
    return f"{name} {' '.join(fact) if isinstance(fact, list) else f'{fact:g}' if isinstance(fact, float) else fact}"


def without_names(text: str) -> str:
    """Take folders, the user's name and the host's out of a message; names of files stay.

    Example:
        >>> without_names("/home/ann/runs/a.wav: cannot be read")
        '.../a.wav: cannot be read'
    """
    for folder in (str(Path.cwd()), tempfile.gettempdir(), str(Path("~").expanduser())):  # they may hold spaces
        if len(folder) > 1:
            text = text.replace(folder, "...")
    text = _FOLDERS.sub(".../", text)
    for name, instead in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if len(name) > 2:
            text = re.sub(rf"\b{re.escape(name)}\b", instead, text)
    return text


def _user() -> str:
    with suppress(OSError, KeyError, ImportError):  # a user without an entry, Windows without a name
        return getpass.getuser()
    return ""
