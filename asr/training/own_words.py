"""A model folder's n-grams -> n-grams that know the words of somebody's recordings, too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.decoding.decoder import Decoder
from asr.decoding.flashlight import is_installed
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tune import keep
from asr.decoding.tuned import load_decoder, load_tuned, tuned_models
from asr.decoding.vocabulary import are_tokens
from asr.lm.arpa import read_ngram, write_ngram
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.mix import best_share, mixed
from asr.lm.ngram import END, START, UNKNOWN
from asr.lm.train import spelt
from asr.progress import Progress
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import Tokenizer

MOST = 0.25
"""Share of the recordings' texts in the language model, so that general speech loses little."""
LEAST = 0.01
"""A smaller share is none."""


@dataclass(frozen=True)
class Texts:
    """What is said in recordings."""

    train: Sequence[str]
    """To learn."""
    dev: Sequence[str]
    """To find the share by."""

    def spelt(self, tokenizer: Tokenizer) -> "Texts":
        """The same as tokens."""
        return Texts(spelt(self.train, tokenizer), spelt(self.dev, tokenizer))


@dataclass(frozen=True)
class Search:
    """How a model folder searches: its language models, and the weights that `asr tune` found."""

    folder: Path
    lm: Sequence[Path]
    """Files and folders, which may lie elsewhere."""
    second: Path | None
    """A second recogniser."""
    decoding: DecodingConfig

    @classmethod
    def of(cls, folder: Path) -> "Search | None":
        """Find what a folder has; None without a language model.

        Raises:
            ModelError: as `tuned_models`.
        """
        tuned = load_tuned(folder)
        return None if tuned is None or not tuned.lm else cls(folder, *tuned_models(folder), tuned.decoding)

    def with_words(self, texts: Texts, tokenizer: Tokenizer, out: Path, progress: Progress) -> "Search":
        """Let the n-grams learn the words of texts.

        Args:
            texts: what is learnt.
            tokenizer: the recogniser's.
            out: a folder for the new file.
            progress: is told what came of it.

        Raises:
            ModelError: if a language model cannot be read.
            AsrError: if one cannot be written.
        """
        return replace(self, lm=[_with_words(path, tokenizer, texts, out, progress) for path in self.lm])

    def decoder(self, recogniser: Recogniser) -> Decoder | None:
        """Build the decoder; None where flashlight-text is not installed.

        Raises:
            ModelError: if a language model cannot be read.
        """
        return load_decoder(self.folder, recogniser, self.lm, second=self.second) if is_installed() else None

    def keep(self, out: Path) -> None:
        """Copy all into another model folder.

        Raises:
            AsrError: if something cannot be written.
        """
        keep(out, self.lm, self.second, self.decoding)


def _with_words(lm: Path, tokenizer: Tokenizer, texts: Texts, out: Path, progress: Progress) -> Path:
    """Mix n-grams with those of texts; returns the new file, or the old one if it stays."""
    if lm.is_dir():
        return lm
    general = read_ngram(lm)
    if are_tokens([unit for unit in general.vocabulary if unit not in (START, END, UNKNOWN)], tokenizer):
        texts = texts.spelt(tokenizer)
    own = train_ngram(texts.train, NgramConfig(general.order))
    share = min(MOST, best_share(general, own, texts.dev))
    if share < LEAST:
        return lm
    both = mixed(general, own, share)
    before, after = (model.predict(texts.dev) for model in (general, both))
    progress.say(
        f"language model: {100 * share:.0f} % your texts; perplexity of those held out {before.perplexity:.0f} "
        f"({before.unknown} words unknown), now {after.perplexity:.0f} ({after.unknown} unknown)"
    )
    path = out / lm.name.removesuffix(".gz")
    write_ngram(both, path)
    return path
