"""What a server allows."""

from dataclasses import dataclass

from asr.config import POSITIVE, at_least, check
from asr.units import Seconds


@dataclass(frozen=True)
class ServeConfig:
    """Limits of a server.

    Raises:
        ConfigError: if a value is not allowed.
    """

    max_size: int = 512
    """MB of an upload."""
    max_duration: Seconds = 4 * 3600
    """Length of a recording, and of a live stream."""
    queue: int = 64
    """Requests that wait at the same time; more are sent away."""
    timeout: Seconds = 600
    """How long a request waits and is worked on at most."""
    patience: Seconds = 60
    """How long a client may send nothing in the middle of an upload or of live sound."""
    streams: int | None = None
    """Live streams at the same time; none takes twelve for each job, which a core keeps up with."""

    def __post_init__(self) -> None:
        check(
            self,
            max_size=at_least(1),
            max_duration=POSITIVE,
            queue=at_least(0),
            timeout=POSITIVE,
            patience=POSITIVE,
            streams=at_least(0),
        )
