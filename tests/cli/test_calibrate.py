"""`asr calibrate`."""

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
