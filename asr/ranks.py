"""The processes that torchrun started, here or on several machines: what crosses between them.

    torchrun --nproc-per-node 2 -m asr train ...

Each has a rank, from 0. All do the same work on other shares of the data. The first one alone
writes, and tells the user. A process that was started by itself is `ALONE`: nothing crosses, and
nothing is loaded for it.
"""

import contextlib
import io
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asr.errors import AsrError, exit_code
from asr.units import Seconds
from asr.workers import num_cores, sum_in_pairs

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

TIMEOUT: Seconds = 600.0
"""How long ranks wait for one another in a step of training, and for all to have started."""
FAILED = "asr failures"
"""Under this name the store counts ranks that failed."""
LOST = "another process of this run has ended, or did not answer for {:g} seconds; repeat the command to go on"


class Ranks:
    """This process among those that torchrun started.

    Args:
        number: its rank, from 0.
        count: how many there are.
        neighbours: how many of them are on this machine.
        store: what torchrun keeps for all of them; None for one process alone.
    """

    def __init__(self, number: int = 0, count: int = 1, neighbours: int = 1, store: Any = None) -> None:
        self.number = number
        self.count = count
        self.neighbours = neighbours
        self._store = store
        self._meetings = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and tells."""
        return self.number == 0

    def deal(self, items: Sequence[T]) -> Sequence[T]:
        """Take this rank's share of what all have: every so many-th."""
        return items[self.number :: self.count]

    def collect(self, results: Sequence[T]) -> list[T]:
        """Put together, in order, what became of items that were dealt, however long each takes."""
        self._meet()
        shares = self.gather(results)
        return [shares[n % self.count][n // self.count] for n in range(sum(map(len, shares)))]

    def gather(self, value: T) -> list[T]:
        """Each rank's value, in their order."""
        if self._store is None:
            return [value]
        import torch.distributed

        found: list[Any] = [None] * self.count
        with reaching():
            torch.distributed.all_gather_object(found, value)
        return found

    def once(self, function: Callable[[], T]) -> T:
        """Let the first rank call a function, however long it takes, and hand all what it returns.

        Tensors arrive on the CPU. If it fails, all ranks end.
        """
        if self._store is None:
            return function()
        import torch.distributed

        packed: list[bytes | None] = [None]
        if self.first:
            result = function()
            buffer = io.BytesIO()
            torch.save(result, buffer)
            packed = [buffer.getvalue()]
        self._meet()
        with reaching():
            torch.distributed.broadcast_object_list(packed, src=0)
        if self.first:
            return result
        return cast(T, torch.load(io.BytesIO(cast(bytes, packed[0])), map_location="cpu", weights_only=False))

    def add_up(self, tensors: "list[Tensor]") -> None:
        """Add up all ranks' tensors, in place, in the same order always.

        Each rank adds a part of them and hands it to the others. So as much crosses the network as
        if the order were left to chance.
        """
        if self._store is None:
            return
        import torch
        import torch.distributed

        sizes = [tensor.numel() for tensor in tensors]
        padding = tensors[0].new_zeros(-sum(sizes) % self.count)
        whole = torch.cat([*(tensor.flatten() for tensor in tensors), padding])
        parts = torch.empty_like(whole)
        with reaching():
            torch.distributed.all_to_all_single(parts, whole)
            [part] = sum_in_pairs([[part] for part in parts.view(self.count, -1)])
            torch.distributed.all_gather(list(whole.view(self.count, -1)), part.contiguous())
        for tensor, summed in zip(tensors, torch.split(whole, [*sizes, len(padding)]), strict=False):
            tensor.copy_(summed.view_as(tensor))

    def misfit(self, threads: int, remedy: str) -> str | None:
        """Say in a line if this machine's cores are too few for its ranks, or half of them idle.

        Args:
            threads: of each rank.
            remedy: the setting that decides how many these are.
        """
        cores, busy = num_cores(), self.neighbours * threads
        if self.count == 1 or busy <= cores < 2 * busy:
            return None
        return (
            f"note: {self.neighbours} {'process' if self.neighbours == 1 else 'processes'} of {threads} "
            f"{'thread' if threads == 1 else 'threads'} for {cores} cores; "
            f"{'lower' if busy > cores else 'raise'} --nproc-per-node or {remedy}"
        )

    def speaks(self) -> bool:
        """Whether this process is the first to tell of a failure, of which the others follow."""
        if self._store is None:
            return True
        try:
            return int(self._store.add(FAILED, 1)) == 1
        except RuntimeError:  # whoever kept the store has gone
            return self.first

    def _meet(self) -> None:
        """Wait until all are here, while none fails. If one is killed, torchrun ends the others."""
        if self._store is None:
            return
        self._meetings += 1
        key = f"asr meeting {self._meetings}"
        with reaching():
            arrived = self._store.add(key, 1)
            while arrived < self.count:
                time.sleep(0.05)
                if self._store.add(FAILED, 0):
                    raise RuntimeError
                arrived = self._store.add(key, 0)


ALONE = Ranks()
"""One process, that nobody shares work with."""


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes of a run, as torchrun's environment tells; without it, be alone.

    Where an error ends them all, only the first to meet it raises it, for one line to be printed.
    The others leave quietly.

    Raises:
        AsrError: if the others cannot be reached.
        SystemExit: instead of an error that another rank tells of.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield ALONE
        return
    import torch
    import torch.distributed
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]
    from torch.distributed.rendezvous import rendezvous

    patience = timedelta(seconds=TIMEOUT)
    try:
        store, number, count = next(iter(rendezvous("env://", timeout=patience)))
        store = PrefixStore(_agreed_name(store, number, count), store)
        ranks = Ranks(number, count, int(os.environ.get("LOCAL_WORLD_SIZE", 1)), store)
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=store,
            rank=number,
            world_size=count,
            timeout=patience,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise AsrError(
            f"{socket.gethostname()} cannot reach the other processes ({str(error).splitlines()[0]}); "
            "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME name the network interface to take (docs/scaling.md)"
        ) from None
    try:
        yield ranks
    except (AsrError, OSError, KeyboardInterrupt) as error:
        if ranks.speaks():
            raise
        raise SystemExit(exit_code(error)) from None
    torch.distributed.destroy_process_group()


def _agreed_name(store: Any, number: int, count: int) -> str:
    """Agree with the other ranks on a name that no earlier start of them had.

    torchrun's store still has what ranks wrote before a restart, such as where they listened. Those
    that are alive now are told from them by an answer to a number drawn at random.

    Raises:
        RuntimeError: if the others are too late.
    """
    own, deadline = secrets.token_hex(8), time.monotonic() + TIMEOUT
    if number == 0:
        store.set("asr start", own)
        others = [store.get(f"{own} {other}").decode() for other in range(1, count)]
        for other in others:
            store.set(f"asr go {other}", own)
        return own
    while time.monotonic() < deadline:
        store.set(f"{store.get('asr start').decode()} {number}", own)
        if store.check([f"asr go {own}"]):
            return str(store.get(f"asr go {own}").decode())
        time.sleep(0.05)
    raise RuntimeError(f"not all have started in {TIMEOUT:g} seconds")


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Turn what torch says of ranks that do not answer into a line for the user."""
    try:
        yield
    except RuntimeError:
        raise AsrError(LOST.format(TIMEOUT)) from None
