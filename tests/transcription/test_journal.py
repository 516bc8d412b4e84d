"""A job that was stopped goes on, and its text is that of one that was not."""

from itertools import chain, count, pairwise

import numpy as np
import pytest
import soundfile
import torch
from support.tiny import RATE, noise, recogniser, sine

from asr.audio.reader import Recording
from asr.errors import AsrError
from asr.text.formats import FORMATS, render_timed_text
from asr.transcription import parts
from asr.transcription.journal import Journal, partial_files
from asr.transcription.long import Parting
from asr.transcription.part import PieceReader
from asr.transcription.transcribe import Transcriber

SECONDS = 110


def speech(seconds: int, seed: int = 0) -> np.ndarray:
    pitches = np.random.default_rng(seed).choice([0, 200, 900, 2500, 6000], 5 * seconds)
    return np.concatenate([sine(pitch, 0.2) for pitch in pitches]) + noise(seconds * RATE, level=0.01)


@pytest.fixture(scope="module")
def talkative() -> Transcriber:
    made = Transcriber(recogniser(layers=2, seed=7), min_confidence=0.0)
    with torch.no_grad():
        made.recogniser.acoustic.output.bias[0] -= 2  # else it says next to nothing
    return made


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.flac"
    soundfile.write(path, 0.5 * speech(SECONDS), RATE)
    return path


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """States are kept after 30 s."""
    monkeypatch.setattr(parts, "EVERY", 30.0)


@pytest.mark.parametrize("kind", [{"cell": "lstm"}, {"cell": "gru"}, {"chunk": 2.0, "lookahead": 0.5}])
def test_who_goes_on_from_a_state_finds_the_same_pieces(kind):
    model, waveform = recogniser(layers=2, **kind), speech(60)
    cuts = [0, 50, 320_001, 600_000, len(waveform)]
    blocks = [waveform[a:b] for a, b in pairwise(cuts)]
    first = Parting(model)
    states, found = [first.state()], []
    for block in blocks:
        found.append(first.accept(block))
        states.append(first.state())
    found.append(first.finish())
    assert sum(map(len, found)) >= 2
    for number, state in enumerate(states):
        other = Parting(model, state={name: tensor.copy() for name, tensor in state.items()})
        assert other.samples == cuts[number]
        again = [other.accept(block) for block in blocks[number:]] + [other.finish()]
        for one, two in zip(chain(*found[number:]), chain(*again), strict=True):
            assert (one.start, one.is_all) == (two.start, two.is_all)
            assert np.array_equal(one.waveform, two.waveform) and np.array_equal(one.log_probs, two.log_probs)


class Stop(BaseException):
    """As an interruption, or a machine that fails."""


def rendered(transcript) -> list[str]:
    return [render_timed_text(transcript.timed, form, "a") for form in FORMATS]


def stopped_after(blocks, parts, journal, transcriber, path, monkeypatch):
    """Stop when so many blocks are read or parts are written."""
    read, add, counted = Recording.blocks, Journal.add, count(1)

    def reading(recording, *args, **options):
        for number, block in enumerate(read(recording, *args, **options)):
            if number == blocks:
                raise Stop
            yield block

    def adding(self, part):
        if next(counted) > parts:
            raise Stop
        add(self, part)

    with monkeypatch.context() as patch, journal, pytest.raises(Stop):
        patch.setattr(Recording, "blocks", reading)
        patch.setattr(Journal, "add", adding)
        transcriber.transcribe_file(path, journal)


