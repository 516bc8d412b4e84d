"""The command line: the only parser and printer.

Each command is a frozen dataclass: its fields are the options, its `run` does the work. Heavy imports wait until a
command needs them, so that `asr score` does not load PyTorch.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Protocol, get_args

import tyro
from rich.console import Console, Group
from tyro.conf import Positional, arg

from asr.errors import AsrError, ConfigError
from asr.text import TextForm

if TYPE_CHECKING:
    from asr.assess import Assessment
    from asr.corpora import Options
    from asr.trainer import TrainConfig

NO_PREFIX = arg(name="")
"""A nested dataclass whose fields are options of the command itself: --epochs, and --acoustic.hidden one level down."""


class Command(Protocol):
    """What a parsed command line can do."""

    def run(self) -> None: ...


@dataclass(frozen=True)
class Transcribe:
    """Print what is said in recordings, a line each: the file, a tab, the text."""

    files: Positional[tuple[Path, ...]]
    """Audio files, or folders of them."""
    model: Path
    """A model folder."""
    device: str = "auto"
    """cpu, cuda, or (auto) the better one that is there."""

    def run(self) -> None:
        from asr.checkpoint import load_model
        from asr.transcribe import find_recordings, transcribe
        from asr.workers import choose_device

        paths = find_recordings(self.files)
        if not paths:
            raise ConfigError("no file to transcribe was named")
        recogniser = load_model(self.model, choose_device(self.device))
        failed = 0
        for transcript in transcribe(recogniser, paths):
            if transcript.error is None:
                print(f"{transcript.path}\t{transcript.text}", flush=True)
            else:
                failed += 1
                print(f"asr: {transcript.error}", file=sys.stderr)
        if failed and len(paths) == 1:
            sys.exit(AsrError.exit_code)
        if failed:
            raise AsrError(f"{failed} of {len(paths)} files could not be transcribed")


@dataclass(frozen=True)
class Gradients:
    """Measure how far gradients reach through time, layer by layer, on real utterances, and recommend a BPTT segment.

    Without --model, fresh networks of tanh RNN, GRU and LSTM are measured side by side.
    """

    manifest: Positional[Path]
    """A lhotse cut manifest, such as dev.jsonl.gz; its longest utterances are taken."""
    model: tuple[Path, ...] = ()
    """Model folders, measured side by side."""
    out: Path = Path("gradients")
    """Folder for gradients.json and gradients.png."""
    distance: float = 4.0
    """How far back and ahead to look, in seconds."""
    layers: int = 3
    """Layers of the fresh networks."""
    hidden: int = 256
    """Units of one direction of the fresh networks."""
    gain: float = 1.0
    """Scales the fresh networks' recurrent matrices, whose spectral radius is about 0.58 at first."""
    seed: int = 0
    """Of the fresh networks' weights."""

    def run(self) -> None:
        from asr.acoustic import AcousticConfig
        from asr.checkpoint import load_model
        from asr.data import load_cuts
        from asr.gradients import fresh, inspect, save
        from asr.recurrent import Cell
        from asr.report import reaches

        if self.distance <= 0:
            raise ConfigError(f"--distance must be positive, got {self.distance}")
        cuts = load_cuts(self.manifest)
        if self.model:
            recognisers = [(str(folder), load_model(folder)) for folder in self.model]
        else:
            shapes = [AcousticConfig(cell=cell, layers=self.layers, hidden=self.hidden) for cell in get_args(Cell)]
            recognisers = [
                (f"fresh {shape.cell}", fresh(shape, cuts, gain=self.gain, seed=self.seed)) for shape in shapes
            ]
        inspections = [inspect(name, recogniser, cuts, distance=self.distance) for name, recogniser in recognisers]
        save(inspections, self.out)
        Console().print(reaches(inspections))
        print(self.out / "gradients.png")


def _score_command() -> type[Command]:
    from asr.assess import ScoreOptions

    @dataclass(frozen=True)
    class Score:
        """Compare transcript files, paired by utterance id: error rates with 95 % intervals; which system is better."""

        reference: Positional[Path]
        """What was said: Kaldi text (`id text`), TRN (`text (id)`), STM, or JSON lines (NeMo's manifests, lhotse's cuts)."""
        hypotheses: Positional[tuple[Path, ...]]
        """What was heard, in any of these forms, or in CTM; a file for each system."""
        plain: bool = False
        """The files hold a text a line without ids: pair them by line number."""
        details: Path | None = None
        """A manifest of the same ids, or Kaldi's utt2spk, that says more of the utterances: speaker, duration, audio."""
        options: Annotated[ScoreOptions, NO_PREFIX] = field(default_factory=ScoreOptions)

        def run(self) -> None:
            from asr.assess import assess, load

            references, systems = load(self.reference, self.hypotheses, plain=self.plain, details=self.details)
            name = self.hypotheses[0].name if len(systems) == 1 else self.reference.name
            _show(name, assess(references, systems, self.options))

    return Score


