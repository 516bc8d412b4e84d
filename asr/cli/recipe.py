"""A recipe: a corpus and settings become a model and its word error rate.

Recipes are in `recipes/*.py`.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import tyro
from rich.console import Group

from asr.cli import exit_codes
from asr.cli.output import progress_of, show
from asr.cli.parse import NO_PREFIX, parse
from asr.cli.tables import preparation
from asr.config import to_dict
from asr.corpora import Options
from asr.data.cuts import load_cuts
from asr.data.prepare import prepare
from asr.errors import ConfigError
from asr.files import atomic
from asr.progress import Progress
from asr.ranks import Ranks, joined
from asr.recogniser.bundled import ENGLISH, bundled_model
from asr.recogniser.config import read_config
from asr.scoring.breakdown import group
from asr.scoring.report import figures, worst_utterances
from asr.scoring.score import summary_line
from asr.scoring.transcripts import read_transcripts, write_texts
from asr.training.settings import ConsistencyConfig, TrainConfig
from asr.training.train import train
from asr.transcription.evaluate import Evaluation, evaluate
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

LIVE_CHUNK: Seconds = 0.32
LIVE_LOOKAHEAD: Seconds = 0.64


@dataclass(frozen=True)
class Recipe:
    """Prepare, train and evaluate; the same command goes on after a kill."""

    out: Path
    """Run folder."""
    source: Path | None = None
    """The corpus on disk. Without it, it is downloaded from its own home."""
    downloads: Path = Path("data")
    """Where downloads are kept."""
    live: bool = False
    """Train in chunks, for live speech; with --init MODEL, which the recipe has trained whole."""
    options: Annotated[Options, NO_PREFIX] = field(default_factory=Options)
    config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)


VARIANTS = {
    "fast": "Settings for a shorter training, of a model that makes more errors.",
    "english": "Begin with the package's English model.",
}
"""Options for other stages, where a recipe has such; and what help says of them."""


def recipe_with(variants: Iterable[str]) -> type[Recipe]:
    """Give a recipe the options of some `VARIANTS`."""
    fields = [(name, Annotated[bool, tyro.conf.arg(help=VARIANTS[name])], field(default=False)) for name in variants]
    kind = make_dataclass(Recipe.__name__, fields, bases=(Recipe,), frozen=True, kw_only=True)
    kind.__doc__ = Recipe.__doc__
    return kind


def recipe(
    corpus: str,
    *stages: TrainConfig,
    options: Options | None = None,
    live: TrainConfig | None = None,
    **variants: Sequence[TrainConfig],
) -> NoReturn:
    """Prepare a corpus, train on it, evaluate on its test part, print `test WER ...`, and exit.

    Args:
        corpus: as for `asr prepare`.
        stages: the recipe's settings. Each training but the first begins with the weights of the
            one before. The last model is the recipe's. What the command line sets, it sets in all
            of them.
        options: the recipe's corpus options, which can also be set there.
        live: the stage that `--live` trains in chunks; none: the last of the others.
        variants: stages by the option of `VARIANTS` that asks for them; those of `english` get that
            model's shape.
    """
    program, arguments = Path(sys.argv[0]), sys.argv[1:]
    kind = recipe_with(variants)
    with exit_codes(), joined() as ranks:
        asked = [name for name in variants if f"--{name}" in arguments]
        if len(asked) > 1:
            raise ConfigError(f"choose one of {', '.join(f'--{name}' for name in asked)}")
        chosen = variants[asked[0]] if asked else stages
        if asked == ["english"]:
            chosen = [from_english(stage) for stage in chosen]
        parsed = [
            parse(
                kind,
                program.name,
                arguments,
                default=kind(Path("runs") / program.stem, options=options or Options(), config=stage),
            )
            for stage in ([in_chunks(live or chosen[-1])] if "--live" in arguments else chosen)
        ]
        if parsed[-1].live and parsed[-1].config.init is None:
            raise ConfigError("--live needs --init MODEL: the model that this recipe trains without --live")
        _run(corpus, parsed[-1], [one.config for one in parsed], ranks)
    sys.exit(0)


def from_english(stage: TrainConfig) -> TrainConfig:
    """The same training from the weights of the package's English model, in its shape."""
    english = read_config(bundled_model())
    ours = stage.acoustic
    shape = replace(english.acoustic, dropout=ours.dropout, intermediate=ours.intermediate)
    return replace(stage, features=english.features, acoustic=shape, init=ENGLISH)


