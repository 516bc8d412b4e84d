"""Options that several commands share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from tyro.conf import arg

from asr.cli.output import complain
from asr.decoding.flashlight import is_installed
from asr.decoding.hotwords import USUAL_BONUS
from asr.errors import ConfigError
from asr.recogniser.engine import Engine as Recogniser
from asr.recogniser.engines import EngineName
from asr.recogniser.onnx_runtime import OnnxRecogniser
from asr.transcription.transcribe import Transcriber
from asr.workers import num_cores

Device: TypeAlias = Annotated[str, arg(help="cpu, cuda, or (auto) the better one that is there.")]
Engine: TypeAlias = Annotated[
    EngineName, arg(help="onnx (from asr export) and int8 need no PyTorch; auto is onnx where model.onnx is there.")
]
ModelFolder: TypeAlias = Annotated[
    Path | None, arg(help="A model folder. Without it, the English model that comes with the package.", metavar="DIR")
]


@dataclass(frozen=True)
class Search:
    """Beam search in place of greedy decoding; the model of the package has one by itself."""

    lm: tuple[Path, ...] | None = None
    """An n-gram file, a recurrent model's folder, or both; --lm alone takes those of `asr tune`."""
    beam: int | None = None
    """Hypotheses to keep. Without --lm, this alone asks for a beam search."""
    second: Path | None = None
    """With --lm: a second model folder, whose score counts too; alone, that of `asr tune`."""
    hotwords: Path | None = None
    """Names and jargon to favour: a phrase a line, or phrase, tab, bonus in nats (6 is usual)."""
    commands: Path | None = None
    """The only phrases to listen for: a grammar, with lines as: turn {state: on | off} the lamp."""
    greedy: bool = False
    """Without the language model that the package's English has: faster, with more errors."""

    @property
    def is_wanted(self) -> bool:
        """Whether an option asks for a beam search, or for commands, and so for ranked texts."""
        return not (self.lm is None and self.beam is None and self.hotwords is None and self.commands is None)

    def transcriber(
        self,
        model: Path | None,
        device: str,
        engine: EngineName = "torch",
        tell: Callable[[str], object] = complain,
    ) -> Transcriber:
        """Load a model with the decoder that the options ask for; None is the package's.

        What is worth knowing of it is told in lines.

        Raises:
            ConfigError: if the options do not fit together, or the hot words cannot be read.
            AsrError: as `Transcriber.load`.
        """
        if self.lm is None and self.second is not None:
            raise ConfigError("--second needs --lm")
        if self.greedy and self.is_wanted:
            raise ConfigError("--greedy goes with none of --lm, --beam, --hotwords and --commands")
        transcriber = Transcriber.load(
            model,
            lm=False if self.greedy else None if self.lm is None else self.lm or True,
            second=self.second,
            beam=self.beam,
            hotwords=read_hotwords(self.hotwords) if self.hotwords else None,
            commands=self.commands,
            device=device,
            engine=engine,
        )
        if model is None and not self.greedy and not self.is_wanted and not is_installed():
            tell("greedy decoding, with more errors: the language model needs pip install 'asr[lm]'")
        if transcriber.decoder and (unspelt := transcriber.decoder.unspelt):
            tell(
                f"{len(unspelt)} words of the language model, such as {unspelt[0]!r}, cannot be spelt with the model's "
                "tokens, and are left out"
            )
        return transcriber


def chosen_jobs(recogniser: Recogniser, jobs: int | None) -> int:
    """How many pieces are decoded at the same time; each then has one thread.

    Several threads in one of the many small products of a recurrence only wait for one another. On
    an accelerator there is one job.

    Raises:
        ConfigError: if there is not even one.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs} is not allowed; it is at least 1")
    if isinstance(recogniser, OnnxRecogniser):
        return jobs or num_cores()
    if recogniser.device.type != "cpu":
        return jobs or 1
    import torch

    torch.set_num_threads(1)
    return jobs or num_cores()


def read_hotwords(path: Path) -> dict[str, float]:
    """Read phrases and their bonuses in nats.

    Raises:
        ConfigError: if there are none to read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        fields = [line.split("\t") for line in lines if line.strip()]
        found = {phrase.strip(): float(bonus[0]) if bonus else USUAL_BONUS for phrase, *bonus in fields}
        if not found:
            raise ValueError("the file is empty")
        if not all(map(math.isfinite, found.values())):
            raise ValueError("a bonus is no finite number")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no hot words to read ({error}); write a phrase a line, and a number after a tab"
        ) from None
    return found
