"""A valid input -> one that is damaged, or made to lie; the same for the same draw."""

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias

Mutate: TypeAlias = Callable[[bytes, Random, Sequence[bytes]], bytes]
"""Of an input, with the words that its form knows."""

LONGEST = 1 << 18
"""Bytes of an input."""
_EDGES = [0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 1000, 1024, 32767, 32768, 65535, 65536, 1 << 20, 10**9]
_EDGES += [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 10**12, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
_NUMBERS = [b"-1", b"-0", b"0.5", b"-1e9", b"1e300", b"1e308", b"1e400", b"1e-300", b"nan", b"inf", b"-inf", b"NaN"]
_NUMBERS += [b"Infinity", b"0" * 50, b"9" * 400, b"9" * 5000, b"1_0", "٣".encode(), b"0x10", b"true", b"null"]
_NUMBERS += [str(edge).encode() for edge in _EDGES]
_PIECES = [
    b"",
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b'"',
    b"'",
    b"\\",
    b"/",
]
_PIECES += [b"..", b"../../../etc/passwd", b"%s%n", b"{", b"}", b"[", b"]", b"(", b")", b"<", b">", b"|", b";;", b"#"]
_PIECES += [b"\xed\xa0\x80", b"\\ud800", "\u2028".encode(), "\u0130ß".encode(), "\U0001f600".encode(), b"\xc2\x85"]
_PIECES += [b"[]", b"{}", b'""', b"null", b"\x1b[31m", b"a" * 300, "e\u0301".encode(), b"\x0c", b"\x1c", b"\xa0"]
_VALUES = [None, True, False, 0, -1, 1, 2, 7, 0.5, -0.5, 1e308, -1e308, 1e-308, 10**400, 2**31, 2**63, 10**12, 1e9, 1e6]
_VALUES += ["", " ", "a", "0", "1.5", "\0", "a" * 300, "../x", "/etc/passwd", "\ud800", "é", "a\nb", "file", "command"]
_VALUES += [[], {}, [[]], [0], [0, 1], ["a"], {"a": 1}, [None], [[0, [1]]], float("nan"), float("inf"), -float("inf")]
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")


def mutated(data: bytes, draw: Random, words: Sequence[bytes] = ()) -> bytes:
    """Change an input in one to eight places."""
    for _ in range(min(8, 1 + int(draw.expovariate(0.6)))):
        data = draw.choice(_WAYS)(data, draw, words)[:LONGEST]
    return data


def of_header(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
    """Change a file of safetensors; half the time only its header, whose length then is right."""
    if draw.random() < 0.3:
        return mutated(data, draw, words)
    size = int.from_bytes(data[:8], "little")
    header = mutated(data[8 : 8 + size], draw, words) if draw.random() < 0.5 else _lying(data[8 : 8 + size], draw)
    body = data[8 + size :]
    return struct.pack("<Q", len(header)) + header + (body if draw.random() < 0.7 else mutated(body, draw))


def _lying(header: bytes, draw: Random) -> bytes:
    """A header that is right in itself: a tensor is gone, of another type, shape or name."""
    tensors = json.loads(header)
    name = draw.choice(sorted(tensors))
    tensor = tensors.pop(name)
    if name != "__metadata__" and draw.random() < 0.9:
        kinds = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1, "C64": 8}
        size = tensor["data_offsets"][1] - tensor["data_offsets"][0]
        kind = draw.choice([kind for kind, width in kinds.items() if size % width == 0] or ["U8"])
        count = size // kinds[kind]
        shape = draw.choice(
            [[count], [count, 1], [1, count], [1] * 70 + [count], [count, 0], [] if count == 1 else [count]]
        )
        tensors[draw.choice([name, name + "x"])] = {**tensor, "dtype": kind, "shape": shape}
    return json.dumps(tensors).encode()


def of_json(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
    """Change values in JSON, or in a line of it, so that it is still JSON; at times its bytes."""
    lines = data.split(b"\n")
    filled = [place for place, line in enumerate(lines) if line.strip()]
    for begin, end in ((0, len(lines)), *((place, place + 1) for place in draw.sample(filled, min(1, len(filled))))):
        try:
            value = json.loads(b"\n".join(lines[begin:end]))
        except (ValueError, RecursionError):
            continue
        if draw.random() < 0.3:
            break
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            value = _other(value, draw)
        return b"\n".join([*lines[:begin], json.dumps(value).encode(), *lines[end:]])
    return mutated(data, draw, words)


def _other(value: Any, draw: Random) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.9:
        name, what = draw.choice(sorted(value)), draw.random()
        rest = {key: one for key, one in value.items() if key != name}
        if what < 0.08:
            return rest
        return rest | ({f"{name}x": value[name]} if what < 0.12 else {name: _other(value[name], draw)})
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], _other(value[place], draw), *value[place + draw.choice([0, 1, 1, 1]) :]]
    return draw.choice(_VALUES)


