"""What `asr tune` keeps in a model folder, and the decoder that it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.config import from_dict, read_settings, to_dict, write_settings
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ConfigError, ModelError
from asr.lm.rnn import load_rnn_lm
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser

DECODING_FILE = "decoding.json"


SECOND_FOLDER = "second"


@dataclass(frozen=True)
class TunedDecoding:
    """A model folder's `decoding.json`: what was tuned on dev, and for which language models, kept in the folder too."""

    lm: tuple[str, ...] = ()
    """File and folder names in the model folder."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    second: bool = False
    """Whether a second recogniser is in the model folder, in `second/`."""


def load_decoder(
    folder: Path,
    recogniser: Recogniser,
    lm: Sequence[Path],
    *,
    second: Path | None = None,
    beam: int | None = None,
    hotwords: Mapping[str, float] | None = None,
) -> Decoder:
    """Build a decoder with the weights that were tuned for a model, or the usual ones.

    Args:
        folder: the model's.
        recogniser: the model's.
        lm: an n-gram file, the folder of a recurrent language model, or both.
        second: the model folder of a second recogniser.
        beam: in place of the stored width.
        hotwords: phrases and their bonuses.

    Raises:
        ModelError: if a language model, the second recogniser or `decoding.json` cannot be used.
        ConfigError: if two language models of one kind are given, the recognisers' sample rates differ, or a value is not allowed.
        MissingExtra: if flashlight-text is needed and not installed.
    """
    stored = load_tuned(folder)
    config = stored.decoding if stored else DecodingConfig()
    if beam is not None:
        config = from_dict(DecodingConfig, to_dict(config) | {"beam": beam}, where="--beam")
    folders = [path for path in lm if path.is_dir()]
    files = [path for path in lm if not path.is_dir()]
    if len(folders) > 1 or len(files) > 1:
        raise ConfigError("--lm takes one n-gram file, one folder of a recurrent language model, or one of each")
    other = load_model(second, recogniser.device) if second is not None else None
    rates = [model.config.features.sample_rate for model in (recogniser, other) if model is not None]
    if len(set(rates)) > 1:
        raise ConfigError(f"{second}: hears {rates[1]} samples a second, {folder} {rates[0]}; train both at one rate")
    return Decoder(
        recogniser.tokenizer,
        config,
        ngram=files[0] if files else None,
        rnn=load_rnn_lm(folders[0], recogniser.device) if folders else None,
        second=other,
        hotwords=hotwords,
    )


def load_tuned(folder: Path) -> TunedDecoding | None:
    """Read what was tuned for a model, None if nothing was.

    Raises:
        ModelError: if it is damaged.
    """
    path = folder / DECODING_FILE
    if not path.is_file():
        return None
    return read_settings(TunedDecoding, path, remedy="tune again, or delete it")


def tuned_models(folder: Path) -> tuple[tuple[Path, ...], Path | None]:
    """The language models that `asr tune` has put into a model folder, and the second recogniser if there is one.

    Raises:
        ModelError: if there are none.
    """
    tuned = load_tuned(folder)
    if tuned is None or not tuned.lm:
        raise ModelError(f"{folder}: has no language model; name one after --lm, or run `asr tune` with it first")
    return tuple(folder / name for name in tuned.lm), folder / SECOND_FOLDER if tuned.second else None


def save_tuned(folder: Path, tuned: TunedDecoding) -> None:
    """Write `decoding.json` into a model folder.

    Raises:
        AsrError: if it cannot be written.
    """
    write_settings(folder / DECODING_FILE, tuned)
