"""What the command line prints."""

import io

from rich.console import Console

from asr.cli.output import TerminalProgress


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
