"""Beam search in processes of its own, for programs that search several utterances at a time.

A search holds Python's lock, so that threads only wait for one another, and for it.
"""

from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TypeAlias

from asr.child import Child, send
from asr.decoding.hypothesis import DecodingConfig, Hypothesis
from asr.model.labels import LogProbs

Decode: TypeAlias = Callable[..., list[Hypothesis]]
"""As `asr.decoding.decoder.Decoder.__call__`."""


class Searchers:
    """Forked processes that decode, which any thread may ask.

    Args:
        decode: what they inherit.
        count: how many.

    Raises:
        OSError: if there can be no more processes.
    """

    def __init__(self, decode: Decode, count: int) -> None:
        self._decode = decode
        self._idle: SimpleQueue[Child | None] = SimpleQueue()
        """None is the place of a process that has died: who draws it searches by itself."""
        for _ in range(count):
            self._idle.put(Child(_serve, decode))

    def __call__(self, log_probs: LogProbs, config: DecodingConfig, second: LogProbs | None) -> list[Hypothesis]:
        """Decode; waits while all processes are busy."""
        child = self._idle.get()
        try:
            if child is not None:
                child.send((log_probs, config, second))
                found: list[Hypothesis] | Exception = child.receive()
                if isinstance(found, Exception):
                    raise found
                return found
        except (EOFError, OSError):
            child = None
        finally:
            self._idle.put(child)
        return self._decode(log_probs, config, second=second)


def _serve(pipe: Connection, decode: Decode) -> None:
    """Decode until the other end of the pipe is closed."""
    while True:
        log_probs, config, second = pipe.recv()
        try:
            found: list[Hypothesis] | Exception = decode(log_probs, config, second=second)
        except Exception as error:
            found = error
        send(pipe, found)