@pytest.mark.parametrize("stops", [[(1, 99)], [(99, 1)], [(5, 99), (8, 99), (99, 2), (10, 99)]])
def test_a_job_that_was_stopped_goes_on_and_ends_with_the_same_text(talkative, path, tmp_path, monkeypatch, stops):
    with Journal() as whole:
        transcript = talkative.transcribe_file(path, whole)
        expected = rendered(transcript)
        parts = whole.count
        assert parts >= 5 and len(transcript.timed.segments) >= 5
        assert transcript.text == talkative.transcribe(path).text
    for blocks, most in stops:
        stopped_after(blocks, most, Journal(tmp_path / "a"), talkative, path, monkeypatch)
    journal, searched = Journal(tmp_path / "a"), []
    decode = PieceReader.decode
    monkeypatch.setattr(PieceReader, "decode", lambda *given: searched.append(1) or decode(*given))
    with journal:
        there = journal.count
        found = talkative.transcribe_file(path, journal)
        assert rendered(found) == expected
        assert len(searched) == parts - there, "what was found is not searched for again"
        assert (journal.news is None) == (there == 0)
        if there > 0:
            assert "goes on after 0:0" in journal.news
        journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_who_goes_on_begins_at_the_state_and_not_at_the_start(talkative, path, tmp_path, monkeypatch):
    heard = []
    accept = Parting.accept
    monkeypatch.setattr(Parting, "accept", lambda self, block: heard.append(len(block)) or accept(self, block))
    stopped_after(9, 99, Journal(tmp_path / "a"), talkative, path, monkeypatch)
    assert sum(heard) == 90 * RATE
    heard.clear()
    with Journal(tmp_path / "a") as journal:
        talkative.transcribe_file(path, journal)
    assert sum(heard) == (SECONDS - 90) * RATE


@pytest.mark.parametrize("damage", ["torn", "no state", "bad state", "no parts"])
def test_what_is_damaged_is_found_anew(talkative, path, tmp_path, monkeypatch, damage):
    expected = talkative.transcribe(path)
    stopped_after(9, 99, Journal(tmp_path / "a"), talkative, path, monkeypatch)
    parts, state = partial_files(tmp_path / "a")
    if damage == "torn":
        parts.write_bytes(parts.read_bytes()[:-200])
    elif damage == "no state":
        state.unlink()
    elif damage == "bad state":
        state.write_bytes(state.read_bytes()[:-200])
    else:
        parts.write_bytes(parts.read_bytes().split(b"\n")[0] + b"\n")
    with Journal(tmp_path / "a") as journal:
        found = talkative.transcribe_file(path, journal).timed
        assert tuple(found.segments) == expected.segments
        assert (found.confidence, found.coverage) == (expected.confidence, expected.coverage)


def test_what_was_made_of_something_else_is_not_gone_on_from(talkative, path, tmp_path, monkeypatch):
    stopped_after(9, 99, Journal(tmp_path / "a", ["one"]), talkative, path, monkeypatch)
    with Journal(tmp_path / "a", ["other"]) as journal:
        assert journal.count == 0 and journal.state() == (0, None)
        assert "is another than then; it starts anew" in journal.news


def test_a_second_process_does_the_same_without_a_journal(tmp_path):
    with Journal(tmp_path / "a") as mine, Journal(tmp_path / "a") as other:
        assert "another process" in other.news and mine.news is None
        other.remove()
        assert partial_files(tmp_path / "a")[0].exists()
    with Journal(tmp_path / "a") as later:
        assert later.news is None


def test_segments_are_read_from_the_journal(talkative, path):
    with Journal() as journal:
        timed = talkative.transcribe_file(path, journal).timed
        segments = tuple(timed.segments)
        assert len(timed.segments) == len(segments) and timed.segments[1] == segments[1]
        assert timed.segments[-1] == segments[-1] and timed.segments[1:3] == segments[1:3]
        assert [s.text for s, _ in zip(timed.segments, timed.segments, strict=True)] == [s.text for s in segments]
        with pytest.raises(IndexError):
            _ = timed.segments[len(segments)]


def test_a_journal_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "b").write_text("a file")
    with pytest.raises(AsrError, match=r"b.a\.partial\.jsonl: cannot be written"), Journal(tmp_path / "b" / "a"):
        pass
