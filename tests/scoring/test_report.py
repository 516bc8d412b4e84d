import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from asr.scoring.assess import ScoreOptions, assess
from asr.scoring.report import Alignment, figures, report, worst_utterances
from asr.scoring.score import score, summary_line
from asr.scoring.transcripts import TranscriptEntry


def printed(renderable, width=100, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(renderable)
    return console.file.getvalue()


def aligned(reference, hypothesis, width=100):
    return printed(Alignment(score({"u": reference}, {"u": hypothesis}, samples=1).utterances[0]), width)


def test_an_alignment_in_three_lines():
    assert aligned("the cat sat on a mat now", "the hat sat on mat now right") == (
        "REF the cat sat on a mat now *****\n"
        "HYP the hat sat on * mat now right\n"
        "        S          D         I\n"
    )  # fmt: skip


def test_wide_scripts_and_marks_line_up_by_what_they_take_on_the_screen():
    assert aligned("今天 好 é x", "天 好 e\u0301 x ok") == (
        "REF 今天 好 é x **\n"
        "HYP 天   好 e\u0301 x ok\n"
        "    S       S   I\n"
    )  # fmt: skip


def test_a_long_utterance_is_folded_and_stretches_without_errors_have_no_marks():
    assert aligned("one two three four five", "one two three for five six", width=18) == (
        "REF one two three\n"
        "HYP one two three\n"
        "REF four five ***\n"
        "HYP for  five six\n"
        "    S         I\n"
    )  # fmt: skip


def test_a_word_wider_than_the_console_goes_on_below():
    assert aligned("今天天气很好 a", "今天天汽 a b", width=14) == (
        "REF 今天天气很\n"
        "HYP 今天天汽\n"
        "    S\n"
        "REF 好 a *\n"
        "HYP    a b\n"
        "         I\n"
    )  # fmt: skip


def test_both_sides_silent_is_nothing():
    assert aligned("", "").strip() == ""


WORDS = st.sampled_from(
    ["a", "bc", "longer", "今天天气很好我们", "किताब", "שלום", "e\u0301e", "\u0301", "x" * 30, "👩‍👩‍👧"]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=9), st.lists(WORDS, max_size=9), st.integers(12, 50))
def test_nothing_is_lost_or_too_wide_at_any_width(reference, hypothesis, width):
    lines = aligned(" ".join(reference), " ".join(hypothesis), width).splitlines()
    assert all(cell_len(line) <= width for line in lines)
    for label, words in (("REF ", reference), ("HYP ", hypothesis)):
        shown = "".join(line[4:] for line in lines if line.startswith(label))
        assert shown.replace(" ", "").replace("*", "") == "".join(words)


@pytest.fixture
def scored():
    references = {"a-1": "one two three", "a-2": "four", "a-3": "five six", "a-4": ""}
    return score(references, {"a-1": "one too three", "a-2": "four", "a-4": "uh", "b-1": "?", "b-2": "?"})


def test_figures_show_every_count(scored):
    lines = printed(figures("test", scored)).splitlines()
    assert lines[0].rstrip() == "test: 4 utterances, 6 words"
    rows = [line.split() for line in lines]
    wer = [f"{100 * rate:.2f}" for rate in (scored.wer.low, scored.wer.high)]
    assert ["words", "(WER)", "66.67", wer[0], "–", wer[1], "4", "1", "2", "1", "6"] in rows
    cer = [f"{100 * rate:.2f}" for rate in (scored.cer.low, scored.cer.high)]
    assert ["characters", "(CER)", "44.00", cer[0], "–", cer[1], "11", "1", "8", "2", "25"] in rows
    ser = [f"{100 * rate:.2f}" for rate in (scored.rates.ser.low, scored.rates.ser.high)]
    assert ["sentences", "(SER)", "75.00", ser[0], "–", ser[1], "3", "4"] in rows
    assert [row[:4] for row in rows if row[:1] == ["match"]] == [["match", "errors", "(MER)", "57.14"]]
    assert [row[:4] for row in rows if row[:1] == ["information"]] == [["information", "lost", "(WIL)", "70.00"]]
    assert lines[-2:] == [
        "1 without a hypothesis, counted as deleted: a-3",
        "2 without a reference, not counted: b-1, b-2",
    ]


def test_figures_of_a_complete_set_say_nothing_of_missing_ids():
    shown = printed(figures("dev", score({"u": "a"}, {"u": "a"})))
    assert "without" not in shown


