"""`asr listen` and `asr transcribe --stream`, with a microphone played by a test."""

import io
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import srt
from rich.console import Console
from support.tiny import noise

from asr.audio.microphone import PATIENCE, Captured
from asr.cli import listen
from asr.cli.live import CELLS, JsonLines, Lines, Outlets, Screen, Slowness, Subtitles, WatchedGrammar, follow
from asr.decoding.commands import Commands
from asr.text.grammar import read_grammar
from asr.text.timed import Command, Segment, Word
from asr.text.tokenizer import CharacterTokenizer
from asr.transcription.live import Final, Partial

RATE = 16_000


def segment(text, start, each=0.3):
    words = [Word(word, start + n * each, start + (n + 1) * each, 0.9) for n, word in enumerate(text.split())]
    return Segment(tuple(words), 0.8)


class Said:
    """A stream that says what it is told to, an event list a block."""

    def __init__(self, *events):
        self.events = list(events)

    def accept(self, block):
        return self.events.pop(0) if len(self.events) > 1 else []

    def finish(self):
        return self.events.pop()


EVENTS = (
    [Partial("go", "")],
    [],
    [Partial("go forward ten", "go forward")],
    [Final(segment("go forward ten", 1.0)), Partial("st", "")],
    [Final(segment("stop", 4.0))],
)


@pytest.fixture
def heard(monkeypatch, recordings):
    """A microphone that hears a recording, until Ctrl-C."""
    waveform, rate = soundfile.read(recordings / "test" / "test-0.wav", dtype="float32")

    def blocks():
        yield from np.array_split(waveform, len(waveform) // 1600)
        raise KeyboardInterrupt

    @contextmanager
    def microphone(sample_rate, device):
        assert sample_rate == rate and device in (None, "desk")
        yield blocks()

    monkeypatch.setattr(listen, "microphone", microphone)
    return recordings / "test" / "test-0.wav"


def test_finals_are_lines_and_json_lines_tell_everything(capsys):
    follow(Said(*EVENTS), [noise(1600)] * 4, Outlets([Lines()]))
    assert capsys.readouterr().out == "go forward ten\nstop\n"
    follow(Said(*EVENTS), [noise(1600)] * 4, Outlets([JsonLines()]))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["type"] for event in told] == ["partial", "partial", "final", "partial", "final"]
    assert told[1] == {"type": "partial", "text": "go forward ten", "stable": "go forward"}
    assert told[2]["id"] == 0 and told[4]["id"] == 1 and told[4]["text"] == "stop"
    assert [word["word"] for word in told[2]["words"]] == ["go", "forward", "ten"]


def test_subtitles_are_complete_at_any_time(tmp_path):
    """They grow, and one stays until it is read, but never into the next."""
    texts = ["go forward ten " * 8, "stop", "go"]
    with (tmp_path / "a.srt").open("w", encoding="utf-8") as file:
        place = Subtitles(file)
        for number, (text, start) in enumerate(zip(texts, (0.5, 8.2, 8.7), strict=True), start=1):
            place.tell([Partial("x", ""), Final(segment(text, start))])
            shown = list(srt.parse((tmp_path / "a.srt").read_text(), ignore_errors=False))
            assert " ".join(" ".join(each.content.split()) for each in shown) == " ".join(
                " ".join(texts[:number]).split()
            )
            assert [each.index for each in shown] == list(range(1, len(shown) + 1))
            assert all(one.end <= other.start for one, other in pairwise(shown))
    assert len(shown) >= 4


def test_the_screen_shows_what_is_said_how_loud_it_is_and_how_far_it_is_behind():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    screen = Screen(console)
    with screen.live:
        screen.tell([Partial("go forward te", "go forward")])
        screen.heard(noise(1600, level=0.1), 5.0)
        shown = console.file.getvalue()
        assert "go forward" in shown and "5 s behind" in shown and "█" * 13 in shown and "█" * 15 not in shown
        screen.tell([Final(segment("go forward ten", 1.0))])
        screen.heard(np.zeros(1600, np.float32), 0.0)
        last = console.file.getvalue().rsplit("go forward ten", 1)[1].rsplit("\x1b[2K", 1)[1]
    assert "░" * CELLS in last and "behind" not in last and "go" not in last


def test_a_machine_that_cannot_keep_up_is_told_of(capsys):
    captured = Captured(RATE)
    slow = Slowness(captured)
    for count, lines in ((15, 0), (10, 1), (10, 0), (20, 1)):
        for _ in range(count):
            captured.put(np.zeros((1600, 1), np.float32), 1600, None, None)
        slow.complain()
        assert capsys.readouterr().err.count("cannot keep up") == lines
    for _ in range(700):
        captured.put(np.zeros((1600, 1), np.float32), 1600, None, None)
    slow.complain()
    assert captured.waiting == pytest.approx(PATIENCE) and captured.lost == pytest.approx(55 / 10 + 70 - PATIENCE)
    assert "lost" in capsys.readouterr().err


