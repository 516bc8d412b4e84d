"""A model folder's n-grams -> n-grams that know the words of somebody's recordings, too."""

from collections.abc import Sequence
from pathlib import Path

from asr.decoding.vocabulary import are_tokens
from asr.lm.arpa import read_ngram
from asr.lm.compact import SUFFIX, write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.mix import best_share, mixed
from asr.lm.ngram import END, START, UNKNOWN
from asr.lm.train import spelt
from asr.progress import Progress
from asr.text.tokenizer import Tokenizer

MOST = 0.25
"""Share of the recordings' texts in the language model, so that general speech loses little."""
LEAST = 0.01
"""A smaller share is none."""


def with_own_words(
    lm: Path, tokenizer: Tokenizer, out: Path, progress: Progress, *, train: Sequence[str], dev: Sequence[str]
) -> Path:
    """Mix a language model with one of the recordings' texts.

    Args:
        lm: n-grams of words or of tokens; the folder of a recurrent model stays as it is.
        tokenizer: of the recogniser.
        out: folder for the new file, under the old one's name.
        progress: is told what came of it.
        train: texts to learn.
        dev: other texts; the share that predicts them best is taken, at most `MOST`.

    Returns:
        The new file, or `lm` where it stays.

    Raises:
        ModelError: if the file cannot be read.
        AsrError: if the new one cannot be written.
    """
    if lm.is_dir():
        return lm
    general = read_ngram(lm)
    if are_tokens([unit for unit in general.vocabulary if unit not in (START, END, UNKNOWN)], tokenizer):
        train, dev = spelt(train, tokenizer), spelt(dev, tokenizer)
    own = train_ngram(train, NgramConfig(general.order))
    share = min(MOST, best_share(general, own, dev))
    if share < LEAST:
        return lm
    both = mixed(general, own, share)
    before, after = (model.predict(dev) for model in (general, both))
    progress.say(
        f"language model: {100 * share:.0f} % your texts; perplexity of those held out {before.perplexity:.0f} "
        f"({before.unknown} words unknown), now {after.perplexity:.0f} ({after.unknown} unknown)"
    )
    path = out / lm.name.removesuffix(".gz")
    if path.suffix == SUFFIX:
        write_compact(both, path)
    else:
        both.write(path)
    return path
