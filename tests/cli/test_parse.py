"""What is wrong with options is told in one line, whatever tyro prints around it."""

import io
import sys
from dataclasses import dataclass

import pytest

from asr.cli.parse import parse
from asr.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """Some options.

    And more of them.
    """

    count: int
    """How many."""
    kind: tuple[str, ...] = ()
    """Which of very many, so many that they do not fit on one line of a screen that is narrow."""


LONG = "x/" * 75 + "y"
"""Longer than a narrow screen, without a space to break it at."""


class Screen(io.StringIO):
    """Standard output: a terminal, or not."""

    def __init__(self, encoding: str, is_terminal: bool) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def test_options_become_a_dataclass():
    assert parse(Options, "asr this", ["--count", "3"]) == Options(3)
    assert parse(Options, "asr this", ["--kind", "a", "b"], Options(7)) == Options(7, ("a", "b"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "3", "--kount", "5"], ["--kount", "--count"]),
        (["--count", "3", "--nonsense", LONG], ["--nonsense", LONG]),
        (["--count", "many"], ["--count", "many"]),
        (["--count", LONG], ["--count", LONG]),
        (["--count"], ["--count"]),
        ([], ["--count", "How many."]),
    ],
    ids=["unknown", "unknown and long", "wrong", "wrong and long", "no value", "missing"],
)
@pytest.mark.parametrize("screen", [Screen("utf-8", True), Screen("utf-8", False), Screen("ascii", False)])
@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_complaint_names_option_and_value_in_one_line(monkeypatch, capsys, arguments, words, columns, screen):
    """Fails if tyro changes how it complains: see the range of its versions in pyproject.toml."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(ConfigError) as caught:
        parse(Options, "asr this", arguments)
    message = str(caught.value)
    assert all(word in message for word in [*words, "asr this --help"]), message
    assert message.isprintable() and "--- " not in message
    assert not any("\u2500" <= letter < "\u2580" for letter in message)
    assert screen.getvalue() == "" and capsys.readouterr() == ("", "")


def test_help_is_as_wide_as_the_screen(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "70")
    with pytest.raises(SystemExit) as stop:
        parse(Options, "asr this", ["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert not stop.value.code
    assert lines[0].startswith("usage: asr this") and "And more of them." in lines
    assert 60 < max(map(len, lines)) <= 70