def test_listening_ends_with_what_was_said_last(asr, heard, model, tmp_path):
    """As JSON and subtitles, and the finals are those of the file as a stream."""
    options = ("--model", model, "--min-confidence", 0)
    result = asr("listen", *options, "--json", "--microphone", "desk", "--srt", tmp_path / "a.srt")
    assert result.code == 0, result.err
    assert "latency" in result.err
    events = [json.loads(line) for line in result.out.splitlines()]
    finals = [event["text"] for event in events if event["type"] == "final"]
    assert finals and events[-1]["type"] == "final"
    assert " ".join(" ".join(each.content.split()) for each in srt.parse((tmp_path / "a.srt").read_text())) == " ".join(
        finals
    )
    lines = asr("listen", *options)
    assert lines.out.splitlines() == finals
    streamed = asr("transcribe", "--stream", heard, *options)
    assert streamed.out.splitlines() == finals and not streamed.err


@pytest.mark.parametrize("raw", [False, True])
def test_standard_input_is_read_as_it_comes(asr, model, recordings, monkeypatch, raw):
    path = recordings / "test" / "test-0.wav"
    samples, rate = soundfile.read(path, dtype="int16")
    data = samples.tobytes() if raw else path.read_bytes()
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    writer = Thread(target=write)
    writer.start()
    options = ("--model", model, "--min-confidence", 0)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        piped = asr("transcribe", "--stream", "-", *options, *(("--raw", rate) if raw else ()), "--format", "json")
    writer.join()
    assert piped.code == 0, piped.err
    finals = [event["text"] for event in map(json.loads, piped.out.splitlines()) if event["type"] == "final"]
    assert finals == asr("transcribe", "--stream", path, *options).out.splitlines() != []


def test_microphones_are_listed(asr, monkeypatch):
    devices = [
        {"name": "speaker", "max_input_channels": 0, "default_samplerate": 48_000.0},
        {"name": "desk", "max_input_channels": 2, "default_samplerate": 44_100.0},
    ]
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(query_devices=lambda: devices))
    assert asr("listen", "--devices").out == "1  desk (2 channels, 44100 Hz)\n"


def test_mistakes_end_in_one_clear_line(refused, model: Path, heard, noise: Path, tmp_path: Path):
    of_model = ("--model", model)
    refused(2, "--stream takes one file", "transcribe", "--stream", noise, noise, *of_model)
    refused(2, "--stream takes one file", "transcribe", "--stream", noise, *of_model, "--format", "srt")
    refused(1, "not readable as audio", "transcribe", "--stream", noise, *of_model)
    refused(2, "--raw is for standard input", "transcribe", "--stream", heard, *of_model, "--raw", 8000)
    refused(2, "silence must be", "listen", *of_model, "--silence", 0)


def test_commands_that_change_in_their_file_are_listened_for_from_then_on(tmp_path, capsys):
    path, tokenizer = tmp_path / "c.txt", CharacterTokenizer(" abc")
    path.write_text("a b\n")
    commands = Commands(tokenizer, read_grammar(path))
    heard: list[list[str]] = []

    class Listening(Said):
        def accept(self, block):
            heard.append([phrase.text for phrase in commands.phrases])
            return super().accept(block)

    def blocks():
        for content in (None, "{x: a | b} c\n", "a (b\n", "", None):
            if content == "":
                path.unlink()
            elif content is not None:
                path.write_text(content)
            yield noise(160)

    follow(Listening([]), blocks(), Outlets([]), WatchedGrammar(path, commands))
    assert heard == [["a b"], *[["a c", "b c"]] * 4]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and told[0].endswith("c.txt: 2 phrases now")
    assert "c.txt:1: a ) is missing" in told[1] and told[1].endswith("the commands before it stay")
    assert WatchedGrammar.of(None, commands) is None and WatchedGrammar.of(path, None) is None


def test_a_live_command_is_a_line_with_its_name_and_slots(capsys):
    said = replace(segment("turn on", 0.0), command=Command("light", {"state": "on"}, -0.1))
    Lines().tell([Final(said)])
    JsonLines().tell([Final(said)])
    line, as_json = capsys.readouterr().out.splitlines()
    assert line == "turn on\tlight\tstate=on"
    assert json.loads(as_json)["command"] == {"name": "light", "slots": {"state": "on"}, "score": -0.1}
