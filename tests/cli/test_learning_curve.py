"""`asr learning-curve`."""

from pathlib import Path

from asr.training import learning_curve as module
from asr.training.learning_curve import Point


def test_it_prints_the_curve_and_what_more_would_bring(asr, refused, prepared: Path, monkeypatch, tmp_path: Path):
    points = [Point(minutes, 4 / minutes, 3.5 / minutes, 4.5 / minutes) for minutes in (7.5, 15.0, 30.0, 60.0)]
    monkeypatch.setattr("asr.cli.learning_curve.learning_curve", lambda *_: points)
    found = asr("learning-curve", prepared, "--out", tmp_path / "curve", "--more", 1, 3)
    assert found.code == 0, found.err
    assert "60.0" in found.out and "1 more hours: about" in found.out and "3 more hours: about" in found.out
    assert (tmp_path / "curve" / "curve.png").is_file() and (tmp_path / "curve" / "curve.json").is_file()
    monkeypatch.setattr("asr.cli.learning_curve.learning_curve", module.learning_curve)
    refused(1, "too few for a curve", "learning-curve", prepared, "--out", tmp_path / "other")
    refused(2, "--more must be positive", "learning-curve", prepared, "--out", tmp_path / "other", "--more", 0)