def test_many_missing_ids_are_counted_and_some_named():
    references = {f"u{number}": "a" for number in range(9)}
    assert "8 without a hypothesis, counted as deleted: u1, u2, u3, u4, u5, ..." in printed(
        figures("dev", score(references, {"u0": "a"}))
    )


def test_an_infinite_rate_is_said():
    assert "infinite – infinite" in printed(figures("dev", score({"u": ""}, {"u": "x"})))


def test_a_narrow_console_cuts_no_digit(scored):
    shown = printed(figures("test", scored), width=50)
    assert "…" not in shown
    assert {"66.67", "44.00", "75.00", f"{100 * scored.cer.low:.2f}", f"{100 * scored.wer.high:.2f}"} <= set(
        shown.split()
    )


SAID = {"a-1": "one two three", "a-2": "four", "b-1": "five six"}
UTTERANCES = {id: TranscriptEntry(id, text, {"speaker": id[0]}) for id, text in SAID.items()}


def test_a_report_shows_groups_and_what_is_wrong_most_often():
    heard = {"a-1": "one too three", "a-2": "four oh", "b-1": "five"}
    shown = printed(report("test", assess(UTTERANCES, {"sys": heard}, ScoreOptions(by=("speaker",)))), width=120)
    rows = [line.split() for line in shown.splitlines()]
    assert ["over", "2", "speakers"] in [row[:3] for row in rows]
    assert ["a", "2", "4", "50.00"] in [row[:4] for row in rows]
    assert ["b", "1", "2", "50.00"] in [row[:4] for row in rows]
    assert "confused: two → too (1)\ndeleted: six (1)\ninserted: oh (1)\n" in shown
    assert "not normalised" in shown


def test_several_systems_stand_side_by_side_with_a_verdict():
    systems = {"good": SAID, "bad[red]": dict.fromkeys(SAID, "x"), "z": {"a-1": "one", "q": ""}}
    shown = printed(report("test", assess(UTTERANCES, systems, ScoreOptions())), width=120)
    assert [line.split()[:2] for line in shown.splitlines() if line.split()[1:2] == ["0.00"]] == [["good", "0.00"]]
    assert "good is better than bad[red] by 100.00 points" in shown.replace("\n", " ")
    assert "2 of z without a hypothesis, counted as deleted: a-2, b-1" in shown
    assert "1 of z without a reference, not counted: q" in shown


def test_worst_utterances_come_with_their_figures(scored):
    assert printed(worst_utterances(scored, 2)) == (
        "a-3  errors 2, words 2, WER 100.00 %\n"
        "REF five six\n"
        "HYP **** ***\n"
        "    D    D\n"
        "\n"
        "a-4  errors 1, words 0, empty reference\n"
        "REF **\n"
        "HYP uh\n"
        "    I\n"
        "\n"
    )  # fmt: skip


def test_a_perfect_score_has_no_worst_utterance():
    assert printed(worst_utterances(score({"u": "a"}, {"u": "a"}), 3)) == "no utterance has a word error\n"


def test_colour_is_only_for_terminals(scored):
    assert "\x1b[" not in printed(worst_utterances(scored, 3))
    coloured = printed(worst_utterances(scored, 3), force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[31mfive\x1b[0m" in coloured  # deleted: red
    assert "\x1b[33mtwo" in coloured  # substituted: yellow
    assert "\x1b[36muh" in coloured  # inserted: cyan


def test_texts_and_ids_are_neither_markup_nor_terminal_commands():
    scored = score({"[bold]u[/bold]": "a [red]b", "m:smile:\x1b]": "c"}, {"[bold]u[/bold]": "a \x1b[2Jb", "x": ""})
    shown = printed(worst_utterances(scored, 2)) + printed(figures("[i]n[/i]", scored))
    assert all(text in shown for text in ("[bold]u[/bold]", "[red]b", "\ufffd[2Jb", "m:smile:\ufffd]", "[i]n[/i]:"))
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("reference", "first"),
    [
        ("今天天气很好", "characters (CER)"),
        ("ภาษาไทย", "characters (CER)"),
        ("データ です", "characters (CER)"),
        ("한국어 말", "words (WER)"),
        ("the cat", "words (WER)"),
        ("", "words (WER)"),
    ],
)
def test_the_rate_that_says_more_stands_first(reference, first):
    found = score({"u": reference}, {"u": "x"})
    rows = [line for line in printed(figures("test", found)).splitlines() if "CER" in line or "WER" in line]
    assert rows[0].strip().startswith(first) and len(rows) == 2
    assert summary_line("dev", found).startswith("dev CER" if "CER" in first else "dev WER")
