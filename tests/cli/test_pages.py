"""What the pages show works: their commands and their Python, on a tiny corpus and model.

A page's blocks run one after another in a folder that holds what they name. Only what would take
long is made smaller. See `support.pages` for the marks of blocks that are not run here.
"""

import doctest
import importlib
import lzma
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import SMALL
from support.pages import PAGES, ROOT, Block, blocks
from support.tones import RATE, waveform

from asr.cli import command_of
from asr.cli.parse import parse
from asr.cli.recipe import VARIANTS, recipe_with
from asr.data.cuts import load_cuts, save_cuts
from asr.data.prepare import prepare
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tune import keep
from asr.errors import ConfigError
from asr.lm.estimate import NgramConfig, train_ngram
from asr.model.acoustic import AcousticConfig
from asr.training.settings import TrainConfig
from asr.training.train import train

SMALLER = {
    "train": f"{' '.join(SMALL)} --epochs 1",
    "pretrain": "--acoustic.layers 1 --acoustic.hidden 16 --epochs 1 --threads 1 --loaders 0",
    "lm": "--rnn-shape.hidden 8 --training.epochs 1",
    "adapt": "--epochs 1 --threads 1",
    "gradients": "--layers 1 --hidden 8 --distance 0.4",
}
"""Options that make a command of the pages quick."""
LITTLE = {"no_speech": "--minutes 0.2", "serve": "--seconds 2 --clients 1 2", "scale": "--lines 1000 10000"}
LESS = {"--minutes": "0.2", "--cuts": "3", "--hours": "0.003", "--streams": "1 2"}
"""The same for benchmarks: by their names, and in place of what a page gives an option."""
EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "asr").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
ANYTHING = "anything\n"
SHELL = re.compile(r"[|&;<>$*{]|^\. ")
RECORDINGS = "a.wav a.mp4 lecture.mp4 recording.wav talks/a.wav archive/2024/a.wav RECORDINGS/a.wav"
AN4 = "an4/wav/an4test_clstk/fcaw/a.wav an4/wav/an4test_clstk/marh/a.wav an4/wav/an4test_clstk/miry/a.wav"
AUDIO = {".wav", ".flac", ".mp3", ".mp4", ".ogg"}
TEXTS = ("please call me back", "turn on the kitchen light", "a quick brown fox jumps over a lazy dog", "never mind")
WITH = {kind: [page for page in PAGES if any(b.kind == kind for b in blocks(page))] for kind in ("run", "long")}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    home, draw = tmp_path_factory.mktemp("home"), random.Random(1)
    for split, count in (("train", 12), ("dev", 3), ("test", 10)):
        for number in range(count):
            write_recording(home / "my-recordings" / split / f"{split}-{number}.wav", TEXTS[number % len(TEXTS)], draw)
    for name in (RECORDINGS + " " + AN4).split():
        write_recording(home / name, "call me back", draw)
    data = prepare("folder", home / "runs/mine/data", source=home / "my-recordings").folder
    config = TrainConfig(acoustic=AcousticConfig(channels=4, layers=1, hidden=16), epochs=1, threads=1, loaders=0)
    train(config, data, home / "runs/mine")
    for run in ("demo", "an4"):
        shutil.copytree(home / "runs/mine", home / "runs" / run)
    (home / "runs/demo/model").symlink_to("best")
    for name, meant in {"DIR": "runs/mine/best", "MODEL": "runs/mine/best", "DATA": "runs/mine/data"}.items():
        (home / name).symlink_to(meant)
    shutil.copy(data / "train.jsonl.gz", home / "dev.jsonl.gz")  # calibration asks for ten utterances
    test = [cut.cut() for cut in load_cuts(data / "test.jsonl.gz")]
    for number, cut in enumerate(test):
        cut.supervisions[0].speaker = "ann" if number % 2 else "bob"
    save_cuts(test, home / "test.jsonl.gz")
    save_cuts([cut for cut in test if "light" in cut.supervisions[0].text], home / "spoken.jsonl.gz")
    save_cuts([cut for cut in test if "light" not in cut.supervisions[0].text], home / "other.jsonl.gz")
    write_transcripts(home, {cut.id: cut.supervisions[0].text for cut in test})
    (home / "names.txt").write_text("pittsburgh\nann\t4\n")
    (home / "emails.txt").write_text("".join(f"{text}\n" for text in TEXTS * 40))
    for name in ("words.arpa", "larger.arpa"):
        train_ngram(TEXTS, NgramConfig(3)).write(home / name)
    keep(shutil.copytree(home / "runs/mine/best", home / "english"), [home / "words.arpa"], None, DecodingConfig())
    with lzma.open(home / "news.txt.xz", "wt") as news:
        news.write("".join(f"{text}\n" for text in TEXTS * 40))
    (home / ".venv/bin").mkdir(parents=True)
    (home / ".venv/bin/activate").write_text("")
    for folder in ("recipes", "benchmarks"):
        (home / folder).symlink_to(ROOT / folder)
    return home