def inside(unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes], mutate: Mutate = mutated) -> Mutate:
    """Change what a file holds that is packed as a whole, or at times the packing."""

    def mutate_inside(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
        return mutated(data, draw) if draw.random() < 0.2 else pack(mutate(unpack(data), draw, words))

    return mutate_inside


def of_archive(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
    """Change a member of a zip, or at times the zip."""
    if draw.random() < 0.2:
        return mutated(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = [name for name in members if name.endswith(".pkl")] if draw.random() < 0.7 else sorted(members)
    name = draw.choice(chosen)
    members[name] = mutated(members[name], draw, words)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def _place(data: bytes, draw: Random) -> int:
    """Headers are at the beginning, so half of all changes are."""
    return draw.randrange(min(len(data), 96) + 1) if draw.random() < 0.5 else draw.randrange(len(data) + 1)


def _flip(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    place = _place(data, draw)
    return (
        data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :] if place < len(data) else data
    )


def _overwrite(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    """A number of 1 to 8 bytes, in either order."""
    size, place = draw.choice([1, 2, 4, 8]), _place(data, draw)
    number = (draw.choice(_EDGES) if draw.random() < 0.7 else draw.getrandbits(64)) % (1 << 8 * size)
    return data[:place] + number.to_bytes(size, draw.choice(["little", "big"])) + data[place + size :]


def _insert(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
    place, what = _place(data, draw), draw.choice([*_PIECES, *words, *words])
    return data[:place] + what * draw.choice([1, 1, 1, 2, 50]) + data[place:]


def _delete(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    place = _place(data, draw)
    return data[:place] + data[place + draw.choice([1, 1, 2, 4, 16, 256]) :]


def _cut(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    return data[: _place(data, draw)]


def _repeat(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    start = _place(data, draw)
    piece = data[start : start + draw.choice([1, 2, 4, 16, 64, 1024])]
    return data[:start] + piece * draw.choice([2, 2, 3, 10, 200, 5000]) + data[start:]


def _move(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    start, size = _place(data, draw), draw.choice([1, 4, 16, 64, 512])
    piece, rest = data[start : start + size], data[:start] + data[start + size :]
    place = _place(rest, draw)
    return rest[:place] + piece + rest[place:]


def _number(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    """Another number in place of one that is written in digits."""
    found = list(_NUMBER.finditer(data[:20_000]))
    if not found:
        return data
    one = draw.choice(found)
    return data[: one.start()] + draw.choice(_NUMBERS) + data[one.end() :]


def _lines(data: bytes, draw: Random, words: Sequence[bytes]) -> bytes:
    """Lines in another order, or fields, or twice."""
    separator = draw.choice([b"\n", b"\n", b"\t", b" ", b",", b":", *words])
    parts = data.split(separator, 200)
    draw.choice([draw.shuffle, lambda some: some.append(draw.choice(some)), lambda some: some.reverse()])(parts)
    return separator.join(parts)


def _nest(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    place, (opening, closing) = _place(data, draw), draw.choice([b"[]", b"{}", b"()"]).__iter__()
    depth = draw.choice([2, 10, 60, 3000, 20_000])
    inner = draw.choice([b"", b"a/b", b"1"])
    return data[:place] + bytes([opening]) * depth + inner + bytes([closing]) * depth + data[place:]


def _random(data: bytes, draw: Random, _words: Sequence[bytes]) -> bytes:
    place = _place(data, draw)
    return data[:place] + draw.randbytes(draw.choice([1, 3, 8, 64])) + data[place:]


_WAYS = [_flip, _flip, _overwrite, _overwrite, _insert, _insert, _delete, _cut, _repeat, _move, _number, _number]
_WAYS += [_lines, _nest, _random]
