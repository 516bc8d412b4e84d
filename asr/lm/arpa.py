"""N-gram models from and to the files that programs exchange."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.errors import ModelError
from asr.lm.compact import SUFFIX, is_compact, read_compact, write_compact
from asr.lm.kenlm import for_kenlm
from asr.lm.ngram import LOG10, NOTHING, Level, NgramModel, is_binary, vocabulary


def read_ngram(path: Path) -> NgramModel:
    """Read an ARPA file, also a gzipped one, or a compact model.

    Raises:
        ModelError: if it is missing, damaged, or of another kind, such as KenLM's binary.
    """
    if is_compact(path):
        return read_compact(path)
    if is_binary(path):
        raise ModelError(
            f"{path}: n-grams cannot be taken out of KenLM's binary; name the ARPA file that it was made of"
        )
    with for_kenlm(path) as plain:
        vocabulary(plain)  # which says what is wrong with a file of another kind
        try:
            return _read_arpa(plain)
        except (ValueError, LookupError) as error:
            raise ModelError(f"{path}: not a whole ARPA file ({error}); build or copy it again") from None


def write_ngram(model: NgramModel, path: Path) -> None:
    """Write the compact form if the file is named .ngram, else an ARPA file.

    Raises:
        AsrError: if it cannot be written.
    """
    if path.suffix == SUFFIX:
        write_compact(model, path)
    else:
        model.write(path)


def _read_arpa(path: Path) -> NgramModel:
    words: dict[str, int] = {}
    levels: list[Level] = []
    before = {"": 0}
    for rows in _sections(path):
        texts = [text for _, text, _ in rows]
        words = words or {word: number for number, word in enumerate(texts)}
        parts = [text.rpartition(" ") for text in texts]
        histories = np.array([_number(before, history) for history, _, _ in parts], np.int64)
        lasts = np.array([_number(words, word) for _, _, word in parts], np.int64)
        order = np.lexsort((lasts, histories))
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            log_probs, back_offs = (np.array([row[column] for row in rows])[order] * LOG10 for column in (0, 2))
        levels.append(Level(histories[order], lasts[order], np.maximum(log_probs, NOTHING), back_offs))
        before = {texts[place]: number for number, place in enumerate(order.tolist())}
        if len(before) < len(rows):
            raise ValueError("it has an n-gram twice")
        if not np.isfinite(log_probs).all() or not np.isfinite(back_offs).all():
            raise ValueError("it has logarithms that are no numbers")
    return NgramModel(list(words), levels)


def _number(numbers: dict[str, int], text: str) -> int:
    if text not in numbers:
        raise ValueError(f"{text!r} goes before or after a word, and is no n-gram itself")
    return numbers[text]


def _sections(path: Path) -> Iterator[list[tuple[float, str, float]]]:
    """The n-grams of 1, 2, ... words: base 10 log-prob, words, base 10 back-off."""
    rows: list[tuple[float, str, float]] = []
    length = 0
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            fields = line.split()
            if fields and fields[0].startswith("\\") and fields[0] != "\\data\\":
                if length:
                    yield rows
                if fields[0] == "\\end\\":
                    return
                rows, length = [], length + 1
                if fields[0] != f"\\{length}-grams:":
                    raise ValueError(f"{fields[0]} stands where \\{length}-grams: should")
            elif fields and length:
                if len(fields) not in (length + 1, length + 2):
                    raise ValueError(f"{line.strip()!r} is no {length}-gram")
                back_off = float(fields[-1]) if len(fields) == length + 2 else 0.0
                rows.append((float(fields[0]), " ".join(fields[1 : length + 1]), back_off))
    raise ValueError("it has no line \\end\\")
