"""The command line: the only parser and printer.

Each command is a frozen dataclass: its fields are the options, its `run` does the work. Heavy imports wait until a
command needs them, so that `asr score` does not load PyTorch.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Protocol, get_args

import tyro
from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from tyro.conf import Positional, arg

from asr.errors import AsrError, ConfigError, DataError
from asr.text.formats import Format
from asr.text.normalise import TextForm
from asr.text.timed import TimedText

if TYPE_CHECKING:
    from asr.corpora import Options
    from asr.decoding.decoder import Decoder
    from asr.recogniser.recogniser import Recogniser
    from asr.scoring.assess import Assessment
    from asr.training.settings import TrainConfig
    from asr.transcription.transcript import Transcript

NO_PREFIX = arg(name="")
"""A nested dataclass whose fields are options of the command itself: --epochs, and --acoustic.hidden one level down."""
STANDARD_OUTPUT = Path("-")
HOTWORD_BONUS = 6.0
"""Nats that a hot word earns if its line does not say."""


class Command(Protocol):
    """What a parsed command line can do."""

    def run(self) -> None: ...


class Delivery(Protocol):
    """Where a transcript goes."""

    def __call__(self, transcript: "Transcript", timed: TimedText, /) -> None: ...


class TerminalProgress:
    """Lines and bars on standard error; no bar where that is not a terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def bar(self, doing: str, total: float | None, *, unit: str = "") -> "Iterator[_Task]":
        """Show a bar with the time that is left."""
        amount = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (TaskProgressColumn(),)
        columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            yield _Task(progress, progress.add_task(doing, total=total))


@dataclass(frozen=True)
class _Task:
    """A bar on the screen."""

    progress: Progress
    task: TaskID

    def update(self, done: float, doing: str | None = None) -> None:
        self.progress.update(self.task, completed=done, description=doing)


@dataclass(frozen=True)
class Search:
    """Beam search in place of greedy decoding."""

    lm: tuple[Path, ...] | None = None
    """Language models: an n-gram file (ARPA or KenLM binary), the folder of a recurrent one, or both; --lm alone takes those that
    `asr tune` has put into the model folder."""
    beam: int | None = None
    """Hypotheses to keep; without --lm, this alone asks for a beam search."""
    second: Path | None = None
    """With --lm: another recogniser's model folder, such as one of characters beside one of words, whose score counts too; --lm
    alone takes that of `asr tune`."""
    hotwords: Path | None = None
    """Names and jargon to favour: a phrase a line, and after a tab, if wanted, its bonus in nats (6 is usual)."""

    def decoder(self, model: Path, recogniser: "Recogniser") -> "Decoder | None":
        """Build what the options ask for; None for greedy decoding."""
        if self.lm is None and self.second is not None:
            raise ConfigError("--second needs --lm")
        if self.lm is None and self.beam is None and self.hotwords is None:
            return None
        from asr.decoding.tuned import load_decoder, tuned_models

        lm, second = self.lm or (), self.second
        if self.lm == ():
            lm, kept = tuned_models(model)
            second = second or kept
        hotwords = _hotwords(self.hotwords)
        decoder = load_decoder(model, recogniser, lm, second=second, beam=self.beam, hotwords=hotwords)
        if decoder.unspelt:
            print(
                f"asr: {len(decoder.unspelt)} words of the language model, such as {decoder.unspelt[0]!r}, cannot be spelt "
                "with the model's tokens, and are left out",
                file=sys.stderr,
            )
        return decoder


def _hotwords(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        fields = [line.split("\t") for line in lines if line.strip()]
        return {phrase.strip(): float(bonus[0]) if bonus else HOTWORD_BONUS for phrase, *bonus in fields}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no hot words to read ({error}); write a phrase a line, and a number after a tab"
        ) from None


