"""A microphone and a loudspeaker, by PortAudio (sounddevice)."""

import contextlib
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from asr.audio.reader import Waveform
from asr.errors import DataError, MissingExtra
from asr.units import Seconds, seconds_to_samples

BLOCK: Seconds = 0.1
PATIENCE: Seconds = 60.0
"""Sound that waits to be read, at most; what comes then is lost."""


def _sounddevice() -> ModuleType:
    """Import sounddevice.

    Raises:
        MissingExtra: if it is not installed.
        DataError: if the system lacks PortAudio.
    """
    try:
        import sounddevice
    except ImportError:
        raise MissingExtra("a microphone", "live") from None
    except OSError:
        raise DataError(
            "the PortAudio library is not installed; install your system's package, such as libportaudio2"
        ) from None
    module: ModuleType = sounddevice
    return module


class Captured(Iterator[Waveform]):
    """The samples of a microphone, (N,) float32, as they come.

    Attributes:
        sample_rate: in Hz.
        lost: seconds that came while too much was waiting.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.lost: Seconds = 0.0
        self._blocks: queue.Queue[Waveform] = queue.Queue()

    @property
    def waiting(self) -> Seconds:
        """What has come and was not read yet."""
        return self._blocks.qsize() * BLOCK

    def put(self, samples: Any, _frames: int, _time: Any, _status: Any) -> None:
        """Take a block, (N, 1): PortAudio's callback."""
        if self.waiting >= PATIENCE:
            self.lost += len(samples) / self.sample_rate
        else:
            self._blocks.put(samples[:, 0].copy())

    def __next__(self) -> Waveform:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._blocks.get(timeout=1)  # else Windows would not let it be interrupted


@contextmanager
def microphone(sample_rate: int, device: str | None = None) -> Iterator[Captured]:
    """Open a microphone while the block runs: its samples, (N,) float32, as they come.

    Args:
        sample_rate: in Hz.
        device: number or part of the name, as `asr listen --devices` lists them; None is the
            system's own.

    Raises:
        MissingExtra: if sounddevice is not installed.
        DataError: if there is no such microphone, or it cannot be opened.
    """
    sound = _sounddevice()
    captured = Captured(sample_rate)
    size = seconds_to_samples(BLOCK, sample_rate)
    try:
        stream = sound.InputStream(
            sample_rate, size, _named(device), channels=1, dtype="float32", callback=captured.put
        )
    except (sound.PortAudioError, ValueError) as error:
        raise DataError(f"the microphone cannot be opened ({error}); `asr listen --devices` lists them") from None
    with stream:
        yield captured


def microphones() -> list[str]:
    """Name the microphones, a line each: number, name, channels and rate.

    Raises:
        MissingExtra: if sounddevice is not installed.
    """
    found = enumerate(_sounddevice().query_devices())
    return [
        f"{number}  {device['name']} ({device['max_input_channels']} channels, {device['default_samplerate']:.0f} Hz)"
        for number, device in found
        if device["max_input_channels"] > 0
    ]


def play(waveform: Waveform, sample_rate: int, device: str | None = None) -> None:
    """Play a waveform to its end.

    Raises:
        MissingExtra: if sounddevice is not installed.
        DataError: if it cannot be played.
    """
    sound = _sounddevice()
    try:
        sound.play(waveform, sample_rate, device=_named(device), blocking=True)
    except (sound.PortAudioError, ValueError) as error:
        raise DataError(f"the recording cannot be played ({error}); --no-playback leaves that out") from None


def _named(device: str | None) -> int | str | None:
    return int(device) if device is not None and device.isdecimal() else device
