"""The command line, called in this process."""

from dataclasses import dataclass

SMALL = (
    *("--acoustic.channels", "4", "--acoustic.layers", "1", "--acoustic.hidden", "16"),
    *("--threads", "1", "--loaders", "0"),
)
"""A recogniser that is trained in a second."""


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str
