"""How a long piece of work says how far it is.

Whoever starts the work hands in a `Progress`; without one it is silent. So a server or a notebook
prints nothing that it did not ask for. The command line shows bars (`cli.output`).
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class Bar(Protocol):
    """One piece of work that is under way."""

    def update(self, done: float, doing: str | None = None) -> None:
        """Say how much is done by now, of the total, and, where it changes, what is being done."""


class Progress(Protocol):
    """Who is told."""

    def say(self, line: str) -> None:
        """Tell a line that is worth keeping."""

    def bar(self, doing: str, total: float | None, *, unit: str = "") -> AbstractContextManager[Bar]:
        """Begin a piece of work of so many parts (None if nobody knows).

        `unit` is "bytes" for a download.
        """


class _Silent:
    def say(self, line: str) -> None:
        pass

    def update(self, done: float, doing: str | None = None) -> None:
        pass

    def bar(self, doing: str, total: float | None, *, unit: str = "") -> AbstractContextManager[Bar]:
        return nullcontext(self)


SILENT: Progress = _Silent()
"""Tells nobody."""


def track(items: Iterable[T], doing: str, total: int | None, progress: Progress) -> Iterator[T]:
    """Hand on items one by one, and tell how many have been used."""
    with progress.bar(doing, total) as bar:
        for number, item in enumerate(items, start=1):
            yield item
            bar.update(number)
