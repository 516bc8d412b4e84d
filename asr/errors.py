"""Everything that can go wrong through no fault of this program.

    AsrError            a user's mistake or a broken environment: one line, no traceback
    |-- DataError       audio, a transcript or a manifest: names the file (and line) and the remedy
    |-- ConfigError     a setting: names the field, its value and what is allowed
    |-- ModelError      a model folder or a checkpoint that cannot be used
    |-- DownloadError   a corpus that could not be fetched whole
    |-- TrainingError   training that cannot go on (non-finite losses in a row, a full disk)
    `-- MissingExtra    an optional library that is not installed: names the pip command

The command line prints `str(error)` after "asr: " and exits with `exit_code`. Anything else that escapes is a bug, and
shows its traceback.
"""


class AsrError(Exception):
    """A failure that the user can act on; its text says what was wrong, where, and what to do."""

    exit_code = 1


class DataError(AsrError):
    """Audio, a transcript or a manifest that cannot be used."""


class ConfigError(AsrError):
    """A setting outside what is allowed."""

    exit_code = 2


class ModelError(AsrError):
    """A model folder or a checkpoint that cannot be used."""


class DownloadError(AsrError):
    """A corpus that could not be fetched whole."""


class TrainingError(AsrError):
    """Training that cannot go on."""


class MissingExtra(AsrError):  # noqa: N818  (it names what is missing, as ImportError's users expect)
    """An optional library that is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional library: pip install 'asr[{extra}]'")
