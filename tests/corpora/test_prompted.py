"""Sessions at a desk of a test: what is kept, repeated, left out and gone on with."""

import string

import numpy as np
import pytest
import soundfile
from support.tiny import RATE, noise

from asr.corpora.folder import read
from asr.corpora.prompted import read_prompts, record
from asr.errors import AsrError, DataError

GOOD = (noise(2 * RATE, level=0.1) * np.repeat([0.003, 1, 0.003], [RATE // 2, RATE, RATE // 2])).astype(np.float32)
QUIET = GOOD * np.float32(0.01)
TEXTS = ["one sentence", "another sentence", "a third one"]


class Desk:
    """Gives readings in turn, and repeats bad ones; verdicts by sentence."""

    def __init__(self, readings=(), verdicts=()):
        self.readings, self.verdicts, self.shown, self.faults = list(readings), dict(verdicts), [], []

    def show(self, text, number, total):
        self.shown.append((text, number, total))
        return True

    def take(self):
        return self.readings.pop(0) if self.readings else GOOD

    def play(self, waveform):
        self.played = waveform

    def judge(self, faults):
        self.faults.append(list(faults))
        return self.verdicts.get(self.shown[-1][0], "again" if faults else "keep")


def test_a_session_makes_a_folder_that_is_read(tmp_path):
    desk = Desk([QUIET, GOOD])
    session = record(TEXTS, tmp_path / "mine", desk, sample_rate=RATE)
    assert (session.recorded, session.total, session.seconds) == (3, 3, pytest.approx(6.0))
    assert [number for _, number, _ in desk.shown] == [1, 1, 2, 3]
    assert [bool(found) for found in desk.faults] == [True, False, False, False] and "too quiet" in desk.faults[0][0]
    found = read(tmp_path / "mine")
    assert {u.text: u.audio.name for part in (found.train, found.dev, found.test) for u in part} == {
        text: f"{number:04d}.flac" for number, text in enumerate(TEXTS, start=1)
    }
    samples, rate = soundfile.read(tmp_path / "mine" / "0001.flac", dtype="float32")
    assert rate == RATE and np.abs(samples - GOOD).max() < 1e-4


def test_it_goes_on_where_it_was_broken_off(tmp_path):
    first = record(TEXTS, tmp_path, Desk(verdicts={TEXTS[1]: "stop"}), sample_rate=RATE)
    assert first.recorded == 1
    (tmp_path / "0007.txt").write_text(TEXTS[2])  # without its recording, it is not done
    desk = Desk()
    second = record(["new", *TEXTS], tmp_path, desk, sample_rate=RATE)
    assert [text for text, *_ in desk.shown] == ["new", *TEXTS[1:]] and second.recorded == 4
    assert (tmp_path / "0001.txt").read_text() == f"{TEXTS[0]}\n"
    assert record(TEXTS, tmp_path, nobody := Desk(), sample_rate=RATE).recorded == 3 and not nobody.shown


def test_what_is_skipped_is_asked_for_again_next_time(tmp_path):
    assert record(TEXTS, tmp_path, Desk(verdicts={TEXTS[0]: "skip"}), sample_rate=RATE).recorded == 2
    record(TEXTS, tmp_path, desk := Desk(), sample_rate=RATE)
    assert [text for text, *_ in desk.shown] == TEXTS[:1]


def test_prompts_are_lines(tmp_path):
    (tmp_path / "p.txt").write_text("\ufeffOne  sentence.\n\n# a note\nAnother.\nOne sentence.\n", encoding="utf-8")
    assert read_prompts(tmp_path / "p.txt") == ["One sentence.", "Another."]
    (tmp_path / "none.txt").write_text("# only a note\n")
    with pytest.raises(DataError, match="holds no sentence"):
        read_prompts(tmp_path / "none.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrError, match="cannot be made"):
        record(TEXTS, tmp_path / "file" / "below", Desk(), sample_rate=RATE)


def test_forty_sentences_come_along():
    """All letters, no digits, as long as one breath."""
    found = read_prompts(None)
    assert len(found) == len(set(found)) == 40
    assert set("".join(found).lower()) >= set(string.ascii_lowercase)
    assert not any(letter.isdigit() for text in found for letter in text)
    assert all(8 <= len(text.split()) <= 15 for text in found)
