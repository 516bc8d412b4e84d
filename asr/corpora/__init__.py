"""Corpora: a module each, with `read` and, where a program may fetch it, `download`.

Here a name becomes one of them.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from asr.corpora import (
    an4,
    collection,
    commonvoice,
    folder,
    fsdd,
    lhotse_recipe,
    librispeech,
    mini_librispeech,
    prompts,
    yesno,
)
from asr.corpora.utterance import Splits
from asr.errors import ConfigError, DataError
from asr.progress import SILENT, Progress

NAMES = ("an4", "collection", "commonvoice", "folder", "fsdd", "librispeech", "mini-librispeech", "prompts", "yesno")
"""The corpora known by name; "lhotse:NAME" stands for any of lhotse's own recipes."""

LHOTSE = "lhotse:"


@dataclass(frozen=True)
class Options:
    """What some corpora let the user choose; None or nothing is the corpus's own default.

    Attributes:
        language: prompts: which of en, es, fr, it, ru. folder, commonvoice: the language's code,
            noted with each utterance.
        held_out_speaker: fsdd: test on all of this speaker, and use them nowhere else.
        train: librispeech: the parts to train on.
        dev: librispeech: the parts for dev.
        test: librispeech: the parts for test.
        parts: collection: which of the folders to read.
        min_confidence: collection, commonvoice, folder: utterances are left out whose transcripts
            state a lower confidence.
    """

    language: str | None = None
    held_out_speaker: str | None = None
    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    min_confidence: float = 0.0


_TAKES = {
    "collection": {"language", "parts", "min_confidence"},
    "commonvoice": {"language", "min_confidence"},
    "folder": {"language", "min_confidence"},
    "fsdd": {"held_out_speaker"},
    "librispeech": {"train", "dev", "test"},
    "prompts": {"language"},
}


def read(corpus: str, source: Path, options: Options) -> Splits:
    """Read a corpus that is on disk.

    Args:
        corpus: one of `NAMES`, or "lhotse:NAME".
        source: where it is.
        options: what some corpora let the user choose.

    Raises:
        ConfigError: if the corpus is unknown or does not take an option that is set.
        DataError: if it cannot be read as that corpus.
    """
    _require_options_fit(corpus, options)
    return _confident(_read(corpus, source, options), options.min_confidence)


def _confident(splits: Splits, least: float) -> Splits:
    """Leave out the utterances whose transcripts state less confidence, and note how many."""
    kept = {
        name: tuple(one for one in getattr(splits, name) if one.confidence is None or one.confidence >= least)
        for name in ("train", "dev", "test")
    }
    doubtful = sum(len(getattr(splits, name)) - len(part) for name, part in kept.items())
    note = (f"{doubtful} utterances are left out: their confidence is below {least:g}",) if doubtful else ()
    return replace(splits, **kept, notes=(*splits.notes, *note))


def _read(corpus: str, source: Path, options: Options) -> Splits:
    match corpus:
        case "an4":
            return an4.read(source)
        case "collection":
            return collection.read(source, parts=options.parts, language=options.language)
        case "commonvoice":
            return commonvoice.read(source, language=options.language)
        case "folder":
            return folder.read(source, language=options.language)
        case "fsdd":
            return fsdd.read(source, held_out_speaker=options.held_out_speaker)
        case "librispeech":
            return librispeech.read(source, train=options.train, dev=options.dev, test=options.test)
        case "mini-librispeech":
            return mini_librispeech.read(source)
        case "prompts":
            return prompts.read(source, options.language or "en")
        case "yesno":
            return yesno.read(source)
    return lhotse_recipe.read(corpus.removeprefix(LHOTSE), source)


def download(corpus: str, downloads: Path, options: Options, progress: Progress = SILENT) -> Path:
    """Fetch a corpus into a folder of its own in `downloads`, unless it is there.

    Returns the folder that `read` takes as its source.

    Args:
        corpus: one of `NAMES`, or "lhotse:NAME".
        downloads: where corpora are kept, each in a folder of its own.
        options: what some corpora let the user choose.
        progress: shows a bar of bytes for each file.

    Raises:
        ConfigError: if the corpus is unknown or does not take an option that is set.
        DataError: if no program may fetch the corpus; the message says how to get it.
        DownloadError: if it does not arrive whole.
    """
    _require_options_fit(corpus, options)
    match corpus:
        case "an4":
            return an4.download(downloads, progress=progress)
        case "fsdd":
            return fsdd.download(downloads, progress=progress)
        case "librispeech":
            return librispeech.download(
                downloads, train=options.train, dev=options.dev, test=options.test, progress=progress
            )
        case "mini-librispeech":
            return mini_librispeech.download(downloads, progress=progress)
        case "prompts":
            return prompts.download(downloads, options.language or "en", progress=progress)
        case "yesno":
            return yesno.download(downloads, progress=progress)
        case "commonvoice":
            raise DataError(commonvoice.HOW_TO_GET)
        case "collection":
            raise DataError("collection: is a folder of corpora, so name it with --source DIR")
        case "folder":
            raise DataError("folder: is your own data, so name it with --source DIR")
    raise DataError(f"{corpus}: fetch it with `lhotse download`, then name its folder with --source DIR")


def _require_options_fit(corpus: str, options: Options) -> None:
    if corpus not in NAMES and not corpus.startswith(LHOTSE):
        raise ConfigError(f"corpus is {corpus}; it must be one of {', '.join(NAMES)}, or lhotse:NAME")
    for field in fields(options):
        if getattr(options, field.name) and field.name not in _TAKES.get(corpus, ()):
            raise ConfigError(f"{field.name} is {getattr(options, field.name)}, but {corpus} has no such option")
