"""N-gram models in two bytes an n-gram, a sixteenth of an ARPA file.

Words are numbered by how frequent they are. Of each history the words that follow are sorted, and
each is stored as its distance from the one before. Logarithms are rounded to steps of `STEP`, so
that one byte holds them. All goes through LZMA, byte by byte of the numbers. For a search
`kenlm.for_kenlm` makes another form of it.
"""

import contextlib
import io
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from asr.errors import ModelError
from asr.files import atomic, unpacking
from asr.lm.ngram import NOTHING, START, Floats, Integers, Level, NgramModel

SUFFIX = ".ngram"
MAGIC = b"asr n-gram model 1\n"
STEP = 0.0625
"""In nats. Rounding moves a logarithm by 0.016 on average, and perplexity by two thousandths."""

LONGEST_WORD = 1000
"""Letters; more are none, and would make the text of a small model huge."""

Bytes = npt.NDArray[np.uint8]


def write_compact(model: NgramModel, path: Path) -> None:
    """Write a model in the compact form.

    Raises:
        AsrError: if it cannot be written.
    """
    ranks = np.argsort(-model.levels[0].log_probs, kind="stable")
    words_text = "\n".join(model.vocabulary[word] for word in ranks)
    tensors: dict[str, npt.NDArray[Any]] = {"vocabulary": np.frombuffer(words_text.encode(), np.uint8)}
    numbers = np.argsort(ranks)  # of each word its new number
    places = np.zeros(1, np.int64)  # of each history its new number
    for length, level in enumerate(model.levels, start=1):
        histories, words = places[level.histories], numbers[level.words]
        order = np.lexsort((words, histories))
        histories, words = histories[order], words[order]
        follows = np.append(False, histories[1:] == histories[:-1])
        before = np.append(0, words[:-1])
        if length > 1:
            tensors[f"children.{length}"] = _split(np.bincount(histories, minlength=len(places)))
            tensors[f"words.{length}"] = _split(np.where(follows, words - before, words))
        for name, values in (("log_probs", level.log_probs[order]), ("back_offs", level.back_offs[order])):
            if name == "log_probs" or length < model.order:
                tensors[f"{name}.{length}"], tensors[f"{name}.{length}.scale"] = _rounded(values)
        places = np.argsort(order)
    content = MAGIC + lzma.compress(safetensors.numpy.save(tensors), preset=9 | lzma.PRESET_EXTREME)
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def read_compact(path: Path) -> NgramModel:
    """Read what `write_compact` wrote; logarithms are rounded.

    Raises:
        ModelError: if the file cannot be read, is damaged or of another kind.
    """
    try:
        content = path.read_bytes()
        if not content.startswith(MAGIC):
            raise ValueError("it does not begin as one")
        with lzma.open(io.BytesIO(content[len(MAGIC) :])) as packed:
            return _model(safetensors.numpy.load(unpacking(path, cast(BinaryIO, packed)).read()))
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        lzma.LZMAError,
        safetensors.SafetensorError,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: not a compact n-gram model ({reason}); build or copy it again") from None


def is_compact(path: Path) -> bool:
    """Whether a file begins as a compact model does; one that cannot be read does not."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
    return False


def _model(tensors: Mapping[str, npt.NDArray[Any]]) -> NgramModel:
    vocabulary = tensors["vocabulary"].tobytes().decode().split("\n")
    size, levels = len(vocabulary), list[Level]()
    if max(map(len, vocabulary)) > LONGEST_WORD:
        raise ValueError(f"it has a word of more than {LONGEST_WORD} letters")
    if len(set(vocabulary)) < size:
        raise ValueError("it has a word twice")
    histories, words = np.zeros(size, np.int64), np.arange(size)
    for length in range(1, 1 + sum(name.endswith(".scale") and name.startswith("log_probs") for name in tensors)):
        if length > 1:
            children, steps = _joined(tensors[f"children.{length}"]), _joined(tensors[f"words.{length}"])
            if len(children) != len(words) or children.max(initial=0) > len(steps) or children.sum() != len(steps):
                raise ValueError(f"its {length}-grams do not fit the shorter ones")
            histories, words = np.repeat(np.arange(len(words)), children), np.cumsum(steps)
            firsts = (np.cumsum(children) - children)[children > 0]
            begun = np.append(0, words)[firsts]  # what the sum had reached before a history's first word
            words = words - np.repeat(begun, children[children > 0])
        log_probs, back_offs = (
            _values(tensors, f"{name}.{length}") if f"{name}.{length}" in tensors else np.zeros(len(words))
            for name in ("log_probs", "back_offs")
        )
        log_probs = np.minimum(log_probs, 0.0)  # no rounding makes a word more than certain
        if not len(histories) == len(words) == len(log_probs) == len(back_offs):
            raise ValueError(f"its {length}-grams do not fit together")
        if not (np.isfinite(log_probs).all() and np.isfinite(back_offs).all() and (words < size).all()):
            raise ValueError(f"its {length}-grams have other words than its own, or no probabilities")
        levels.append(Level(histories, words, log_probs, back_offs))
    levels[0].log_probs[vocabulary.index(START)] = NOTHING
    return NgramModel(vocabulary, levels)


def _split(numbers: Integers) -> Bytes:
    """Numbers -> the lowest byte of each, then the next of each, as many as the largest needs."""
    planes = [numbers & 255]
    while (numbers := numbers >> 8).any():
        planes.append(numbers & 255)
    return np.stack(planes).astype(np.uint8)


def _joined(planes: Bytes) -> Integers:
    if planes.ndim != 2 or planes.dtype != np.uint8 or len(planes) > 4:
        raise ValueError("its numbers are not of up to four bytes each")
    shifts = 8 * np.arange(len(planes), dtype=np.int64)[:, None]
    joined: Integers = (planes.astype(np.int64) << shifts).sum(axis=0)
    return joined


def _rounded(values: Floats) -> tuple[Bytes, npt.NDArray[np.float32]]:
    """Numbers -> steps of one size in a byte each, and (the smallest number, the step)."""
    real = values[values > NOTHING]
    low, high = (float(real.min()), float(real.max())) if len(real) else (0.0, 0.0)
    step = max(STEP, (high - low) / 255)
    return np.round((np.maximum(values, low) - low) / step).astype(np.uint8), np.array([low, step], np.float32)


def _values(tensors: Mapping[str, npt.NDArray[Any]], name: str) -> Floats:
    scale, steps = tensors[f"{name}.scale"], tensors[name]
    if scale.shape != (2,) or scale.dtype != np.float32 or steps.ndim != 1 or steps.dtype != np.uint8:
        raise ValueError("its logarithms are not of one byte each")
    low, step = scale.astype(np.float64)
    values: Floats = low + step * steps.astype(np.float64)
    return values
