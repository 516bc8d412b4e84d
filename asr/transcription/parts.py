"""The sound of a recording -> its parts in order, several pieces decoded at the same time."""

from collections.abc import Iterator

from asr.recogniser.engine import Arrays
from asr.transcription.journal import EVERY, Journal
from asr.transcription.long import Parting, Piece, pieces
from asr.transcription.part import Part, PieceReader
from asr.transcription.sound import Sound
from asr.workers import map_ahead


def read_parts(reader: PieceReader, sound: Sound, journal: Journal | None = None, *, jobs: int = 1) -> Iterator[Part]:
    """Decode a recording piece by piece, but not what a journal has already.

    Args:
        reader: decodes a piece.
        sound: the recording.
        journal: it keeps a state every few minutes, which comes after the parts before it.
        jobs: pieces that are decoded at the same time.
    """
    if journal is None:
        yield from map_ahead(reader, pieces(reader.recogniser, sound), jobs)
        return

    def read(found: Piece | tuple[int, Arrays]) -> Part | tuple[int, Arrays]:
        return reader(found) if isinstance(found, Piece) else found

    for found in map_ahead(read, _begun(reader, sound, journal), jobs):
        if isinstance(found, Part):
            yield found
        else:
            journal.keep(*found)


def _begun(reader: PieceReader, sound: Sound, journal: Journal) -> Iterator[Piece | tuple[int, Arrays]]:
    """Pieces that a journal does not have; between them, after how many of all a state was."""
    number, state = journal.state()
    done, parting = journal.count, Parting(reader.recogniser, state=state)
    reached = kept = parting.samples
    for block in sound:
        if sound.samples <= reached:
            continue  # the state knows it
        for piece in parting.accept(block[len(block) - (sound.samples - parting.samples) :]):
            if number >= done:
                yield piece
            number += 1
        if parting.samples - kept >= EVERY * sound.sample_rate:
            yield number, parting.state()
            kept = parting.samples
    yield from parting.finish()[max(0, done - number) :]