def write_recording(path: Path, text: str, draw: random.Random) -> None:
    """Tones for some letters, and a text file beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform(text, draw), RATE, format="FLAC" if path.suffix == ".flac" else "WAV")
    path.with_suffix(".txt").write_text(text)


def write_transcripts(home: Path, texts: dict[str, str]) -> None:
    """References and hypotheses of the test part, as `asr score` takes them."""
    (home / "reference.txt").write_text("".join(f"{key} {text}\n" for key, text in texts.items()))
    (home / "hypothesis.txt").write_text("".join(f"{key} {text} a\n" for key, text in texts.items()))
    stm = (f"{key} A ann 0.0 1.0 {text}\n" for key, text in texts.items())
    (home / "reference.stm").write_text("".join(stm))
    for system in ("a", "b"):
        ctm = (f"{key} A 0.1 0.2 {word}\n" for key, text in texts.items() for word in [system, *text.split()[1:]])
        (home / f"system-{system}.ctm").write_text("".join(ctm))


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    shutil.copytree(home, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("asr.recogniser.bundled.FOLDER", tmp_path / "work" / "english")
    return tmp_path / "work"


def make_room(command: list[str], folder: Path) -> None:
    """Take away what a command is about to make, else a finished training would only say so."""
    if "--out" in command and command[1] in ("prepare", "pretrain", "train"):
        out = folder / command[command.index("--out") + 1]
        for old in out.iterdir() if out.is_dir() else ():
            if not (old.name == "data" and command[1] != "prepare"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()


def make_recordings(command: list[str], folder: Path) -> None:
    """Make the recordings that a command names, each with its text."""
    for word in command:
        if Path(word).suffix in AUDIO and not (folder / word).exists():
            write_recording(folder / word, "call me back", random.Random(word))


def call(block: Block, line: str, asr, folder: Path) -> None:
    """Call one line of commands."""
    line, _, kept = line.partition(" > ")
    words = shlex.split(line)
    if words[0] == "asr" and not SHELL.search(line):
        make_room(words, folder)
        make_recordings(words, folder)
        smaller = "" if words[1] == "gradients" and "--model" in words else SMALLER.get(words[1], "")
        result = asr(*words[1:], *smaller.split())
        if "optional library" in result.err:
            pytest.skip(result.err)
        assert result.code == 0, (block.place, line, result.err)
        if kept:
            (folder / kept).write_text(result.out)
    else:
        shell(block, f"{line} > {kept}" if kept else line, folder)


def shell(block: Block, script: str, folder: Path) -> None:
    """Run a script as a user's shell would."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, (block.place, script, ran.stderr)


@pytest.mark.parametrize("page", WITH["run"], ids=name)
def test_the_blocks_of_a_page_run(page, asr, folder):
    known: dict[str, object] = {}
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.kind == "run" and block.is_python:
            exec(compile(block.text, block.place, "exec"), known)
        elif block.kind == "run":
            for line in block.commands:
                call(block, line, asr, folder)


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_of_a_module_run(module, folder):
    """Of those that doctest skips the output depends on the model; they must run all the same."""
    asr = importlib.import_module("asr")
    known = {"asr": asr, "model": asr.load("MODEL"), "samples": np.zeros(RATE, dtype=np.float32)}
    runner = doctest.DocTestRunner(checker=Checker(), optionflags=doctest.ELLIPSIS, verbose=False)
    for test in doctest.DocTestFinder().find(importlib.import_module(module), extraglobs=known):
        for example in test.examples:
            if "MissingExtra" not in example.want and example.options.pop(doctest.SKIP, False) and not example.exc_msg:
                example.want = ANYTHING
        runner.run(test)
    assert runner.tries > 0 and runner.failures == 0


