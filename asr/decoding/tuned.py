"""A model folder's `decoding.json`, which `asr tune` writes, and the decoder from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asr.config import from_dict, read_settings, to_dict, write_settings
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ConfigError, MissingExtra, ModelError
from asr.lm.ngram import is_binary
from asr.recogniser.config import SECOND_FOLDER
from asr.recogniser.engine import Engine
from asr.recogniser.engines import beside

if TYPE_CHECKING:
    from asr.lm.rnn import RnnLm

_NAME = re.compile(r"\w[\w.-]{0,99}")
DECODING_FILE = "decoding.json"


@dataclass(frozen=True)
class TunedDecoding:
    """What `decoding.json` holds: what was tuned on dev, and for which models of that folder."""

    lm: tuple[str, ...] = ()
    """Names of the language models in the model folder, files or folders."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    second: bool = False
    """Whether a second recogniser is in the model folder, in `second/`."""


def load_decoder(
    folder: Path,
    recogniser: Engine,
    lm: Sequence[Path],
    *,
    second: Path | None = None,
    beam: int | None = None,
    hotwords: Mapping[str, float] | None = None,
) -> Decoder:
    """Build a decoder with the weights that were tuned for a model, or the usual ones.

    Recurrent models and second recognisers are put on the recogniser's device.

    Args:
        folder: the model's.
        recogniser: the model's.
        lm: an n-gram file, the folder of a recurrent language model, or both.
        second: the model folder of a second recogniser.
        beam: hypotheses to keep; None takes the tuned number.
        hotwords: phrases to favour, and what each earns, in nats.

    Raises:
        ModelError: if a language model, the second recogniser or `decoding.json` cannot be used.
        ConfigError: if there are two language models of one kind, the recognisers' sample rates
            differ, or a value is not allowed.
        MissingExtra: if flashlight-text is needed and not installed.
    """
    tuned = load_tuned(folder)
    config = tuned.decoding if tuned else DecodingConfig()
    if beam is not None:
        config = from_dict(DecodingConfig, to_dict(config) | {"beam": beam}, where="--beam")
    folders = [path for path in lm if path.is_dir()]
    files = [path for path in lm if not path.is_dir()]
    if len(folders) > 1 or len(files) > 1:
        raise ConfigError("--lm takes one n-gram file, one folder of a recurrent language model, or one of each")
    other = beside(recogniser, second) if second is not None else None
    rates = [model.config.features.sample_rate for model in (recogniser, other) if model is not None]
    if len(set(rates)) > 1:
        raise ConfigError(f"{second}: takes {rates[1]} samples a second, {folder} {rates[0]}; train both at one rate")
    return Decoder(
        recogniser.tokenizer,
        config,
        ngram=files[0] if files else None,
        rnn=_load_rnn_lm(folders[0], recogniser) if folders else None,
        second=other,
        hotwords=hotwords,
    )


def _load_rnn_lm(folder: Path, recogniser: Engine) -> "RnnLm":
    try:
        from asr.lm.rnn import load_rnn_lm
    except ImportError:
        raise MissingExtra("a recurrent language model") from None
    return load_rnn_lm(folder, recogniser.device)


def load_tuned(folder: Path) -> TunedDecoding | None:
    """Read what was tuned for a model, None if nothing was.

    Raises:
        ModelError: if `decoding.json` is damaged.
    """
    path = folder / DECODING_FILE
    if not path.is_file():
        return None
    return read_settings(TunedDecoding, path, remedy="tune again, or delete it")


def tuned_models(folder: Path) -> tuple[tuple[Path, ...], Path | None]:
    """Find the language models in a model folder, and the second recogniser if there is one.

    Raises:
        ModelError: if `asr tune` has put no language model there, or one that only its owner should
            trust: a binary, whose addresses KenLM follows unseen, or one outside the folder.
    """
    tuned = load_tuned(folder)
    if tuned is None or not tuned.lm:
        raise ModelError(f"{folder}: has no language model; name one after --lm, or run `asr tune` with it first")
    for name in tuned.lm:
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"{folder / DECODING_FILE}: names {name!r}, which is not in this folder; tune again, or delete it"
            )
        if is_binary(folder / name):
            raise ModelError(
                f"{folder / name}: is a KenLM binary; if you trust who made it, name it: --lm {folder / name}"
            )
    return tuple(folder / name for name in tuned.lm), folder / SECOND_FOLDER if tuned.second else None


def save_tuned(folder: Path, tuned: TunedDecoding) -> None:
    """Write `decoding.json` into a model folder.

    Raises:
        AsrError: if it cannot be written.
    """
    write_settings(folder / DECODING_FILE, tuned)
