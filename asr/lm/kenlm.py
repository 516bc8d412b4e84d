"""N-gram models as the search reads them, by KenLM: its binary form is mapped, and never parsed.

Of a model of 2.7 million n-grams the text takes KenLM a second, after Python has taken two to write
it. The binary is written in half a second, and mapped at once. It is KenLM's kind with hash tables
of linear probing (Heafield 2011, "KenLM: Faster and Smaller Language Model Queries", section 3.1),
of format version 5:

1. A head, which tells the program's version, numbers in its byte order, and how many n-grams there
   are of each length.
2. The words' table, from a word's hash to its number. `<unk>` is number 0, and not in it.
3. Probability and back-off of each word, by number, and of one more.
4. A table for each further length, from an n-gram's hash to its probability and back-off. The
   longest n-grams have no back-off.
5. The words, in the order of their numbers.

Two facts are hidden in signs. A probability's sign bit tells that no longer n-gram ends in this
one, so that nothing longer need be sought. A back-off of -0 tells that none begins with it.
"""

import contextlib
import gzip
import hashlib
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from asr.cache import cached
from asr.errors import ModelError
from asr.files import atomic, unpacking
from asr.lm.compact import is_compact, read_compact
from asr.lm.ngram import LOG10, NEVER, UNKNOWN, Integers, Level, NgramModel

LONGEST_NGRAM = 6
"""Words of an n-gram, as flashlight-text's wheels have KenLM."""
SLACK = np.float32(1.5)
"""Places of a table for each of its entries."""
FORM = 1
"""Number of what `write_binary` writes of a model: raise it when that changes."""

Hashes: TypeAlias = npt.NDArray[np.uint64]
Floats32: TypeAlias = npt.NDArray[np.float32]

_WORD = np.dtype({"names": ["key", "number"], "formats": [np.uint64, np.uint32], "offsets": [0, 8], "itemsize": 12})
_LONGEST = np.dtype({"names": ["key", "prob"], "formats": [np.uint64, np.float32], "offsets": [0, 8], "itemsize": 12})
_MIDDLE = np.dtype([("key", np.uint64), ("prob", np.float32), ("back_off", np.float32)])
_SIGN = np.uint32(1 << 31)
_TIMES, _WORD_TIMES = np.uint64(8978948897894561157), np.uint64(17894857484156487943)
"""By what KenLM multiplies an n-gram's hash, and the number of the word before it."""


