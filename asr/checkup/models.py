"""Model folders: whether all files are as they were."""

from collections.abc import Iterator
from pathlib import Path

from asr.checkup.finding import Finding, Problem
from asr.errors import ModelError
from asr.recogniser.bundled import bundled_model
from asr.recogniser.checksums import changed


def model_files(model: Path | None = None) -> Iterator[Finding]:
    """Compare the package's model, and another one, with their checksums."""
    again = "install the package again: pip install --force-reinstall --no-deps asr"
    try:
        yield _files("model of the package", bundled_model(), again, matters=True)
    except ModelError as error:
        yield Finding("model of the package", {}, (Problem(str(error), again, False),))
    if model is not None:
        yield _files(
            "files of the model",
            model,
            "copy the folder again; or, if you changed it, delete SHA256SUMS",
            matters=False,
        )


def _files(name: str, folder: Path, remedy: str, *, matters: bool) -> Finding:
    wrong = changed(folder)
    if wrong is None:
        return Finding(name, {"checksums": "none"})
    problem = Problem(f"not as they were: {', '.join(Path(file).name for file in wrong)}", remedy, matters)
    return Finding(name, {"checksums": "right" if not wrong else "wrong"}, (problem,) if wrong else ())
