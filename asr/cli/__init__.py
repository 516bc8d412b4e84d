"""The command line: the only parser and printer.

Each command is a module of its name (- is _). It holds one frozen dataclass of its name, too. The
fields are the options, and `run` does the work. A command's module is imported only when the
command is called: `asr score` does without PyTorch.
"""

import codecs
import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from asr import __version__
from asr.errors import AsrError, ConfigError, exit_code
from asr.ranks import joined

COMMANDS = {
    "prepare": ("prepare CORPUS --out DIR", "a corpus -> checked manifests"),
    "pretrain": ("pretrain SOURCES --out RUN", "audio without transcripts -> weights to begin with"),
    "train": ("train DATA --out RUN", "manifests -> a model"),
    "record": ("record [PROMPTS] --out DIR", "sentences read aloud -> recordings with their texts"),
    "learning-curve": ("learning-curve DATA --out DIR", "what more speech would bring"),
    "adapt": ("adapt RECORDINGS --out DIR", "one's own recordings -> a model that knows them better"),
    "evaluate": ("evaluate MANIFEST [--model DIR]", "a model's word error rate, with its interval"),
    "transcribe": ("transcribe FILES [--model DIR]", "recordings -> text, subtitles, times of words"),
    "listen": ("listen [--model DIR]", "a microphone -> text while people speak"),
    "serve": ("serve [--model DIR ...]", "an HTTP server with OpenAI's API"),
    "align": ("align AUDIO TEXT [--model DIR]", "recordings and their text -> times of words"),
    "calibrate": ("calibrate MANIFEST --model DIR", "confidences that can be believed"),
    "lm": ("lm train TEXTS --out LM", "texts -> a language model"),
    "tune": ("tune MANIFEST --model DIR --lm LM", "weights of a language model, found on dev"),
    "export": ("export MODEL", "a model -> ONNX, which runs without PyTorch"),
    "compact": ("compact MODEL --out DIR", "a copy of a model in a quarter of its size"),
    "score": ("score REF HYP [HYP2 ...]", "error rates of transcripts; which system is better"),
    "doctor": ("doctor", "what is wrong with this installation or machine"),
    "gradients": ("gradients MANIFEST", "how far gradients reach through time"),
}
"""How each command is called, and what it does."""

FIRST = ("prepare", "train", "evaluate", "transcribe", "score")
"""The commands that most people need, in the order in which they need them."""

SHARED = ("train", "pretrain", "evaluate")
"""Commands that share their work between the processes of torchrun; their `run` is given these."""

PLANS = "8"
"""Matrix products for which oneDNN keeps a plan, each for one shape. Pieces of a recording have all
lengths, so its own limit, 1,024, fills hundreds of MB with plans that are not used again.
"""

THREADS = "1"
"""Of NumPy's matrix products, which are small here: in more they wait for one another, and burn the
cores that other recordings, or pieces of one, are read on.
"""

INTERRUPTED = "asr: interrupted; repeat the command to go on"


def usage() -> str:
    """List the commands, a line each: first those that most people need."""
    width = max(len(call) for call, _ in COMMANDS.values())
    lines = {name: f"  {call:{width}}  {purpose}\n" for name, (call, purpose) in COMMANDS.items()}
    first = "".join(lines.pop(name) for name in FIRST)
    rest = "".join(lines.values())
    return f"usage: asr COMMAND ...\n\n{first}\nand when you need more:\n\n{rest}\nasr COMMAND --help lists a command's options.\n"


def main() -> NoReturn:
    """Run `asr COMMAND ...` and exit.

    The exit code is 0 if all went well and 1 for something that the user can mend. It is 2 for a
    wrong option or setting, 130 after an interruption, and 143 after SIGTERM.
    """
    name, arguments = (sys.argv[1] if len(sys.argv) > 1 else "--help"), sys.argv[2:]
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PLANS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", THREADS)
    printable()
    with exit_codes(), joined() as ranks:
        if ranks.count > 1 and name not in SHARED:
            raise ConfigError(f"asr {name} is one process; start it without torchrun, which is for {', '.join(SHARED)}")
        if name in ("-h", "--help"):
            print(usage(), end="")
        elif name == "--version":
            print(f"asr {__version__}")
        elif name not in COMMANDS:
            raise ConfigError(f"no such command: {name}; there are {', '.join(COMMANDS)}")
        else:
            with leaving_at_once():
                from asr.cli.parse import parse

                try:
                    command = command_of(name)
                except ModuleNotFoundError as error:
                    raise AsrError(
                        f"asr {name} needs {error.name}, which this installation leaves out: pip install asr"
                    ) from error
            parsed = parse(command, f"asr {name}", arguments)
            parsed.run(ranks) if name in SHARED else parsed.run()
    sys.exit(0)


def command_of(name: str) -> type[Any]:
    """Import a command's module, and find the dataclass that is the command."""
    module = importlib.import_module(f"asr.cli.{name.replace('-', '_')}")
    command: type[Any] = getattr(module, name.title().replace("-", ""))
    return command


def printable() -> None:
    """Let nothing that is printed fail for its letters: what an encoding lacks is escaped.

    A file's name may hold bytes that are no UTF-8. Where the encoding is ASCII, which few mean, it
    becomes UTF-8: escapes would spoil JSON and subtitles.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it is closed
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="backslashreplace")


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """End the process when it is interrupted while modules are imported: there is nothing to save.

    An extension module makes another error of an interruption, or drops it.
    """

    def leave(_number: int, _frame: object) -> None:
        os.write(2, f"{INTERRUPTED}\n".encode())
        os._exit(130)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or the caller's own
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Print an error of the user's as one line, and exit with its code."""
    try:
        yield
    except AsrError as error:
        print(f"asr: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as stop:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(exit_code(stop))
    except BrokenPipeError:  # the reader of our output, such as `head`, has left
        sys.exit(1)
    except OSError as error:  # a full disk, a folder without permission
        print(f"asr: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # else Python complains of it when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
