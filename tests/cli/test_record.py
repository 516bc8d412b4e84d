"""`asr record`, with a microphone of a test."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.tiny import RATE, noise

from asr.cli import record as module

VOICE = (noise(4 * RATE, level=0.1) * np.repeat([0.003, 1, 0.003], [RATE // 2, RATE, 5 * RATE // 2])).astype(np.float32)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the loudspeaker plays; the microphone hears a voice."""
    played: list[np.ndarray] = []

    @contextmanager
    def microphone(sample_rate, device=None):
        yield (VOICE[start : start + 1600] for start in range(0, len(VOICE), 1600))

    monkeypatch.setattr(module, "microphone", microphone)
    monkeypatch.setattr(module, "play", lambda waveform, rate: played.append(waveform))
    return played


def answers(monkeypatch: pytest.MonkeyPatch, *given: str) -> None:
    waiting = list(given)
    monkeypatch.setattr("builtins.input", lambda _question: waiting.pop(0))


def test_a_sentence_is_read_played_and_kept(asr, heard, monkeypatch, tmp_path: Path):
    (tmp_path / "p.txt").write_text("one sentence\nanother one\n")
    answers(monkeypatch, "", "a", "", "", "q")
    found = asr("record", tmp_path / "p.txt", "--out", tmp_path / "mine")
    assert found.code == 0, found.err
    assert "1 of 2 sentences" in found.out and "the same command goes on" in found.err
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["0001.flac", "0001.txt"]
    assert len(heard) == 2
    answers(monkeypatch, "", "k")
    again = asr("record", tmp_path / "p.txt", "--out", tmp_path / "mine", "--no-playback")
    assert "2 of 2 sentences" in again.out and "asr adapt" in again.err and len(heard) == 2


def test_mistakes_end_in_one_clear_line(refused, monkeypatch, tmp_path: Path):
    refused(1, "cannot be read", "record", tmp_path / "none.txt", "--out", tmp_path / "o")


def test_without_sounddevice_one_line_says_so(asr, monkeypatch, tmp_path: Path):
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", None)
    answers(monkeypatch, "")
    found = asr("record", "--out", tmp_path / "mine")
    assert found.code == 1 and "pip install 'asr[live]'" in found.err and found.err.count("\n") == 1
