"""`asr score`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_two_systems_are_compared_in_tables_json_and_a_page(asr, tmp_path: Path):
    said, one, two = (tmp_path / name for name in ("said.trn", "one.txt", "two.txt"))
    said.write_text("".join(f"o k go (u{number})\n" for number in range(20)))
    one.write_text("".join(f"u{number} o k go\n" for number in range(20)))
    two.write_text("".join(f"u{number} o k\n" for number in range(20)))
    page = tmp_path / "page.html"
    shown = asr("score", said, one, two, "--html", page)
    assert shown.code == 0, shown.err
    assert "one.txt is better than two.txt by 33.33 points" in " ".join(shown.out.split())
    assert shown.out.endswith(f"{page}\n")
    assert "33.33 points" in page.read_text(encoding="utf-8")
    printed = asr("score", said, one, two, "--json")
    assert [system["wer"]["value"] for system in json.loads(printed.out)["systems"]] == [0, 1 / 3]
    plain = asr("score", one, two, "--plain", "--json")
    assert json.loads(plain.out)["deletions"] == 20


@pytest.mark.parametrize(
    "arguments", [["--help"], ["{text}", "{other}"], ["{text}", "{other}", "--html", "{page}"]], ids=len
)
def test_scoring_does_not_load_pytorch(arguments: list[str], tmp_path: Path):
    files = {name: str(tmp_path / name) for name in ("text", "other", "page")}
    (tmp_path / "text").write_text("u hello\n")
    (tmp_path / "other").write_text("u hallo\n")
    code = (
        "import sys; from asr import cli\n"
        f"sys.argv = ['asr', 'score', *{[argument.format(**files) for argument in arguments]}]\n"
        "try: cli.main()\nexcept SystemExit as stop: sys.exit(stop.code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_mistakes_end_in_one_clear_line(refused, text: Path, tmp_path: Path):
    other = tmp_path / "other.txt"
    other.write_text("b-1 hello\n")
    refused(1, "none.txt", "score", text, tmp_path / "none.txt")
    refused(1, "no utterance id is in both", "score", text, other)
    refused(2, "asr score", "score", text)
    refused(2, "--by room: no utterance has it", "score", text, text, "--by", "room")
    refused(2, "samples must be at least 1, got 0", "score", text, text, "--samples", "0")
    refused(2, "klingon", "score", text, text, "--normalise", "klingon")


def test_tables_are_scored_by_their_columns(asr, refused, tmp_path: Path):
    reference, hypothesis = tmp_path / "r.csv", tmp_path / "h.csv"
    reference.write_text('id,text\nu1,"one two, three"\nu2,four five\n')
    hypothesis.write_text('id,text\nu1,"one two, three"\nu2,four six\n')
    scored = asr("score", reference, hypothesis, "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["wer"]["value"] == 0.2
    hypothesis.write_text('id,text\nu1,"one\nu2,four\n')
    refused(1, "h.csv:2: a quote opens here", "score", reference, hypothesis)
    hypothesis.write_text("u1,one\nu2,four\n")
    refused(1, "h.csv:1: the first line must name the columns", "score", reference, hypothesis)


def test_nists_files_are_scored_as_sclite_scores_them(asr, tmp_path: Path):
    """Counts of sclite -i rm on these files: 3 correct, 1 substituted, 2 deleted, 3 inserted."""
    stm, ctm = tmp_path / "r.stm", tmp_path / "h.ctm"
    stm.write_text("F1 A ann 1 2 a b\nF1 A ann 2 3 c d\nF1 A bob 6 7 e f\nF1 A b 4 5 Ignore_Time_Segment_In_Scoring\n")
    words = "0.1 x0;1.1 a;1.9 border;2.1 c;3.3 gap1;4.2 ign;5.2 gap2;6.2 e;8.2 after"
    ctm.write_text("".join("f1 a {} 0.2 {}\n".format(*word.split()) for word in words.split(";")))
    found = {}
    for costs in ("sclite", "unit"):
        scored = asr("score", stm, ctm, "--json", "--costs", costs)
        assert scored.code == 0, scored.err
        figures = json.loads(scored.out)
        found[costs] = [figures[name] for name in ("substitutions", "deletions", "insertions", "reference_words")]
    assert found["sclite"] == [1, 2, 3, 6]
    assert sum(found["unit"][:3]) == 8 and found["unit"][2] >= 4, "what is between segments is inserted"


def test_lines_without_ids_are_told_of_plain(refused, tmp_path: Path):
    for name, text in (("r.txt", "the cat sat\na dog ran\n"), ("h.txt", "cat sat\ndog ran\n")):
        (tmp_path / name).write_text(text)
    refused(1, "--plain", "score", tmp_path / "r.txt", tmp_path / "h.txt")
