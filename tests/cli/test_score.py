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
