"""`asr evaluate`; what it finds is in test_train."""

from pathlib import Path


def test_mistakes_end_in_one_clear_line(refused, model: Path, dev: Path, broken: Path, tmp_path: Path):
    refused(1, "cuts.jsonl:1: not JSON", "evaluate", broken, "--model", model)
    refused(1, "no such manifest", "evaluate", tmp_path / "none", "--model", tmp_path)
    refused(1, "not a model folder", "evaluate", dev, "--model", tmp_path)
    refused(1, "language model", "evaluate", dev, "--model", model, "--lm", tmp_path)