@dataclass(frozen=True)
class Transcribe:
    """Print what is said in recordings, a line each: the file, a tab, the text; or write it to files, with times."""

    files: Positional[tuple[Path, ...]]
    """Audio files, or folders of them."""
    model: Path
    """A model folder."""
    format: tuple[Format, ...] = ()
    """Write files of these forms instead of printing lines."""
    out: Path | None = None
    """Folder for the files; without it they lie beside the recordings, and - is standard output."""
    nbest: int = 1
    """With a beam search: how many texts to print, each with its score between two tabs."""
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
    device: str = "auto"
    """cpu, cuda, or (auto) the better one that is there."""

    def run(self) -> None:
        from asr.recogniser.model_folder import load_model
        from asr.transcription.confidence import load_calibration
        from asr.transcription.transcribe import Transcriber, find_recordings
        from asr.workers import choose_device

        paths = find_recordings(self.files)
        if not paths:
            raise ConfigError("no file to transcribe was named")
        if self.out is not None and not self.format:
            raise ConfigError("--out needs --format, such as --format srt json")
        deliver = _delivery([path.with_suffix("") for path in paths], self.format, self.out, nbest=self.nbest)
        recogniser = load_model(self.model, choose_device(self.device))
        decoder = self.search.decoder(self.model, recogniser)
        if self.nbest < 1 or (self.nbest > 1 and (decoder is None or self.format)):
            raise ConfigError(
                f"--nbest {self.nbest} is not allowed; it is at least 1, and above it asks for --beam or --lm, without --format"
            )
        transcriber = Transcriber(recogniser, decoder, load_calibration(self.model))
        _deliver(transcriber.transcribe_files(paths), deliver, len(paths), "files could not be transcribed")


@dataclass(frozen=True)
class Align:
    """Find when each word of a known text is said in a recording, or in each utterance of a manifest."""

    source: Positional[Path]
    """An audio file, or a lhotse cut manifest (.jsonl, .jsonl.gz) with its own transcripts."""
    text: Positional[str | None] = None
    """For an audio file: what is said in it, or a text file that holds it."""
    model: Path = field(kw_only=True)
    """A model folder."""
    format: tuple[Format, ...] = ("ctm",)
    """Forms to write."""
    out: Path = STANDARD_OUTPUT
    """Folder for files; - is standard output."""
    device: str = "auto"
    """cpu, cuda, or (auto) the better one that is there."""

    def run(self) -> None:
        from asr.data.cuts import load_cuts
        from asr.transcription.align import align_cuts, align_file, file_stem
        from asr.transcription.transcribe import Transcriber

        is_manifest = self.source.name.endswith((".jsonl", ".jsonl.gz"))
        if is_manifest and self.text is not None:
            raise ConfigError("a manifest has its own transcripts; leave the text out")
        if not is_manifest and self.text is None:
            raise ConfigError(f"say what is said in {self.source}: asr align {self.source} TEXT --model {self.model}")
        if not self.format:
            raise ConfigError("--format needs a form, such as ctm")
        cuts = load_cuts(self.source) if is_manifest else []
        stems = [file_stem(cut) for cut in cuts] or [self.source.with_suffix("")]
        deliver = _delivery(stems, self.format, self.out)
        transcriber = Transcriber.load(self.model, device=self.device)
        if self.text is None:
            transcripts = align_cuts(transcriber, cuts)
        else:
            transcripts = iter([align_file(transcriber, self.source, _read_text(self.text))])
        _deliver(transcripts, deliver, len(stems), "utterances could not be aligned")


@dataclass(frozen=True)
class Calibrate:
    """Fit a model's confidences to utterances with transcripts that it was not trained on, and store the fit with it.

    Prints how far confidences are from the truth, before and after (for the fit's own utterances by five-fold
    cross-validation), and what luck alone would show.
    """

    manifest: Positional[Path]
    """A lhotse cut manifest, such as dev.jsonl.gz."""
    model: Path
    """A model folder; confidence.json and reliability.png are written there."""
    test: Path | None = None
    """A manifest to judge the fit on; the picture shows this one then."""
    device: str = "auto"
    """cpu, cuda, or (auto) the better one that is there."""

    def run(self) -> None:
        from asr.cli.tables import reliability
        from asr.data.cuts import load_cuts
        from asr.transcription.calibrate import calibrated, cross_validated, draw_reliability, judged, outcomes
        from asr.transcription.confidence import save_calibration
        from asr.transcription.transcribe import Transcriber

        cuts, test_cuts = load_cuts(self.manifest), load_cuts(self.test) if self.test else []
        transcriber = Transcriber.load(self.model, device=self.device)
        words, utterances = outcomes(transcriber, cuts, TerminalProgress())
        calibration = calibrated(words, utterances)
        name = self.manifest.name.split(".")[0]
        shown = [cross_validated(f"{name} words", words), cross_validated(f"{name} utterances", utterances)]
        rows = list(shown)
        if self.test is not None:
            name = self.test.name.split(".")[0]
            words, utterances = outcomes(transcriber, test_cuts, TerminalProgress())
            shown = [
                judged(f"{name} words", words, calibration.words),
                judged(f"{name} utterances", utterances, calibration.utterances),
            ]
            rows += shown
        save_calibration(self.model, calibration)
        draw_reliability(shown, self.model / "reliability.png")
        Console().print(reliability(rows))
        print(self.model / "reliability.png")


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
        from asr.cli.tables import reaches
        from asr.data.cuts import load_cuts
        from asr.model.acoustic import AcousticConfig
        from asr.model.recurrent import Cell
        from asr.recogniser.model_folder import load_model
        from asr.training.gradients import fresh, inspect, save

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


