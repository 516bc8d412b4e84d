"""Model folders on disk. Nothing here executes what it reads: safetensors and JSON only.

A model folder holds `model.safetensors`, `config.json`, the tokenizer's file and a `README.md` for
people. Its weights may be compact (`recogniser.compact`). Every file is written atomically
(`files.atomic`).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from asr.audio.features import FRONT_END
from asr.config import require_weights, write_settings
from asr.errors import ModelError
from asr.files import atomic
from asr.recogniser.checksums import SUMS_FILE, write_sums
from asr.recogniser.compact import compacted, expanded
from asr.recogniser.config import CONFIG_FILE, SECOND_FOLDER, read_config
from asr.recogniser.recogniser import ACOUSTIC, Recogniser
from asr.recogniser.voices import OTHERS_FOLDER, VOICE_FILE
from asr.text.tokenizer import load_tokenizer

WEIGHTS_FILE = "model.safetensors"
FITTED_FILES = (
    "confidence.json",
    "reliability.png",
    "decoding.json",
    "commands.json",
    "model.onnx",
    "model.int8.onnx",
    VOICE_FILE,
)
"""What was fitted to the weights in the folder, and does not outlast them."""


def save_model(folder: Path, recogniser: Recogniser, *, readme: str) -> None:
    """Write a model folder.

    An older model there is replaced file by file, its weights last but for the README.
    """
    write_settings(folder / CONFIG_FILE, recogniser.config)
    recogniser.tokenizer.save(folder)
    for name in FITTED_FILES:
        (folder / name).unlink(missing_ok=True)
    _write_weights(folder, recogniser.state())
    with atomic(folder / "README.md") as path:
        path.write_text(readme, encoding="utf-8")


def compact_model(folder: Path, out: Path) -> None:
    """Copy a model folder with its weights rounded to 8 bits, a quarter of their size.

    All that lies in the folder comes along: calibration, decoding weights, language models. Only
    ONNX graphs, of the weights before, do not. A second recogniser's weights are rounded too, and
    those of the model for other voices. The copy has a list of checksums (`recogniser.checksums`).

    Raises:
        ModelError: as `load_model`, and if `out` is the folder itself.
        AsrError: if something cannot be written.
    """
    inner = (folder / name for name in (".", SECOND_FOLDER, OTHERS_FOLDER))
    models = [path for path in inner if (path / CONFIG_FILE).is_file()]
    recognisers = {path.relative_to(folder): load_model(path, untaught=True) for path in models or [folder]}
    if out.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{out}: is the model folder, or in it; choose another --out")
    written = {inner / WEIGHTS_FILE for inner in recognisers} | {Path(SUMS_FILE)}
    for source in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        target = out / source.relative_to(folder)
        if source.suffix != ".onnx" and source.relative_to(folder) not in written:
            with atomic(target) as path:
                shutil.copyfile(source, path)
    for path, recogniser in recognisers.items():
        _write_weights(out / path, compacted(recogniser.state()))
    write_sums(out)


def _write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    with atomic(folder / WEIGHTS_FILE) as path:
        path.write_bytes(safetensors.torch.save({name: t.contiguous().cpu() for name, t in weights.items()}))


def load_model(folder: Path, device: torch.device | None = None, *, untaught: bool = False) -> Recogniser:
    """Read a model folder.

    Args:
        folder: where `save_model` wrote it.
        device: where to put it; None is the CPU.
        untaught: accept a model that was only pretrained, and knows no token but the blank.

    Raises:
        ModelError: if the folder is not a model's, or a part is missing, damaged or does not fit
            the others.
    """
    config = read_config(folder, WEIGHTS_FILE)
    tokenizer = load_tokenizer(folder)
    try:
        require_weights(folder / WEIGHTS_FILE, config.acoustic.least_weights(tokenizer.size))
        recogniser = Recogniser(config, tokenizer)
        weights = expanded(safetensors.torch.load_file(folder / WEIGHTS_FILE))
        if recogniser.tokenizer.size == 1 and len(weights.get(f"{ACOUSTIC}output.bias", ())) > 1:
            raise ModelError(f"{folder}: its tokenizer has lost its tokens; copy the whole model folder again")
        if int(weights.get("features.front_end", torch.tensor(1))) != FRONT_END:
            raise ModelError(
                f"{folder}: was trained with the features of another version of the program; train it again "
                "(docs/problems.md#the-features-of-another-version)"
            )
        recogniser.load_state(weights)
    except (OSError, safetensors.SafetensorError, RuntimeError, ValueError, TypeError, LookupError) as error:
        reason = str(error).strip().split("\n")[-1].strip()  # torch names the tensors last
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: cannot be used ({reason}); copy the whole model folder again"
        ) from None
    if recogniser.tokenizer.size == 1 and not untaught:
        raise ModelError(
            f"{folder}: was only pretrained and cannot transcribe; train it: asr train DATA --init {folder}"
        )
    return recogniser.to(device or torch.device("cpu"))