def in_chunks(stage: TrainConfig) -> TrainConfig:
    """The same model trained on in chunks, from its weights.

    A model that was trained whole tells a token before it has heard all of it. In chunks it must
    learn to wait, which small steps do not teach. Views are not compared: in chunks they would
    disagree at the borders.
    """
    return replace(
        stage,
        bptt=replace(stage.bptt, mode="chunked", chunk=LIVE_CHUNK, lookahead=LIVE_LOOKAHEAD),
        consistency=ConsistencyConfig(),
    )


def _run(corpus: str, arguments: Recipe, stages: Sequence[TrainConfig], ranks: Ranks) -> None:
    out, progress = arguments.out, progress_of(ranks)
    folders = [*(out / f"stage-{number}" for number in range(1, len(stages))), out]
    begun = any((folder / "checkpoints").exists() for folder in folders)
    data = ranks.once(lambda: _prepare(corpus, arguments, begun, progress))
    test_cuts = load_cuts(data / "test.jsonl.gz")
    init = stages[0].init
    for number, (stage, folder) in enumerate(zip(stages, folders, strict=True), start=1):
        if len(stages) > 1:
            progress.say(f"stage {number} of {len(stages)}: {stage.tokenizer.units}, {folder}")
        best = train(replace(stage, init=init), data, folder, progress, ranks)
        init = str(best)
    transcriber = Transcriber.load(best, device=stages[-1].device, engine="torch")
    evaluation = evaluate(transcriber, test_cuts, loaders=stages[-1].loaders, progress=progress, ranks=ranks)
    if ranks.first:
        _report(evaluation, out, data, arguments.options.parts)


def _report(evaluation: Evaluation, out: Path, data: Path, parts: Sequence[str]) -> None:
    """Write down how well the test part was recognised, and print it."""
    write_texts(out / "test.hypotheses.txt", evaluation.hypotheses)
    with atomic(out / "test.json") as path:
        path.write_text(json.dumps(evaluation.score.to_json(), indent=2) + "\n", encoding="utf-8")
    show(Group(figures("test", evaluation.score), worst_utterances(evaluation.score, 5)), aside=True)
    entries = read_transcripts(data / "test.jsonl.gz")
    corpora = {name: entry.fields["corpus"] for name, entry in entries.items() if "corpus" in entry.fields}
    for part in group(evaluation.score, corpora) if parts else ():
        print(summary_line(f"test of {part.name}", part.score))
    print(summary_line("test", evaluation.score))


def _prepare(corpus: str, arguments: Recipe, begun: bool, progress: Progress) -> Path:
    """Prepare a run's data, unless they are there; returns their folder.

    Raises:
        ConfigError: if a training has begun on other data.
    """
    data = arguments.out / "data"
    prepared_for = data / "request.json"
    request = {
        "corpus": corpus,
        "source": str(arguments.source and arguments.source.resolve()),
        "options": to_dict(arguments.options),
    }
    if _read_request(prepared_for) == request:
        return data
    if begun:
        raise ConfigError(f"{arguments.out} holds a run on other data; choose another --out")
    prepared = prepare(
        corpus,
        data,
        source=arguments.source,
        downloads=arguments.downloads,
        options=arguments.options,
        progress=progress,
    )
    show(preparation(prepared), aside=True)
    with atomic(prepared_for) as path:
        path.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    return data


def _read_request(path: Path) -> Any:
    """What a run's data were prepared for; None if nobody knows.

    Runs of older versions also have the model's subsampling there. Utterances were left out of
    train by it. Such a run goes on with its own data.
    """
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        {name: value for name, value in request.items() if name != "subsampling"} if isinstance(request, dict) else None
    )
