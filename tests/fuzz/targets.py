"""What can be handed to the program from outside: how a valid input is made, and how it is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.mutation import Mutate, mutated


@dataclass(frozen=True)
class Target:
    """A kind of bytes that somebody else may have written."""

    name: str
    valid: Callable[[Path], Sequence[bytes]]
    """Makes inputs that are read without an error, and in the folder what else reading takes."""
    read: Callable[[Path, bytes], None]
    """Reads an input in that folder, as a command would; only the program's own errors may come."""
    mutate: Mutate = mutated
    words: tuple[bytes, ...] = ()
    """That its form knows."""
    mended: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    """What once was a fault, made of the first valid input; read before what chance has made."""