@dataclass(frozen=True)
class Tune:
    """Find the decoding weights of language models on dev, and keep both in the model folder for `--lm`."""

    manifest: Positional[Path]
    """A lhotse cut manifest, such as dev.jsonl.gz; never that of the test set."""
    model: Path
    """A model folder; it gets decoding.json and copies of the language models and the second recogniser."""
    lm: tuple[Path, ...]
    """An n-gram file (ARPA or KenLM binary), the folder of a recurrent language model, or both."""
    second: Path | None = None
    """Another recogniser's model folder, such as one of characters beside one of words, whose score is to count too."""
    beam: int = 50
    """Hypotheses to keep."""
    device: str = "auto"
    """cpu, cuda, or (auto) the better one that is there."""

    def run(self) -> None:
        from asr.cli.tables import trials
        from asr.data.cuts import load_cuts
        from asr.decoding.tune import keep, tune
        from asr.recogniser.model_folder import load_model
        from asr.scoring.score import summary_line
        from asr.workers import choose_device

        if not self.lm:
            raise ConfigError("--lm: no language model was named")
        recogniser = load_model(self.model, choose_device(self.device))
        decoder = Search(self.lm, self.beam, self.second).decoder(self.model, recogniser)
        assert decoder is not None
        tuning = tune(recogniser, decoder, load_cuts(self.manifest), TerminalProgress())
        keep(self.model, self.lm, self.second, tuning.config)
        Console().print(trials(tuning))
        name = self.manifest.name.split(".")[0]
        print(summary_line(f"{name}, greedy:", tuning.greedy))
        print(summary_line(f"{name}, tuned:", tuning.tuned))
        print(self.model / "decoding.json")


def _lm_command() -> type[Command]:
    from asr.lm.rnn import RnnLmConfig, RnnTraining
    from asr.text.tokenizer import TokenizerConfig

    @dataclass(frozen=True)
    class Lm:
        """Train a language model: n-grams (modified Kneser-Ney) of words, or a recurrent one with --rnn."""

        action: Positional[Literal["train"]]
        """train."""
        texts: Positional[tuple[Path, ...]]
        """Text files, a sentence a line, or lhotse cut manifests, whose transcripts are taken."""
        out: Path
        """ARPA file, or folder of the recurrent model."""
        order: int = 3
        """Words of an n-gram."""
        held_out: tuple[Path, ...] = ()
        """Texts to measure perplexity on; without any, it is measured on a twentieth of the text that is left out first."""
        text: TextForm = "basic"
        """Form of plain text files, as in `asr prepare`; manifests have theirs."""
        tokens: Path | None = None
        """A model folder: n-grams of its tokens instead of words, for any spelling (order 6 or more for characters)."""
        rnn: bool = False
        """Train a recurrent model, by truncated BPTT over the running text."""
        shape: Annotated[RnnLmConfig, arg(name="rnn-shape")] = field(default_factory=RnnLmConfig)
        training: RnnTraining = field(default_factory=RnnTraining)
        tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
        device: str = "auto"
        """cpu, cuda, or (auto) the better one that is there; for --rnn."""

        def run(self) -> None:
            from asr.lm.train import read_sentences, train_arpa, train_recurrent
            from asr.text.tokenizer import load_tokenizer
            from asr.workers import choose_device

            if self.rnn and self.tokens is not None:
                raise ConfigError(
                    "--tokens is for n-grams; a recurrent model has a tokenizer of its own, see --tokenizer.units"
                )
            sentences = read_sentences(self.texts, self.text)
            held_out = read_sentences(self.held_out, self.text) if self.held_out else None
            if self.rnn:
                result = train_recurrent(
                    sentences,
                    self.out,
                    held_out,
                    shape=self.shape,
                    training=self.training,
                    units=self.tokenizer,
                    device=choose_device(self.device),
                    progress=TerminalProgress(),
                )
            else:
                tokenizer = load_tokenizer(self.tokens) if self.tokens else None
                result = train_arpa(sentences, self.out, held_out, order=self.order, tokenizer=tokenizer)
            for name, prediction in result.items():
                print(
                    f"{name}: perplexity {prediction.perplexity:.2f} "
                    f"({prediction.words} held-out words with sentence ends, {prediction.unknown} unknown)"
                )
            print(self.out)

    return Lm