@contextlib.contextmanager
def for_kenlm(path: Path) -> Iterator[Path]:
    """Give a path where KenLM can read a model while the block runs: the file's own, or a copy's.

    A compact model's copy is KenLM's binary, which the user's cache keeps. A gzipped file is
    unpacked.

    Raises:
        ModelError: as `read_compact` and `write_binary`, or if a gzipped file is damaged.
        AsrError: if there is no room for the copy.
    """
    if _is_gzipped(path):
        with tempfile.TemporaryDirectory(prefix="asr-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder) / path.name  # under which errors know it
            _unzip(path, copy)
            yield copy
    elif is_compact(path):
        name = f"{hashlib.sha256(path.read_bytes()).hexdigest()}-{FORM}.kenlm"
        with cached(name, lambda copy: write_binary(read_compact(path), copy, path)) as copy:
            yield copy
    else:
        yield path


def _is_gzipped(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
    return False


def _unzip(path: Path, copy: Path) -> None:
    try:
        with gzip.open(path) as packed, atomic(copy) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(unpacking(path, cast(BinaryIO, packed)), file)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise ModelError(f"{path}: is not a whole gzip file; copy it again") from None


def write_binary(model: NgramModel, path: Path, source: Path | None = None) -> None:
    """Write a model as KenLM's binary.

    Args:
        model: of n-grams whose ends are n-grams, too: of "a b c" it has "b c". `estimate` and its
            pruning leave none that is not.
        path: the file.
        source: where the model is from, for errors; None is the file.

    Raises:
        ModelError: if it is of single words or of more than six, or the end of an n-gram is none.
        AsrError: if the file cannot be written.
    """
    if not 1 < model.order <= LONGEST_NGRAM:
        raise ModelError(
            f"{source or path}: a search takes n-grams of 2 to {LONGEST_NGRAM} words, and these have {model.order}; build others"
        )
    ends = _ends(model, source or path)
    size, unknown = len(model.vocabulary), model.vocabulary.index(UNKNOWN)
    numbers = np.arange(1, size + 1)
    numbers[unknown:] -= 1
    numbers[unknown] = 0
    texts = [UNKNOWN.encode(), *(word.encode() for word in model.vocabulary if word != UNKNOWN)]
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(_head(model))
        file.write(struct.pack("<II", 0, size))
        _table(_WORD, _hashes(texts[1:]), size, number=np.arange(1, size)).tofile(file)
        keys, firsts = numbers.astype(np.uint64), numbers
        for place, level in enumerate(model.levels):
            longest = level is model.levels[-1]
            probs = _probs(level, None if longest else ends[place])
            back_offs = _back_offs(level, None if longest else model.levels[place + 1].histories)
            if not place:
                rows = np.zeros((size + 1, 2), np.float32)
                rows[numbers] = np.stack([probs, back_offs], axis=1)
                rows.tofile(file)
                continue
            firsts = firsts[level.histories]
            keys = keys[ends[place - 1]] * _TIMES ^ (firsts.astype(np.uint64) + np.uint64(1)) * _WORD_TIMES
            if longest:
                _table(_LONGEST, keys, len(level), prob=probs).tofile(file)
            else:
                _table(_MIDDLE, keys, len(level), prob=probs, back_off=back_offs).tofile(file)
        file.write(b"".join(text + b"\0" for text in texts))


def _ends(model: NgramModel, source: Path) -> list[Integers]:
    """Of all n-grams of 2, 3, ... words: the places of their ends among those of a word less."""
    found = [model.levels[1].words]  # the first level has the words in their order
    for length, level in enumerate(model.levels[2:], start=3):
        places = model.places(length - 1, found[-1][level.histories], level.words)
        if (places < 0).any():
            raise ModelError(f"{source}: has {length}-grams whose ends are no {length - 1}-grams; build it again")
        found.append(places)
    return found


def _head(model: NgramModel) -> bytes:
    """What KenLM compares with its own, and how many n-grams there are of each length."""
    version = _padded(b"mmap lm http://kheafield.com/code format version 5\n\0\0")
    numbers = struct.pack("=fffIIIQ", 0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
    kind, lists_words, search = 0, True, 0
    form = struct.pack("=B3xfI?3xI", model.order, SLACK, kind, lists_words, search)
    return _padded(version + numbers + form + struct.pack(f"={model.order}Q", *map(len, model.levels)))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _probs(level: Level, ends: Integers | None) -> Floats32:
    """Base 10 logarithms; positive, which none is, where a longer n-gram ends in this one."""
    probs = np.maximum(level.log_probs / LOG10, NEVER).astype(np.float32)
    bits = probs.view(np.uint32)
    bits |= _SIGN
    if ends is not None:
        bits[ends] &= ~_SIGN
    return probs


def _back_offs(level: Level, histories: Integers | None) -> Floats32:
    """Base 10 logarithms; 0 with a sign where no longer n-gram begins with this one."""
    back_offs = (level.back_offs / LOG10).astype(np.float32)
    back_offs[back_offs == 0] = -0.0
    if histories is not None:
        back_offs[histories] += 0.0  # makes -0 to 0
    return back_offs


def _table(row: np.dtype[Any], keys: Hashes, entries: int, **values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A hash table: a row stands at its key's remainder, or at the next free place after it.

    `entries` decides the table's size.
    """
    size = max(entries + 1, int(SLACK * np.float32(entries)))
    wanted = (keys % np.uint64(size)).astype(np.int64)
    order = np.argsort(wanted)
    # In this order each is at its own place or after the one before it.
    steps = np.arange(len(keys))
    places = np.maximum.accumulate(wanted[order] - steps) + steps
    is_free = np.ones(size, np.bool_)
    is_free[places[places < size]] = False
    past = int((places >= size).sum())  # those go on at the table's beginning
    places[len(places) - past :] = np.flatnonzero(is_free)[:past]
    table = np.zeros(size, row)
    for name, column in {"key": keys, **values}.items():
        table[name][places] = column[order]
    return table


def _hashes(words: Sequence[bytes]) -> Hashes:
    """MurmurHash64A of each word, with seed 0."""
    times, shift = np.uint64(0xC6A4A7935BD1E995), np.uint64(47)
    sizes = np.array(list(map(len, words)), np.int64)
    text = np.frombuffer(b"".join(words) + bytes(8), np.uint8)
    starts = np.cumsum(sizes) - sizes
    hashes = sizes.astype(np.uint64) * times
    for done in range(0, int(sizes.max(initial=0)), 8):
        rows = np.flatnonzero(sizes > done)
        left = sizes[rows] - done
        eight = text[starts[rows, None] + done + np.minimum(np.arange(8), left[:, None])]
        eight[np.arange(8) >= left[:, None]] = 0
        block = eight.view(np.uint64)[:, 0]
        mixed = block * times
        mixed = (mixed ^ mixed >> shift) * times
        hashes[rows] = (hashes[rows] ^ np.where(left >= 8, mixed, block)) * times
    hashes = (hashes ^ hashes >> shift) * times
    return hashes ^ hashes >> shift
