"""Everything that can go wrong through no fault of this program.

    AsrError            a user's mistake or a broken environment: one line, no traceback
    |-- DataError       audio, a transcript or a manifest: names the file (and line) and the remedy
    |-- ConfigError     a setting: names the field, its value and what is allowed
    |-- ModelError      a model folder or a checkpoint that cannot be used
    |-- DownloadError   a corpus that could not be fetched whole
    |-- TrainingError   training that cannot go on (non-finite losses in a row, a full disk)
    `-- MissingExtra    an optional library that is not installed: names the pip command

The command line prints `str(error)` after "asr: " and exits with `exit_code`. Anything else that
escapes is a bug, and shows its traceback.
"""

import signal


class AsrError(Exception):
    """A failure that the user can act on; its text says what was wrong, where, and what to do.

    Example:
        >>> try:
        ...     model = asr.load("nowhere")
        ... except asr.AsrError as error:
        ...     print(error)
        nowhere: not a model folder, it has no config.json; ...
    """

    exit_code = 1


class DataError(AsrError):
    """Audio, a transcript or a manifest that cannot be used.

    Example:
        >>> asr.score(["one text"], [])
        Traceback (most recent call last):
        asr.errors.DataError: 1 references cannot be paired with 0 hypotheses; ...
    """


class ConfigError(AsrError):
    """A setting outside what is allowed.

    Example:
        >>> model.transcribe("a.wav", 16_000)  # doctest: +SKIP
        Traceback (most recent call last):
        asr.errors.ConfigError: a.wav: a file has its own sample rate; leave sample_rate out
    """

    exit_code = 2


class ModelError(AsrError):
    """A model folder or a checkpoint that cannot be used.

    Example:
        >>> asr.load("nowhere")
        Traceback (most recent call last):
        asr.errors.ModelError: nowhere: not a model folder, it has no config.json; ...
    """


class DownloadError(AsrError):
    """A corpus that could not be fetched whole.

    Example: a connection that breaks off, or a file whose checksum is another.
    """


class TrainingError(AsrError):
    """Training that cannot go on.

    Example: losses that are not numbers, step after step.
    """


class MissingExtra(AsrError):  # noqa: N818  (it names what is missing, as ImportError's users expect)
    """An optional library that is not installed.

    Example:
        >>> asr.load("runs/an4/best", lm="words.arpa")  # doctest: +SKIP
        Traceback (most recent call last):
        asr.errors.MissingExtra: an n-gram model needs an optional library: pip install 'asr[lm]'
    """

    def __init__(self, purpose: str, extra: str = "") -> None:
        """Name what needs it, and the extra; without one it is PyTorch."""
        what = f"an optional library: pip install 'asr[{extra}]'" if extra else "PyTorch: pip install torch torchaudio"
        super().__init__(f"{purpose} needs {what}")


def exit_code(error: BaseException) -> int:
    """What a program exits with; after an interruption it is 128 and the number of the signal.

    That is SIGINT's, unless the error tells another.
    """
    if isinstance(error, KeyboardInterrupt):
        return 128 + int(error.args[0] if error.args else signal.SIGINT)
    return int(getattr(error, "exit_code", 1))
