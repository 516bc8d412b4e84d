"""An archive in shares among processes that may die: each recording is answered for once.

A process has one share in hand. When it dies, its share goes to the next one. What `TRIES`
processes died of is tried recording by recording, and one that ends as many again is given up. A
process first gets the empty share, which it answers when it has started: one that waits for room on
a full cluster keeps no work from others.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, TypeAlias, TypeVar

from asr.errors import AsrError
from asr.transcription.archive import Job
from asr.transcription.transcript import Transcript

TRIES = 3
LARGEST = 64
"""Recordings in a share."""
EACH = 16
"""Shares a process, at least: so that towards the end all have something to do."""

Share: TypeAlias = tuple[Job, ...]
Found: TypeAlias = Transcript | str
"""What became of a recording, or a line to tell."""
A = TypeVar("A")
R = TypeVar("R")


class Processes(Protocol[A, R]):
    """Where shares are done."""

    def start(self) -> A:
        """Start a process; it may take its time."""

    def give(self, process: A, share: Share) -> R:
        """Let it do a share."""

    def answer(self, waiting: Collection[R]) -> tuple[R, Sequence[Found] | None]:
        """Wait for one that has done its share, and say what it found; None if it died."""


def shares(sizes: Sequence[tuple[Job, int]], processes: int) -> list[Share]:
    """Part an archive into shares of about one size, the largest recordings first.

    Args:
        sizes: recordings and their bytes.
        processes: how many there are.
    """
    most = sum(size for _, size in sizes) / (EACH * processes)
    parted: list[list[Job]] = []
    room = -1.0
    for job, size in sorted(sizes, key=lambda sized: -sized[1]):
        if size > room or len(parted[-1]) == LARGEST:
            parted.append([])
            room = most
        parted[-1].append(job)
        room -= size
    return [tuple(share) for share in parted]


def hand_out(waiting: Sequence[Share], processes: Processes[A, R], count: int) -> Iterator[Found]:
    """Have shares done, and tell what was found as it comes.

    Args:
        waiting: the shares.
        processes: where they are done.
        count: how many processes at a time.

    Raises:
        AsrError: if process after process dies before it has started.
    """
    queue, deaths = deque(waiting), Counter[Share]()
    hands: dict[R, tuple[A, Share]] = {}

    def give(process: A, share: Share) -> None:
        hands[processes.give(process, share)] = process, share

    for _ in range(count):
        give(processes.start(), ())
    while queue or any(share for _, share in hands.values()):
        hand, found = processes.answer(hands)
        process, share = hands.pop(hand)
        if found is not None:
            deaths[()] = 0
            yield from found
            if queue:
                give(process, queue.popleft())
            continue
        deaths[share] += 1
        if deaths[()] == TRIES * count:
            raise AsrError(
                "process after process ended before it had read the model; is this version of asr on all machines, and "
                "enough memory for it? The log beside the texts says more"
            )
        if share and deaths[share] < TRIES:
            queue.appendleft(share)
        elif len(share) > 1:
            queue.extendleft((job,) for job in reversed(share))
        elif share:
            (job,) = share
            reason = f"{job.path}: each of the {TRIES} processes that read it ended; is there enough memory for it?"
            yield Transcript(str(job.path), job.stem, None, AsrError(reason))
        give(processes.start(), ())
