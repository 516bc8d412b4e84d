"""What the command line prints."""

import io
from pathlib import Path

from rich.console import Console

from asr.cli.output import TerminalProgress, deliver
from asr.text.timed import Coverage, TimedText
from asr.transcription.transcript import Transcript


def test_a_bar_on_standard_error_leaves_results_on_standard_output(capsys):
    """As in `asr transcribe ... > texts` at a terminal."""
    progress = TerminalProgress()
    progress.console = Console(file=io.StringIO(), force_terminal=True)
    with progress.bar("1 of 2", 2) as bar:
        print("a.wav\ttext")
        bar.update(1, "2 of 2")
    assert capsys.readouterr().out == "a.wav\ttext\n"
    shown = progress.console.file.getvalue()
    assert "2 of 2" in shown and "a.wav" not in shown


def logged(monkeypatch, doing: str, done: range) -> list[str]:
    """What a log hears of work of a hundred parts, each of which takes ten seconds."""
    now = [0.0]
    progress = TerminalProgress()
    progress.console = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(progress.console, "get_time", lambda: now[0])
    with progress.bar(doing, 100) as bar:
        for part in done:
            now[0] += 10.0
            bar.update(part)
    return progress.console.file.getvalue().splitlines()


def test_a_log_hears_of_long_work_now_and_then(monkeypatch):
    """Where standard error is no terminal: after half a minute, then twice as long each time."""
    assert logged(monkeypatch, "evaluating", range(1, 101)) == [
        "evaluating: 3 %, about 16:10 left",
        "evaluating: 6 %, about 15:40 left",
        "evaluating: 12 %, about 14:40 left",
        "evaluating: 24 %, about 12:40 left",
        "evaluating: 48 %, about 8:40 left",
        "evaluating: 96 %, about 0:40 left",
    ]


def test_work_that_goes_on_is_not_quicker_for_what_was_done_before(monkeypatch):
    assert logged(monkeypatch, "epoch 2/2", range(61, 65)) == ["epoch 2/2: 63 %, about 6:10 left"]


def test_a_log_hears_nothing_of_short_work():
    progress = TerminalProgress()
    progress.console = Console(file=io.StringIO())
    with progress.bar("evaluating", 3) as bar:
        for done in (1, 2, 3):
            bar.update(done)
    assert progress.console.file.getvalue() == ""


def test_who_gets_little_text_is_told_how_to_see_the_rest(capsys):
    for unsure, told in ((2.5, True), (0.9, False)):
        timed = TimedText(segments=(), duration=4.0, confidence=1.0, coverage=Coverage(4.0, 3.0, 1.6, unsure, 1.9))
        deliver([Transcript("a.wav", Path("a"), timed)], lambda *_: None, 1, "failed")
        assert ("; --min-confidence 0 shows" in capsys.readouterr().err) == told
