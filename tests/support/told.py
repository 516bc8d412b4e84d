"""A progress that remembers what it is told."""

from contextlib import contextmanager


class Told:
    """Lines, and of each bar what is done, the total, and the amounts."""

    def __init__(self):
        self.lines: list[str] = []
        self.bars: list[tuple[str, float | None, list[float]]] = []

    def say(self, line):
        self.lines.append(line)

    @contextmanager
    def bar(self, doing, total, *, unit=""):
        self.bars.append((doing, total, []))
        yield self

    def update(self, done, doing=None):
        self.bars[-1][2].append(done)
