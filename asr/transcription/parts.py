"""The sound of a recording -> its parts in order, several pieces decoded at the same time."""

import math
from collections.abc import Iterator
from itertools import chain
from typing import TypeAlias

from asr.audio.waveform import Waveform
from asr.recogniser.engine import Arrays, Engine
from asr.transcription.journal import EVERY, Journal
from asr.transcription.long import Parting, Piece
from asr.transcription.part import Part, PieceReader
from asr.transcription.sound import Sound
from asr.workers import map_ahead

AHEAD = 4
"""Blocks that are searched for pauses before their pieces are needed: two long chunks."""
State: TypeAlias = tuple[int, Arrays]
"""After how many of all pieces it is, and what `Parting.state` gave."""


def read_parts(reader: PieceReader, sound: Sound, journal: Journal | None = None, *, jobs: int = 1) -> Iterator[Part]:
    """Decode a recording piece by piece, but not what a journal has already.

    Args:
        reader: decodes a piece.
        sound: the recording.
        journal: it keeps a state every few minutes, which comes after the parts before it.
        jobs: pieces that are decoded at the same time, beside the search for the next ones.
    """
    blocks = chain(sound, [None])
    parted = _Parted(reader.recogniser, journal)
    found = map_ahead(parted, blocks, 1, ahead=None if jobs == 1 else AHEAD)

    def read(found: Piece | State) -> Part | State:
        return reader(found) if isinstance(found, Piece) else found

    for part in map_ahead(read, chain.from_iterable(found), jobs):
        if isinstance(part, Part):
            yield part
        elif journal is not None:
            journal.keep(*part)


class _Parted:
    """The pieces of a recording that a journal does not have, and states for it; block by block."""

    def __init__(self, recogniser: Engine, journal: Journal | None) -> None:
        self._number, state = journal.state() if journal else (0, None)
        self._done = journal.count if journal else 0
        self._parting = Parting(recogniser, state=state)
        self._read, self._kept = 0, self._parting.samples
        self._every = EVERY * recogniser.config.features.sample_rate if journal else math.inf

    def __call__(self, block: Waveform | None) -> list[Piece | State]:
        """Take the next samples, (N,); None is the end."""
        parting = self._parting
        if block is None:
            return self._new(parting.finish())
        self._read += len(block)
        fresh = self._read - parting.samples
        if fresh <= 0:
            return []  # the state knows it
        found = self._new(parting.accept(block[len(block) - fresh :]))
        if parting.samples - self._kept >= self._every:
            self._kept = parting.samples
            return [*found, (self._number, parting.state())]
        return found

    def _new(self, pieces: list[Piece]) -> list[Piece | State]:
        known = max(0, self._done - self._number)
        self._number += len(pieces)
        return [*pieces[known:]]