class Checker(doctest.OutputChecker):
    """Takes anything where the output depends on the model."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return want == ANYTHING or super().check_output(want, got, optionflags)


@pytest.mark.soak
@pytest.mark.parametrize("page", WITH["long"], ids=name)
def test_the_long_blocks_of_a_page_run(page, folder):
    for block in blocks(page):
        if block.kind == "long":
            shell(block, "\n".join(map(less, block.commands)), folder)


def less(command: str) -> str:
    """A benchmark with less to do; the last value of an option counts."""
    words = shlex.split(command)
    if words[:2] != ["python", "-m"]:
        return command
    little = LITTLE.get(words[2].removeprefix("benchmarks."), "")
    return " ".join([command, little, *(f"{option} {value}" for option, value in LESS.items() if option in words)])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_options_of_every_command_exist(page):
    """Also of commands that are only shown."""
    for block in blocks(page):
        for command in block.commands:
            for part in re.split(r"&&|;|\|", command):
                words = shlex.split(part.partition(">")[0])
                if "..." not in words and not is_known(words):
                    raise AssertionError((block.place, part))


def is_known(words: list[str]) -> bool:
    """Whether a command and its options exist; of `asr` and recipes an error says what is wrong."""
    program, *arguments = words
    if program == "asr":
        parse(command_of(arguments[0]), "asr", arguments[1:])
    elif program == "python" and arguments[0].startswith("recipes/"):
        assert (ROOT / arguments[0]).is_file(), words
        kind = recipe_with(VARIANTS)
        parse(kind, arguments[0], arguments[1:], default=kind(Path("runs")))
    elif program == "python" and arguments[:1] == ["-m"] and arguments[1].startswith("benchmarks."):
        source = (ROOT / arguments[1].replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        options = [option.removeprefix("--") for option in arguments if option.startswith("--")]
        return all(f'"--{option}"' in source or option.replace("-", "_") in source for option in options)
    elif program == "make":
        return all(re.search(f"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in arguments)
    return True


def test_blocks_and_their_marks_are_found(tmp_path):
    """Else the tests above could not fail."""
    page = tmp_path / "page.md"
    parts = (
        "# Title\n\n    asr score a \\\n        b   # c\n\n    asr score c d\n\n<!-- long -->\n\n    python -m x\n",
        "```python\nprint()\n```\n\n    a file\n\nand\n\n    # home.txt\n    x\n",
        "<!-- shown: it is old -->\n```sh\nasr --version\n```\n",
    )
    page.write_text("\n".join(parts))
    first, second, third, file, last = blocks(page)
    assert (first.line, first.kind, first.commands) == (3, "run", ["asr score a b", "asr score c d"])
    assert (second.kind, third.is_python, third.text) == ("long", True, "print()")
    assert (file.file, file.text, file.commands) == ("home.txt", "# home.txt\nx", [])
    assert (last.line, last.kind, last.reason) == (25, "shown", "it is old")
    page.write_text("<!-- all shown: hours -->\n\n    asr score a b\n")
    assert [(block.kind, block.reason) for block in blocks(page)] == [("shown", "hours")]


def test_benchmarks_have_less_to_do():
    assert (
        less("python -m benchmarks.serve R --hours 1")
        == "python -m benchmarks.serve R --hours 1 --seconds 2 --clients 1 2 --hours 0.003"
    )
    assert less("asr doctor") == "asr doctor"


def test_what_is_wrong_in_a_page_fails(asr, tmp_path):
    with pytest.raises(ConfigError, match="--sing"):
        is_known(["asr", "score", "a", "b", "--sing"])
    with pytest.raises(ConfigError, match="--sing"):
        is_known(["python", "recipes/an4.py", "--sing", "1"])
    assert not is_known(["make", "song"]) and not is_known(["python", "-m", "benchmarks.long", "--sing"])
    block = Block(ROOT / "README.md", 1, "asr score nothing here", False, None, "run", None)
    for line in ("asr score nothing here", "false"):
        with pytest.raises(AssertionError):
            call(block, line, asr, tmp_path)