def _score_command() -> type[Command]:
    from asr.scoring.assess import ScoreOptions

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
            from asr.scoring.assess import assess, read_test_set

            references, systems = read_test_set(self.reference, self.hypotheses, plain=self.plain, details=self.details)
            name = self.hypotheses[0].name if len(systems) == 1 else self.reference.name
            _show(name, assess(references, systems, self.options, TerminalProgress()))

    return Score


def _evaluate_command() -> type[Command]:
    from asr.scoring.assess import ScoreOptions

    @dataclass(frozen=True)
    class Evaluate:
        """Decode the utterances of a manifest and score them against their transcripts."""

        manifest: Positional[Path]
        """A lhotse cut manifest, such as test.jsonl.gz."""
        model: Path
        """A model folder."""
        hypotheses: Path | None = None
        """Also write what was heard, as Kaldi text, for `asr score`."""
        search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
        device: str = "auto"
        """cpu, cuda, or (auto) the better one that is there."""
        options: Annotated[ScoreOptions, NO_PREFIX] = field(default_factory=ScoreOptions)

        def run(self) -> None:
            from asr.data.cuts import load_cuts
            from asr.recogniser.model_folder import load_model
            from asr.scoring.assess import assess
            from asr.scoring.transcripts import read_transcripts, write_texts
            from asr.transcription.evaluate import evaluate
            from asr.transcription.transcribe import Transcriber
            from asr.workers import choose_device

            recogniser = load_model(self.model, choose_device(self.device))
            decoder = self.search.decoder(self.model, recogniser)
            transcriber = Transcriber(recogniser, decoder)
            evaluation = evaluate(transcriber, load_cuts(self.manifest), progress=TerminalProgress())
            if self.hypotheses is not None:
                write_texts(self.hypotheses, evaluation.hypotheses)
            name = self.manifest.name.split(".")[0]
            _show(
                name,
                assess(
                    read_transcripts(self.manifest), {name: evaluation.hypotheses}, self.options, TerminalProgress()
                ),
            )

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
        options: Annotated[Options, NO_PREFIX] = field(default_factory=Options)

        def run(self) -> None:
            from asr.data.prepare import prepare, report

            prepared = prepare(
                self.corpus,
                self.out,
                source=self.source,
                downloads=self.downloads,
                options=self.options,
                text_form=self.text,
                check=self.check,
                progress=TerminalProgress(),
            )
            Console().print(report(prepared))

    return Prepare


def _train_command() -> type[Command]:
    from asr.training.settings import TrainConfig

    @dataclass(frozen=True)
    class Train:
        """Train a recogniser on prepared manifests; the same command goes on after a kill."""

        data: Positional[Path]
        """Folder with train.jsonl.gz and dev.jsonl.gz."""
        out: Path
        """Run folder; the best model is in its best/."""
        config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)

        def run(self) -> None:
            from asr.training.train import train

            best = train(self.config, self.data, self.out, TerminalProgress())
            print(f"best model: {best}")

    return Train


def _pretrain_command() -> type[Command]:
    from asr.training.settings import PretrainConfig

    @dataclass(frozen=True)
    class Pretrain:
        """Learn from audio without transcripts, by forecasting it; `asr train --init RUN/best` goes on from there."""

        sources: Positional[tuple[Path, ...]]
        """Lhotse cut manifests, whose transcripts are not looked at, audio files, and folders of them."""
        out: Path
        """Run folder; the pretrained model is in its best/."""
        dev: tuple[Path, ...] = ()
        """Likewise, to choose the best epoch by; without it every twentieth piece of the sources is held out."""
        config: Annotated[PretrainConfig, NO_PREFIX] = field(default_factory=PretrainConfig)

        def run(self) -> None:
            from asr.training.pretrain import pretrain

            best = pretrain(self.config, self.sources, self.dev, self.out, TerminalProgress())
            print(f"pretrained model: {best}")

    return Pretrain


