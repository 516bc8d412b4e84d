"""A microphone and a loudspeaker, by PortAudio (sounddevice)."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from asr.audio.reader import Waveform
from asr.errors import DataError, MissingExtra
from asr.units import Seconds, seconds_to_samples

BLOCK: Seconds = 0.1


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


@contextmanager
def microphone(sample_rate: int, device: str | None = None) -> Iterator[Iterator[Waveform]]:
    """Open a microphone while the block runs: its samples, (N,) float32, as they come.

    Args:
        sample_rate: in Hz.
        device: number or part of the name, as `python -m sounddevice` lists them; None is the
            system's own.

    Raises:
        MissingExtra: if sounddevice is not installed.
        DataError: if there is no such microphone, or it cannot be opened.
    """
    sound = _sounddevice()
    waiting: queue.Queue[Waveform] = queue.Queue()

    def put(samples: Any, _frames: int, _time: Any, _status: Any) -> None:
        waiting.put(samples[:, 0].copy())

    def blocks() -> Iterator[Waveform]:
        while True:
            yield waiting.get()

    size = seconds_to_samples(BLOCK, sample_rate)
    try:
        stream = sound.InputStream(sample_rate, size, _named(device), channels=1, dtype="float32", callback=put)
    except (sound.PortAudioError, ValueError) as error:
        raise DataError(f"the microphone cannot be opened ({error}); `python -m sounddevice` lists devices") from None
    with stream:
        yield blocks()


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
