"""Whose turn it is: a bounded queue that is fair between clients.

Clients take turns, so one that sends a thousand requests delays nobody else by more than one.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asr.server.failure import ApiError
from asr.units import Seconds


class Turns:
    """Requests that are worked on, and those that wait.

    Args:
        slots: requests that are worked on at the same time.
        longest: requests that wait at the same time.
    """

    def __init__(self, slots: int, longest: int) -> None:
        self._free, self._longest = slots, longest
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Of each client; the one whose turn is next comes first."""

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, client: str, timeout: Seconds) -> AsyncIterator[None]:
        """Wait for a turn, and have it while the block runs.

        Args:
            client: who asks.
            timeout: how long to wait at most.

        Raises:
            ApiError: if the queue is full (429), or the turn does not come in time (503).
        """
        await self._take(client, timeout)
        try:
            yield
        finally:
            self._give()

    async def _take(self, client: str, timeout: Seconds) -> None:
        if self._free:
            self._free -= 1
            return
        if self.waiting >= self._longest:
            raise ApiError(429, "the queue is full; try again later", "queue_full", retry_after=5)
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        try:
            await asyncio.wait([place], timeout=timeout)
            if not place.done():
                raise ApiError(503, f"no turn came within {timeout:g} s; try again later", "timeout", retry_after=30)
        except BaseException:  # also a client that leaves
            if place.done():
                self._give()
            else:
                self._leave(client, place)
            raise

    def _give(self) -> None:
        """Give a turn that is over to the next one."""
        if not self._waiting:
            self._free += 1
            return
        client, places = self._waiting.popitem(last=False)
        places.popleft().set_result(None)
        if places:
            self._waiting[client] = places

    def _leave(self, client: str, place: "asyncio.Future[None]") -> None:
        places = self._waiting[client]
        places.remove(place)
        if not places:
            del self._waiting[client]
