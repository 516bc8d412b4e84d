"""Any corpus that lhotse has a recipe for, by its name there."""

import difflib
import inspect
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asr.corpora.split import complete, natural_key
from asr.corpora.utterance import Problem, Splits, Utterance
from asr.errors import ConfigError, DataError

_NAMED = (("train", "train"), ("eval", "test"), ("test", "test"), ("dev", "dev"), ("val", "dev"))  # "eval" holds "val"


def read(name: str, source: Path) -> Splits:
    """Run lhotse's `prepare_NAME` on a folder and turn its manifests into utterances.

    Its splits are told by their names (train..., dev..., valid..., test..., eval...). Others are
    left out, and a note says so. What is missing is held out of train. A recipe without splits is
    parted as a whole.

    Raises:
        ConfigError: if lhotse has no such recipe, or it needs more than a folder.
        DataError: if the recipe does not find its corpus in `source`.
    """
    from lhotse import recipes

    known = {key.removeprefix("prepare_"): value for key, value in vars(recipes).items() if key.startswith("prepare_")}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "`lhotse prepare --help` lists them"
        raise ConfigError(f"lhotse has no recipe {name}; {hint}")
    recipe = known[name]
    parameters = inspect.signature(recipe).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if len(set(needed) - {"output_dir"}) != 1:
        raise ConfigError(
            f"lhotse's recipe {name} needs {needed}: run it yourself, and give its audio and text as a folder"
        )
    try:
        with TemporaryDirectory() as scratch:
            result = recipe(source, output_dir=scratch) if "output_dir" in needed else recipe(source)
            manifests = list(_manifests(result, ""))
    except Exception as error:  # each of a hundred recipes fails in its own way when a folder is not its corpus
        raise DataError(f"{source}: lhotse's recipe {name} cannot read it ({type(error).__name__}: {error})") from error
    has_splits = any(_split(label) for label, _, _ in manifests)
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    problems: list[Problem] = []
    notes = []
    for label, recordings, supervisions in manifests:
        split = _split(label) if has_splits else "train"
        if split is None:
            notes.append(f"the recipe's part {label} is left out: its name does not tell its split")
            continue
        for supervision in supervisions:
            where = f"lhotse:{name}{label}: {supervision.id}"
            sources = recordings[supervision.recording_id].sources if supervision.recording_id in recordings else []
            if len(sources) != 1 or sources[0].type != "file":
                problems.append(Problem(where, "its recording is not one audio file"))
            else:
                parts[split].append(_utterance(supervision, Path(sources[0].source), where))
    if not (parts["dev"] and parts["test"]):
        notes.append("what the recipe has no split for is held out of train")
    key = natural_key(parts["train"])
    return Splits(*complete(parts["train"], parts["dev"], parts["test"], key=key), tuple(problems), tuple(notes))


def _manifests(result: Any, label: str) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    """Walk the dictionaries that a recipe returns, down to pairs of recordings and supervisions."""
    if isinstance(result, tuple) and len(result) == 2:
        result = dict(zip(("recordings", "supervisions"), result, strict=True))
    if not isinstance(result, dict):
        return
    if {"recordings", "supervisions"} <= result.keys():
        yield label, {recording.id: recording for recording in result["recordings"]}, list(result["supervisions"])
        return
    for key, value in result.items():
        yield from _manifests(value, f"{label}/{key}")


def _split(label: str) -> str | None:
    return next((split for word, split in _NAMED if word in label.lower()), None)


def _utterance(supervision: Any, audio: Path, where: str) -> Utterance:
    return Utterance(
        id=supervision.id,
        audio=audio,
        text=supervision.text or "",
        where=where,
        speaker=supervision.speaker,
        start=supervision.start,
        duration=supervision.duration,
        language=supervision.language,
        channel=supervision.channel if isinstance(supervision.channel, int) else None,
    )
