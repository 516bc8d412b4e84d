"""`asr train`, and the way to it and from it."""

import json
import re
from pathlib import Path

from support.command_line import SMALL


def test_from_a_folder_of_recordings_to_a_word_error_rate(asr, recordings: Path, tmp_path: Path):
    prepared = asr("prepare", "folder", "--source", recordings, "--out", tmp_path / "data")
    assert prepared.code == 0, prepared.err
    assert re.search(r"train\W+24\b", prepared.out)
    trained = asr("train", tmp_path / "data", "--out", tmp_path / "run", "--epochs", 1, *SMALL)
    assert trained.code == 0, trained.err
    assert "dev WER" in trained.err
    best, test = tmp_path / "run" / "best", tmp_path / "data" / "test.jsonl.gz"
    evaluated = asr("evaluate", test, "--model", best, "--json", "--hypotheses", tmp_path / "heard.txt")
    assert evaluated.code == 0, evaluated.err
    figures = json.loads(evaluated.out)
    assert figures["utterances"] == 6
    assert figures["wer"].keys() == {"value", "low", "high"}
    said = tmp_path / "said.txt"
    lines = [f"{path.stem} {path.read_text()}\n" for path in (recordings / "test").glob("*.txt")]
    ids = {line.split()[0] for line in (tmp_path / "heard.txt").read_text().splitlines()}
    said.write_text(
        "".join(f"{next(i for i in ids if i.endswith(line.split()[0]))} {line.split(maxsplit=1)[1]}" for line in lines)
    )
    scored = asr("score", said, tmp_path / "heard.txt", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out) == figures
    page = tmp_path / "page.html"
    broken_down = asr("evaluate", test, "--model", best, "--by", "duration", "--normalise", "basic", "--html", page)
    assert broken_down.code == 0, broken_down.err
    assert "by duration" in broken_down.out and "basic normalisation" in " ".join(broken_down.out.split())
    assert "test-0.wav" in page.read_text(encoding="utf-8")
    heard = asr("transcribe", recordings / "test", "--model", best)
    assert heard.code == 0, heard.err
    assert len(heard.out.splitlines()) == 6
    assert heard.out.splitlines()[0].startswith(str(recordings / "test" / "test-0.wav") + "\t")


def test_mistakes_end_in_one_clear_line(refused, text: Path, prepared: Path, tmp_path: Path):
    out = ("--out", tmp_path / "o")
    refused(1, "no such manifest", "train", tmp_path / "none", *out)
    refused(2, "--acoustic.hiden", "train", prepared, *out, "--acoustic.hiden", "3")
    refused(2, "acoustic.hidden must be at least 1", "train", prepared, *out, "--acoustic.hidden=-3")
    refused(2, "cnn", "train", prepared, *out, "--acoustic.cell", "cnn")
    refused(2, "many", "train", prepared, *out, "--epochs", "many")
    refused(2, "seed must fit into 64 bits", "train", prepared, *out, "--seed", 2**70)
    refused(1, "text.txt", "train", prepared, "--out", text)
    refused(1, "not a model folder", "train", prepared, *out, "--init", tmp_path)