def _evaluate_command() -> type[Command]:
    from asr.assess import ScoreOptions

    @dataclass(frozen=True)
    class Evaluate:
        """Decode the utterances of a manifest and score them against their transcripts."""

        manifest: Positional[Path]
        """A lhotse cut manifest, such as test.jsonl.gz."""
        model: Path
        """A model folder."""
        hypotheses: Path | None = None
        """Also write what was heard, as Kaldi text, for `asr score`."""
        device: str = "auto"
        """cpu, cuda, or (auto) the better one that is there."""
        options: Annotated[ScoreOptions, NO_PREFIX] = field(default_factory=ScoreOptions)

        def run(self) -> None:
            from asr.assess import assess
            from asr.checkpoint import load_model
            from asr.data import load_cuts
            from asr.evaluate import evaluate
            from asr.transcripts import read_utterances, write
            from asr.workers import choose_device

            recogniser = load_model(self.model, choose_device(self.device))
            evaluation = evaluate(recogniser, load_cuts(self.manifest))
            if self.hypotheses is not None:
                write(self.hypotheses, evaluation.hypotheses)
            name = self.manifest.name.split(".")[0]
            _show(name, assess(read_utterances(self.manifest), {name: evaluation.hypotheses}, self.options))

    return Evaluate


def _prepare_command() -> type[Command]:
    from asr.corpora import Options

    @dataclass(frozen=True)
    class Prepare:
        """Turn a corpus into checked manifests: train, dev and test."""

        corpus: Positional[str]
        """an4, commonvoice, folder, fsdd, librispeech, prompts, yesno, or lhotse:NAME for any of lhotse's recipes."""
        out: Path
        """Folder for the manifests."""
        source: Path | None = None
        """The corpus on disk; without it, it is downloaded from its own home."""
        downloads: Path = Path("data")
        """Where downloads are kept."""
        text: TextForm = "basic"
        """basic: lower case without punctuation; verbatim: as it is."""
        check: Literal["decode", "header"] = "decode"
        """Whether every recording is decoded once, or only its header read."""
        subsampling: int = 4
        """The model's; it decides how long a transcript may be for its recording."""
        options: Annotated[Options, NO_PREFIX] = field(default_factory=Options)

        def run(self) -> None:
            from asr.prepare import prepare, report

            prepared = prepare(
                self.corpus,
                self.out,
                source=self.source,
                downloads=self.downloads,
                options=self.options,
                text_form=self.text,
                check=self.check,
                subsampling=self.subsampling,
            )
            Console().print(report(prepared))

    return Prepare


def _train_command() -> type[Command]:
    from asr.trainer import TrainConfig

    @dataclass(frozen=True)
    class Train:
        """Train a recogniser on prepared manifests; the same command goes on after a kill."""

        data: Positional[Path]
        """Folder with train.jsonl.gz and dev.jsonl.gz."""
        out: Path
        """Run folder; the best model is in its best/."""
        config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)

        def run(self) -> None:
            from asr.train import train

            best = train(self.config, self.data, self.out, Console(stderr=True))
            print(f"best model: {best}")

    return Train


COMMANDS: dict[str, Callable[[], type[Command]]] = {
    "prepare": _prepare_command,
    "train": _train_command,
    "evaluate": _evaluate_command,
    "transcribe": lambda: Transcribe,
    "score": _score_command,
    "gradients": lambda: Gradients,
}
USAGE = """usage: asr COMMAND ...

  prepare CORPUS --out DIR      a corpus -> checked manifests
  train DATA --out RUN          manifests -> a model
  evaluate MANIFEST --model DIR a model's word error rate, with its interval
  transcribe FILES --model DIR  recordings -> text
  score REF HYP [HYP2 ...]      error rates of transcript files, with intervals; which is better
  gradients MANIFEST            how far gradients reach through time

asr COMMAND --help lists a command's options.
"""


