"""The wish to stop, Ctrl-C or SIGTERM, which waits until there is something to go on from."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Stop:
    """Keeps a signal until somebody asks for it; a second one does not wait. A context manager.

    Signals that the caller handles, or ignores, are left alone. So are all in other threads than
    the main one, where Python takes none.
    """

    def __init__(self) -> None:
        self.wanted: int | None = None
        """The signal's number."""
        self._waits = True
        self._before: dict[int, Any] = {}

    def heed(self) -> None:
        """End the program's work if that is wanted.

        Raises:
            KeyboardInterrupt: with the signal's number.
        """
        if self.wanted is not None:
            raise KeyboardInterrupt(self.wanted)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Heed a signal without waiting while the block runs: it has nothing to save."""
        self._waits = False
        self.heed()
        try:
            yield
        finally:
            self._waits = True

    def _note(self, number: int, _frame: FrameType | None) -> None:
        hurry = self.wanted is not None or not self._waits
        self.wanted = number
        if hurry:
            self.heed()

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None:
            self.heed()
