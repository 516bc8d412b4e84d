"""`asr tune`; what it finds is in test_lm."""

from pathlib import Path


def test_mistakes_end_in_one_clear_line(refused, model: Path, dev: Path, tmp_path: Path):
    refused(1, "no such manifest", "tune", tmp_path / "none", "--model", tmp_path, "--lm", tmp_path / "none.arpa")
    refused(1, "none.arpa", "tune", dev, "--model", model, "--lm", tmp_path / "none.arpa")
    refused(2, "no language model was named", "tune", dev, "--model", model, "--lm")
    refused(2, "--lm", "tune", dev, "--model", model)
