"""The model that comes with the package."""

from importlib.resources import files
from pathlib import Path

from asr.errors import ModelError
from asr.recogniser.config import CONFIG_FILE

ENGLISH = "english"
"""What the model is called."""
FOLDER = Path(str(files("asr"))) / "bundled" / ENGLISH


def bundled_model() -> Path:
    """Find the English model's folder.

    Raises:
        ModelError: if this installation has none.
    """
    if not (FOLDER / CONFIG_FILE).is_file():
        raise ModelError(
            "no model comes with this installation; train one (asr train DATA --out RUN) and name it: --model RUN/best"
        )
    return FOLDER


def model_named(name: str) -> Path:
    """Find a model folder by its path, or the package's English model by the name `english`.

    A folder that has this name comes first.

    Raises:
        ModelError: if `english` is meant, and this installation has none.
    """
    return bundled_model() if name == ENGLISH and not Path(name).exists() else Path(name)


def sample() -> tuple[Path, str]:
    """A sound, and the text that every engine reads in it.

    It is no recording: `recipes/sample.py` has computed it from the English model's weights.
    """
    return FOLDER / "sample.flac", (FOLDER / "sample.txt").read_text(encoding="utf-8").strip()
