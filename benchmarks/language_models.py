"""A recurrent language model beside n-grams on one held-out text, and its BPTT segment.

    python -m benchmarks.language_models
    python -m benchmarks.language_models --segments 1 4 16 64
    bible -f gen1:1-rev22:21 | cut -d" " -f2- > kjv.txt
    python -m benchmarks.language_models --text kjv.txt

The first trains one model, the second one for each segment. The last two take the prose of a
package, here Debian's bible-kjv. The text is a file with a sentence a line. Without one it is what
every installation has: the documentation strings of Python's library and of NumPy. These are some
400,000 words, a paragraph a sentence. Every so many blocks of 50 sentences are held out, about
100,000 words.

Perplexities are a word's, over the words that both models know. The sentence end is one. A word of
the recurrent model is the product of its subwords, separator included. "Running" reads each
sentence after all before it, as in training. "Alone" starts from the zero state, as in rescoring.
Whatever the segment, a step is 512 tokens: shorter segments mean more strands side by side.
"""

import argparse
import ast
import re
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.rnn import RnnLmConfig, RnnTraining, train_rnn_lm
from asr.lm.train import read_sentences
from asr.text.normalise import normalise
from asr.text.tokenizer import TokenizerConfig

BLOCK = 50
HELD_OUT_WORDS = 100_000
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def paragraphs(folder: Path) -> Iterator[str]:
    """The documentation below a folder, without installed packages, tests and examples."""
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder).as_posix()
        if "site-packages" in inside or "test" in inside:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED):
                for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                    text = normalise(paragraph)
                    if ">>>" not in paragraph and len(text.split()) > 4:
                        yield text


def documentation() -> Iterator[str]:
    for folder in (Path(sysconfig.get_paths()["stdlib"]), Path(np.__file__).parent):
        yield from paragraphs(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--segments", type=int, nargs="+", default=[32])
    parser.add_argument("--orders", type=int, nargs="*", default=[2, 3, 4])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--subwords", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    sentences = read_sentences([options.text], "basic") if options.text else list(dict.fromkeys(documentation()))
    every = sum(len(sentence.split()) for sentence in sentences) // HELD_OUT_WORDS
    parts: tuple[list[str], list[str]] = ([], [])
    for number, sentence in enumerate(sentences):
        parts[number // BLOCK % every == every - 1].append(sentence)
    train, held_out = parts
    counts = [sum(len(sentence.split()) for sentence in part) for part in parts]
    console.print(f"{counts[0]:,} words to train on, {counts[1]:,} held out", highlight=False)
    known = {word for sentence in train for word in sentence.split()}
    for order in options.orders:
        found = train_ngram(train, NgramConfig(order)).predict(held_out)
        console.print(f"{order}-gram: {found.perplexity:.1f} over {found.words:,} words, {found.unknown:,} unknown")
    for segment in options.segments:
        start = time.perf_counter()
        model = train_rnn_lm(
            RnnLmConfig(hidden=options.hidden, dropout=options.dropout),
            RnnTraining(
                epochs=options.epochs,
                segment=segment,
                strands=512 // segment,
                learning_rate=options.learning_rate,
            ),
            TokenizerConfig("sentencepiece", options.subwords),
            train,
        )
        seconds = time.perf_counter() - start
        running = model.predict(held_out, known.__contains__)
        console.print(
            f"LSTM, segment {segment}: running {running.perplexity:.1f} over {running.words:,} words, "
            f"{running.unknown:,} unknown; trained in {seconds:.0f} s"
        )
        alone = model.predict(held_out[: len(held_out) // 4], known.__contains__, running=False)
        quarter = model.predict(held_out[: len(held_out) // 4], known.__contains__)
        console.print(f"  on its first quarter: running {quarter.perplexity:.1f}, alone {alone.perplexity:.1f}")


if __name__ == "__main__":
    main()
