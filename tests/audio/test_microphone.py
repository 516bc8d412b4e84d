"""The microphone, with sounddevice played by a test."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from asr.audio.microphone import microphone, play
from asr.errors import DataError, MissingExtra


class PortAudioError(Exception):
    pass


def fake(monkeypatch, *, broken=False):
    """A sounddevice whose microphone gives two blocks when it is opened."""
    calls = []

    class InputStream:
        def __init__(self, sample_rate, size, device, *, channels, dtype, callback):
            if broken:
                raise PortAudioError("no such device")
            calls.append((sample_rate, size, device, channels, dtype))
            self.callback, self.size = callback, size

        def __enter__(self):
            for value in (1, 2):
                self.callback(np.full((self.size, 1), value, dtype=np.float32), self.size, None, None)

        def __exit__(self, *_):
            calls.append("closed")

    def played(waveform, rate, *, device, blocking):
        if broken:
            raise PortAudioError("busy")
        calls.append((len(waveform), rate, device, blocking))

    sound = SimpleNamespace(InputStream=InputStream, PortAudioError=PortAudioError, play=played)
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    return calls


def test_blocks_come_while_it_is_open(monkeypatch):
    calls = fake(monkeypatch)
    with microphone(16_000, "3") as blocks:
        one, other = next(blocks), next(blocks)
    assert one.shape == (1600,) and set(one) == {1.0} and set(other) == {2.0} and one.dtype == np.float32
    assert calls == [(16_000, 1600, 3, 1, "float32"), "closed"]
    play(one, 16_000, "USB")
    assert calls[-1] == (1600, 16_000, "USB", True)


def test_what_fails_is_one_line(monkeypatch):
    fake(monkeypatch, broken=True)
    with pytest.raises(DataError, match="cannot be opened"), microphone(16_000):
        pass
    with pytest.raises(DataError, match="cannot be played"):
        play(np.zeros(3, dtype=np.float32), 16_000)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match="live"), microphone(16_000):
        pass
