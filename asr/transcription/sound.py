"""What comes in, a file or samples -> blocks at the recogniser's rate, and its warnings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from asr.audio.reader import Recording as OpenRecording
from asr.audio.reader import Waveform, open_recording
from asr.audio.waveform import from_array
from asr.errors import ConfigError
from asr.units import Samples, Seconds

if TYPE_CHECKING:
    import torch

Recording: TypeAlias = "str | Path | npt.NDArray[Any] | torch.Tensor"
"""A file, or samples: (N,) or (channels, N), floats of full scale +-1 or PCM integers."""


def nobody(*_told: Any) -> None:
    """Is told nothing."""


class Sound:
    """Blocks that are read once, counted.

    Args:
        blocks: (N,) each.
        sample_rate: theirs, in Hz.
        warnings: what is amiss; complete when all is read.
        prefix: of what is warned of later, a file's name.
    """

    def __init__(self, blocks: Iterator[Waveform], sample_rate: int, warnings: list[str], prefix: str = "") -> None:
        self.prefix = prefix
        self.sample_rate = sample_rate
        self.warnings = warnings
        self.samples: Samples = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[Waveform]:
        for block in self._blocks:
            self.samples += len(block)
            yield block

    @property
    def duration(self) -> Seconds:
        """Of what was read by now."""
        return self.samples / self.sample_rate


@contextmanager
def opened(
    recording: Recording,
    sample_rate: int | None,
    wanted: int,
    *,
    track: int | None = None,
    channel: int | None = None,
    told: Callable[[float], None] = nobody,
) -> Iterator[Sound]:
    """Open what comes in: the one place where it may be a file or samples.

    Args:
        recording: a file ("-" is standard input), or samples.
        sample_rate: of the samples, in Hz; a file has its own.
        wanted: the rate of the blocks, in Hz.
        track: of a file with several sound tracks, from 0; None is its default.
        channel: of a file with several channels, from 0; None averages them.
        told: is called with the share that is read, where a file says how long it is.

    Raises:
        DataError: if the recording cannot be read or holds no sound.
        ConfigError: if samples come without a rate, or a file with one.
    """
    if isinstance(recording, str | Path):
        if sample_rate is not None:
            raise ConfigError(f"{recording}: a file has its own sample rate; leave sample_rate out")
        with open_recording(recording, track=track, channel=channel) as file:
            yield Sound(_telling(file, wanted, told), wanted, file.warnings, f"{file.name}: ")
        return
    if sample_rate is None:
        raise ConfigError("samples do not say their rate: transcribe(samples, sample_rate)")
    if track is not None or channel is not None:
        raise ConfigError("track and channel choose from a file; of samples, give those of one channel")
    samples = recording.detach().cpu().numpy() if hasattr(recording, "detach") else recording  # a tensor's
    yield Sound(iter([from_array(samples, sample_rate, wanted)]), wanted, [])


def _telling(file: OpenRecording, sample_rate: int, told: Callable[[float], None]) -> Iterator[Waveform]:
    """Read a file; after each block tell which share of it is done."""
    for block in file.blocks(sample_rate=sample_rate):
        yield block
        if file.promised:
            told(min(1.0, file.seconds / file.promised))