def main() -> NoReturn:
    """Run `asr COMMAND ...` and exit: 0 well done, 1 something the user can mend, 2 a wrong option or setting, 130 interrupted."""
    name, arguments = (sys.argv[1] if len(sys.argv) > 1 else "--help"), sys.argv[2:]
    with _exit_codes():
        if name in ("-h", "--help"):
            print(USAGE)
        elif name not in COMMANDS:
            raise ConfigError(f"no such command: {name}; there are {', '.join(COMMANDS)}")
        else:
            _parse(COMMANDS[name](), f"asr {name}", arguments).run()
    sys.exit(0)


def recipe(corpus: str, config: "TrainConfig", options: "Options | None" = None) -> NoReturn:
    """Prepare a corpus, train on it, evaluate on its test part, print `test WER ...`, and exit.

    Args:
        corpus: as for `asr prepare`.
        config: the recipe's settings; every field can be set on the command line.
        options: the recipe's corpus options, likewise.
    """
    with _exit_codes():
        from asr.corpora import Options
        from asr.trainer import TrainConfig

        default_options = options or Options()

        @dataclass(frozen=True)
        class Recipe:
            """Prepare, train and evaluate; the same command goes on after a kill."""

            out: Path = Path("runs") / Path(sys.argv[0]).stem
            """Run folder."""
            source: Path | None = None
            """The corpus on disk; without it, it is downloaded from its own home."""
            downloads: Path = Path("data")
            """Where downloads are kept."""
            options: Annotated[Options, NO_PREFIX] = field(default_factory=lambda: default_options)
            config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=lambda: config)

        _run_recipe(corpus, _parse(Recipe, Path(sys.argv[0]).name, sys.argv[1:]))
    sys.exit(0)


def _run_recipe(corpus: str, arguments: Any) -> None:
    from asr.checkpoint import load_model
    from asr.config import to_dict
    from asr.data import load_cuts
    from asr.evaluate import evaluate
    from asr.files import atomic
    from asr.prepare import prepare, report
    from asr.report import figures, worst_utterances
    from asr.score import summary_line
    from asr.train import train
    from asr.transcripts import write
    from asr.workers import choose_device

    config, out = arguments.config, arguments.out
    data, progress = out / "data", Console(stderr=True)
    request = {
        "corpus": corpus,
        "source": str(arguments.source and arguments.source.resolve()),
        "options": to_dict(arguments.options),
        "subsampling": config.acoustic.subsampling,
    }
    prepared_for = data / "request.json"
    if not prepared_for.is_file() or json.loads(prepared_for.read_text(encoding="utf-8")) != request:
        if (out / "checkpoints").exists():
            raise ConfigError(f"{out} holds a run on other data; choose another --out")
        prepared = prepare(
            corpus,
            data,
            source=arguments.source,
            downloads=arguments.downloads,
            options=arguments.options,
            subsampling=config.acoustic.subsampling,
        )
        progress.print(report(prepared))
        with atomic(prepared_for) as path:
            path.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    test_cuts = load_cuts(data / "test.jsonl.gz")
    best = train(config, data, out, progress)
    recogniser = load_model(best, choose_device(config.device))
    evaluation = evaluate(recogniser, test_cuts, loaders=config.loaders)
    write(out / "test.hypotheses.txt", evaluation.hypotheses)
    with atomic(out / "test.json") as path:
        path.write_text(json.dumps(evaluation.score.to_json(), indent=2) + "\n", encoding="utf-8")
    progress.print(Group(figures("test", evaluation.score), worst_utterances(evaluation.score, 5)))
    print(summary_line("test", evaluation.score))


def _show(name: str, assessment: "Assessment") -> None:
    """Write the page if one is wanted, and print JSON or tables."""
    options = assessment.options
    if options.html is not None:
        from asr.page import write

        write(options.html, name, assessment)
    if options.json:
        print(json.dumps(assessment.to_json(), indent=2, ensure_ascii=False))
        return
    from asr.report import report

    Console().print(report(name, assessment))
    if options.html is not None:
        print(options.html)


def _parse(command: type[Any], program: str, arguments: Sequence[str]) -> Any:
    """Parse options with tyro, and turn its box of several lines into one.

    Raises:
        ConfigError: for an option that does not exist or has a wrong value.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(command, prog=program, args=arguments, description=command.__doc__)
    except SystemExit as stop:
        if not stop.code:
            raise
    inside = [line.strip("│ ") for line in box.getvalue().splitlines() if line.startswith("│")]
    message = " ".join(line for line in inside if not line.startswith("──"))
    raise ConfigError(message.removesuffix(".") or f"wrong options; see {program} --help")


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Print an error of the user's as one line, and exit with its code."""
    try:
        yield
    except AsrError as error:
        print(f"asr: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("asr: interrupted; repeat the command to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder without permission
        print(f"asr: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
