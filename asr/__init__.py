"""From a folder of recordings with transcripts to a measured speech recogniser.

    import asr

    model = asr.load()  # English; or your own: asr.load("runs/an4/best")
    text = model.transcribe("a.wav")
    print(text.text, [(word.text, word.start, word.end, word.confidence) for word in text.words])
    print(asr.score("go forward ten meters", text.text).wer)

All that the package offers to Python stands here, in `__all__`; everything that goes wrong is an
`AsrError`. `import asr` loads neither PyTorch nor NumPy: what needs them is imported when it is
first used.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import (
    AsrError,
    ConfigError,
    DataError,
    DownloadError,
    MissingExtra,
    ModelError,
    TrainingError,
)

if TYPE_CHECKING:
    import torch

    from asr.recogniser.engines import EngineName
    from asr.scoring.score import Score
    from asr.text.timed import TimedText
    from asr.transcription.transcribe import Transcriber

__version__ = "0.1.0"

__all__ = [
    "AsrError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "MissingExtra",
    "ModelError",
    "Score",
    "TimedText",
    "TrainingError",
    "Transcriber",
    "__version__",
    "load",
    "score",
]

_WHERE = {
    "Score": "asr.scoring.score",
    "TimedText": "asr.text.timed",
    "Transcriber": "asr.transcription.transcribe",
}
"""The modules of what is imported when it is first asked for (PEP 562)."""


def load(
    folder: str | Path | None = None,
    *,
    lm: bool | str | Path | Sequence[str | Path] | None = None,
    beam: int | None = None,
    hotwords: Mapping[str, float] | None = None,
    commands: str | Path | Sequence[str] | None = None,
    device: "str | torch.device" = "auto",
    engine: "EngineName" = "auto",
) -> "Transcriber":
    """Read a model folder, or the English model that comes with the package.

    Without `lm`, `beam` or `hotwords` a named model decodes greedily. The English model takes its
    language model, where flashlight-text is installed.

    Args:
        folder: what training has written to RUN/best; None is the English model.
        lm: an n-gram file, the folder of a recurrent model, or both; True takes those that `asr
            tune` has kept, False none.
        beam: hypotheses to keep; alone it asks for a beam search without a language model.
        hotwords: phrases to favour, and what each earns in nats; 6 is usual.
        commands: the only phrases to listen for: a grammar's file or its lines, as in
            `asr.text.grammar`. What is none of them has the empty text.
        device: "cpu", "cuda", or "auto", the better one that is there.
        engine: "torch"; "onnx" or "int8", which need no PyTorch; or "auto", ONNX where `asr export`
            has written it and the device may be a processor.

    Raises:
        ModelError: if the folder is not a model's, or a part of it or a language model cannot be
            used.
        ConfigError: if a value is not allowed.
        MissingExtra: if a language model needs a library that is not installed.

    Example:
        >>> model = asr.load("runs/an4/best", lm="words.arpa", beam=50)  # doctest: +SKIP
        >>> model.transcribe("a.wav").text  # doctest: +SKIP
        'pittsburgh pennsylvania'

        >>> grammar = ["turn {state: on | off} the light"]
        >>> model = asr.load("runs/an4/best", commands=grammar)  # doctest: +SKIP
        >>> [said.command.slots for said in model.transcribe("a.wav").commands]  # doctest: +SKIP
        [{'state': 'on'}]
    """
    from asr.transcription.transcribe import Transcriber

    return Transcriber.load(
        folder, lm=lm, beam=beam, hotwords=hotwords, commands=commands, device=device, engine=engine
    )


def score(
    references: str | Sequence[str] | Mapping[str, str], hypotheses: str | Sequence[str] | Mapping[str, str]
) -> "Score":
    """Count the errors of texts, with error rates and their 95 % intervals.

    Texts are compared as they are: case and punctuation count. Words are what white space
    separates.

    Args:
        references: a text, a sequence of texts, or a mapping from utterance id to text.
        hypotheses: of the same kind. Sequences are paired in order, mappings by id; an id without a
            hypothesis counts as deleted, and one without a reference does not count.

    Raises:
        DataError: if the two are of different kinds, sequences are of unequal length, or nothing
            can be paired.

    Example:
        >>> found = asr.score(["the cat sat", "on the mat"], ["the cat sat", "on a mat"])
        >>> found.words.substitutions, round(found.wer.value, 3)
        (1, 0.167)
    """
    from asr.scoring.score import score as score_by_id

    if isinstance(references, Mapping) and isinstance(hypotheses, Mapping):
        return score_by_id(references, hypotheses)
    if isinstance(references, str) and isinstance(hypotheses, str):
        return score([references], [hypotheses])
    kinds = (references, hypotheses)
    if any(isinstance(texts, str) or not isinstance(texts, Sequence) for texts in kinds):
        raise DataError(
            f"references are a {type(references).__name__} and hypotheses a {type(hypotheses).__name__}; "
            "give two texts, two sequences of texts, or two mappings from id to text"
        )
    if len(references) != len(hypotheses):
        raise DataError(
            f"{len(references)} references cannot be paired with {len(hypotheses)} hypotheses; "
            "give as many, or mappings from id to text"
        )
    if not references:
        raise DataError("there is no text to score")
    ids = [f"{number:0{len(str(len(references)))}}" for number in range(1, len(references) + 1)]
    return score_by_id(*(dict(zip(ids, texts, strict=True)) for texts in kinds))


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