COMMANDS: dict[str, Callable[[], type[Command]]] = {
    "prepare": _prepare_command,
    "pretrain": _pretrain_command,
    "train": _train_command,
    "evaluate": _evaluate_command,
    "transcribe": lambda: Transcribe,
    "align": lambda: Align,
    "calibrate": lambda: Calibrate,
    "lm": _lm_command,
    "tune": lambda: Tune,
    "score": _score_command,
    "gradients": lambda: Gradients,
}
USAGE = """usage: asr COMMAND ...

  prepare CORPUS --out DIR      a corpus -> checked manifests
  pretrain SOURCES --out RUN    audio without transcripts -> weights to begin with
  train DATA --out RUN          manifests -> a model
  evaluate MANIFEST --model DIR a model's word error rate, with its interval
  transcribe FILES --model DIR  recordings -> text, subtitles, times of words
  align AUDIO TEXT --model DIR  recordings and their text -> times of words
  calibrate MANIFEST --model DIR confidences that can be believed
  lm train TEXTS --out LM       texts -> a language model
  tune MANIFEST --model DIR --lm LM  its weight in decoding, found on dev
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


def recipe(
    corpus: str,
    *stages: "TrainConfig",
    options: "Options | None" = None,
    fast: "Sequence[TrainConfig]" = (),
) -> NoReturn:
    """Prepare a corpus, train on it, evaluate on its test part, print `test WER ...`, and exit.

    Args:
        corpus: as for `asr prepare`.
        stages: the recipe's settings. Each training but the first begins with the weights of the one before; the last model is
            the recipe's. What the command line sets, it sets in all of them.
        options: the recipe's corpus options, which can also be set there.
        fast: the stages of --fast, where the recipe has such.
    """
    with _exit_codes():
        from asr.corpora import Options
        from asr.training.settings import TrainConfig

        default_options, arguments = options or Options(), sys.argv[1:]

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
            config: Annotated[TrainConfig, NO_PREFIX] = field(default_factory=TrainConfig)

        @dataclass(frozen=True)
        class RecipeWithFast(Recipe):
            __doc__ = Recipe.__doc__

            fast: bool = False
            """Settings for a shorter training, of a model that makes more errors."""

        kind, name = RecipeWithFast if fast else Recipe, Path(sys.argv[0]).name
        chosen = fast if fast and "--fast" in arguments else stages
        parsed = [
            _parse(kind, name, arguments, default=kind(options=default_options, config=stage)) for stage in chosen
        ]
        _run_recipe(corpus, parsed[-1], [one.config for one in parsed])
    sys.exit(0)


def _run_recipe(corpus: str, arguments: Any, stages: "Sequence[TrainConfig]") -> None:
    from asr.config import to_dict
    from asr.data.cuts import load_cuts
    from asr.data.prepare import prepare, report
    from asr.files import atomic
    from asr.recogniser.model_folder import load_model
    from asr.scoring.report import figures, worst_utterances
    from asr.scoring.score import summary_line
    from asr.scoring.transcripts import write_texts
    from asr.training.train import train
    from asr.transcription.evaluate import evaluate
    from asr.transcription.transcribe import Transcriber
    from asr.workers import choose_device

    config, out = stages[-1], arguments.out
    folders = [*(out / f"stage-{number}" for number in range(1, len(stages))), out]
    data, progress = out / "data", TerminalProgress()
    request = {
        "corpus": corpus,
        "source": str(arguments.source and arguments.source.resolve()),
        "options": to_dict(arguments.options),
    }
    prepared_for = data / "request.json"
    if not prepared_for.is_file() or json.loads(prepared_for.read_text(encoding="utf-8")) != request:
        if any((folder / "checkpoints").exists() for folder in folders):
            raise ConfigError(f"{out} holds a run on other data; choose another --out")
        prepared = prepare(
            corpus,
            data,
            source=arguments.source,
            downloads=arguments.downloads,
            options=arguments.options,
            progress=progress,
        )
        progress.console.print(report(prepared))
        with atomic(prepared_for) as path:
            path.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    test_cuts = load_cuts(data / "test.jsonl.gz")
    init = stages[0].init
    for number, (stage, folder) in enumerate(zip(stages, folders, strict=True), start=1):
        if len(stages) > 1:
            progress.say(f"stage {number} of {len(stages)}: {stage.tokenizer.units}, {folder}")
        best = train(replace(stage, init=init), data, folder, progress)
        init = str(best)
    transcriber = Transcriber(load_model(best, choose_device(config.device)))
    evaluation = evaluate(transcriber, test_cuts, loaders=config.loaders, progress=progress)
    write_texts(out / "test.hypotheses.txt", evaluation.hypotheses)
    with atomic(out / "test.json") as path:
        path.write_text(json.dumps(evaluation.score.to_json(), indent=2) + "\n", encoding="utf-8")
    progress.console.print(Group(figures("test", evaluation.score), worst_utterances(evaluation.score, 5)))
    print(summary_line("test", evaluation.score))


def _delivery(stems: Sequence[Path], forms: Sequence[Format], out: Path | None, *, nbest: int = 1) -> "Delivery":
    """Decide what happens to transcripts: a line each, files, or files' content on standard output.

    Raises:
        ConfigError: if that cannot be done for all of them.
    """
    from asr.text.formats import destinations, render_timed_text, write_timed_text

    def print_line(transcript: "Transcript", _timed: TimedText) -> None:
        if nbest == 1:
            print(f"{transcript.name}\t{transcript.text}", flush=True)
            return
        for found in transcript.hypotheses[:nbest]:
            print(f"{transcript.name}\t{found.score:.4f}\t{found.text}", flush=True)

    def print_content(transcript: "Transcript", timed: TimedText) -> None:
        print(render_timed_text(timed, forms[0], transcript.stem.name), end="", flush=True)

    def write_files(transcript: "Transcript", timed: TimedText) -> None:
        for form, path in named[transcript.stem].items():
            write_timed_text(timed, form, path)
            print(path, flush=True)

    if not forms:
        return print_line
    if out != STANDARD_OUTPUT:
        named = destinations(stems, forms, out)
        return write_files
    if len(forms) > 1 or (len(stems) > 1 and forms[0] not in ("ctm", "txt")):
        raise ConfigError(
            "standard output takes one --format, and of several recordings only ctm or txt; name a folder with --out"
        )
    return print_content


def _deliver(transcripts: "Iterable[Transcript]", deliver: "Delivery", total: int, complaint: str) -> None:
    """Deliver what there is, print an error line for each of the others, and fail at the end if there were any."""
    failed = 0
    for transcript in transcripts:
        if transcript.timed is None:
            failed += 1
            print(f"asr: {transcript.error}", file=sys.stderr)
        else:
            deliver(transcript, transcript.timed)
    if failed and total == 1:
        sys.exit(AsrError.exit_code)
    if failed:
        raise AsrError(f"{failed} of {total} {complaint}")


def _read_text(text: str) -> str:
    """Read a text file; what is not the name of one is a text itself.

    Raises:
        DataError: if the file cannot be read, or is missing and was clearly meant.
    """
    path = Path(text)
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise DataError(f"{text}: not UTF-8 (iconv converts it)") from None
    if path.suffix == ".txt":
        raise DataError(f"{text}: no such text file")
    return text


def _show(name: str, assessment: "Assessment") -> None:
    """Write the page if one is wanted, and print JSON or tables."""
    options = assessment.options
    if options.html is not None:
        from asr.scoring.page import write_page

        write_page(options.html, name, assessment, TerminalProgress())
    if options.json:
        print(json.dumps(assessment.to_json(), indent=2, ensure_ascii=False))
        return
    from asr.scoring.report import report

    Console().print(report(name, assessment))
    if options.html is not None:
        print(options.html)


def _parse(command: type[Any], program: str, arguments: Sequence[str], default: Any = None) -> Any:
    """Parse options with tyro, on top of an instance's values if one is given, and turn its box of several lines into one.

    Raises:
        ConfigError: for an option that does not exist or has a wrong value.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(command, prog=program, args=arguments, default=default, description=command.__doc__)
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
