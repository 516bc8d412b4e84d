"""`asr export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.recogniser.model_folder import load_model
from asr.recogniser.onnx_export import export
from asr.recogniser.voices import OTHERS_FOLDER


@dataclass(frozen=True)
class Export:
    """Write model.onnx into a model folder: it transcribes without PyTorch, and starts faster."""

    model: Annotated[Positional[Path], arg(metavar="MODEL")]
    """A model folder."""
    int8: bool = False
    """Also write model.int8.onnx: a quarter of the size, two to three times as fast."""

    def run(self) -> None:
        others = self.model / OTHERS_FOLDER
        for folder in (self.model, *([others] if others.is_dir() else [])):
            for path in export(load_model(folder), folder, int8=self.int8):
                print(path, flush=True)
