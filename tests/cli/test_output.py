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


def test_who_gets_little_text_is_told_how_to_see_the_rest(capsys):
    for unsure, told in ((2.5, True), (0.9, False)):
        timed = TimedText(segments=(), duration=4.0, confidence=1.0, coverage=Coverage(4.0, 3.0, 1.6, unsure, 1.9))
        deliver([Transcript("a.wav", Path("a"), timed)], lambda *_: None, 1, "failed")
        assert ("; --min-confidence 0 shows" in capsys.readouterr().err) == told
