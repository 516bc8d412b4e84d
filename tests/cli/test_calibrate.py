"""`asr calibrate`."""

import json
import shutil
from pathlib import Path


def test_a_calibration_is_kept_with_its_model(asr, recordings: Path, prepared: Path, model: Path, tmp_path: Path):
    copy = shutil.copytree(model, tmp_path / "model")
    few = asr("calibrate", prepared / "dev.jsonl.gz", "--model", copy)
    assert few.code == 1 and "4 utterances are too few" in few.err
    assert not (copy / "confidence.json").exists()
    found = asr("calibrate", prepared / "train.jsonl.gz", "--model", copy)
    assert found.code == 0, found.err
    assert "train words" in found.out and "train utterances" in found.out
    assert (copy / "reliability.png").stat().st_size > 10_000
    heard = recordings / "test" / "test-0.wav"
    to_screen = ("--format", "ctm", "--out", "-")
    before, after = (
        asr("transcribe", heard, "--model", m, "--min-confidence", 0, *to_screen).out for m in (model, copy)
    )
    assert [line.split()[:5] for line in before.splitlines()] == [line.split()[:5] for line in after.splitlines()]
    assert before != after


def test_mistakes_end_in_one_clear_line(refused, model: Path, dev: Path, tmp_path: Path):
    refused(1, "no such manifest", "calibrate", tmp_path / "none", "--model", model)
    refused(1, "no such manifest", "calibrate", dev, "--model", model, "--test", tmp_path / "none")
    refused(1, "not a model folder", "calibrate", dev, "--model", tmp_path)


def test_a_threshold_of_commands_is_kept_with_its_model(
    asr, refused, recordings, prepared, model: Path, tmp_path: Path
):
    copy, grammar = shutil.copytree(model, tmp_path / "model"), tmp_path / "c.txt"
    texts = [path.read_text() for path in sorted((recordings / "test").glob("*.txt"))]
    grammar.write_text("\n".join(texts[:3]))
    options = ("--model", copy, "--commands", grammar)
    fitted = asr("calibrate", prepared / "train.jsonl.gz", *options, "--test", prepared / "test.jsonl.gz")
    assert fitted.code == 0, fitted.err
    assert "too short to measure 1 false accepts an hour" in fitted.err
    assert (copy / "commands.png").exists()
    rows = {cells[0]: cells[1:] for line in fitted.out.splitlines() if (cells := line.split())}
    assert rows["train.jsonl.gz"][1] == "0" and rows["test.jsonl.gz"][4] == "3"
    stored = json.loads((copy / "commands.json").read_text())
    assert stored["rate"] == 1.0 and stored["accepted"] == 0 and stored["threshold"] >= -1.2
    heard = asr("calibrate", recordings / "train", *options, "--false-accepts", 100_000)
    assert heard.code == 0, heard.err
    again = json.loads((copy / "commands.json").read_text())
    assert again["threshold"] < stored["threshold"] and again["grammar"] == stored["grammar"]
    refused(2, "must be a positive number", "calibrate", recordings / "train", *options, "--false-accepts", 0)
    refused(1, "cannot be read", "calibrate", recordings / "train", "--model", copy, "--commands", tmp_path / "none")
