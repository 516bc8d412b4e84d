"""Error rates against amounts of speech, and what is said of more."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from support.runs import SMALL
from support.tones import write_corpus

from asr.data.cuts import load_cuts
from asr.errors import DataError
from asr.scoring.score import score
from asr.training import learning_curve as module
from asr.training.learning_curve import Point, extrapolated, from_scratch, learning_curve, save_curve


def law(minutes, *, floor=0.05, factor=1.2, power=0.5, width=0.001):
    value = floor + factor * minutes**-power
    return Point(minutes, value, value - width / 2, value + width / 2)


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("speech"), train=64, dev=2)


def test_each_share_lies_within_the_next(speech: Path, tmp_path: Path):
    given = []

    def teach(data, folder, share):
        given.append([cut.id for cut in load_cuts(data / "train.jsonl.gz")])
        assert len(load_cuts(data / "dev.jsonl.gz")) == 2 and folder.parent == data.parent
        return score({"a": "b c d e"}, {"a": "b c" if share < 1 else "b c d"})

    points = learning_curve(speech, tmp_path, teach)
    assert [len(ids) for ids in given] == [8, 16, 32, 64]
    assert all(set(less) < set(more) for less, more in pairwise(given))
    assert [point.wer for point in points] == [0.5, 0.5, 0.5, 0.25]
    everything = sum(cut.duration for cut in load_cuts(speech / "train.jsonl.gz")) / 60
    assert points[-1].minutes == pytest.approx(everything)
    few = write_corpus(tmp_path, train=9, dev=1)
    with pytest.raises(DataError, match="9 utterances are too few for a curve; at least 64 are needed"):
        learning_curve(few, tmp_path / "out", teach)


def test_from_scratch_smaller_shares_get_more_epochs(speech: Path, tmp_path: Path, monkeypatch):
    from dataclasses import replace
    from fractions import Fraction

    epochs = {}
    train = module.train
    monkeypatch.setattr(
        module,
        "train",
        lambda config, *rest: (epochs.update({rest[1]: config.epochs}), train(replace(config, epochs=1), *rest))[1],
    )
    teach = from_scratch(replace(SMALL, epochs=10, threads=1, loaders=0))
    found = teach(speech, tmp_path / "run", Fraction(1, 4))
    assert epochs == {tmp_path / "run": 20} and found.words.reference_length > 0


def test_what_is_said_of_more_speech_holds_the_truth():
    """Of points on a law with a floor; more of them than a law without one would allow."""
    points = [law(minutes) for minutes in (10, 20, 40, 80)]
    for found in extrapolated(points, [160, 320, 640]):
        assert found.low < law(found.minutes).wer < found.high < points[-1].wer
    near, far = extrapolated(points, [100, 1000])
    assert near.high - near.low < far.high - far.low
    wide = [law(minutes, width=0.2) for minutes in (10, 20, 40, 80)]
    (unsure,) = extrapolated(wide, [160])
    (sure,) = extrapolated(points, [160])
    assert unsure.high - unsure.low > 2 * (sure.high - sure.low)


def test_more_speech_is_never_said_to_harm():
    rising = [Point(m, w, w - 0.001, w + 0.001) for m, w in ((10, 0.2), (20, 0.25), (40, 0.3), (80, 0.35))]
    (found,) = extrapolated(rising, [160])
    assert found.high <= 0.36
    flat = [Point(m, 0.0, 0.0, 0.0) for m in (10, 20, 40, 80)]
    assert extrapolated(flat, [160])[0].high < 0.01


def test_a_curve_is_kept(tmp_path: Path):
    points = [law(minutes) for minutes in (10, 20, 40, 80)]
    save_curve(points, extrapolated(points, [160]), tmp_path)
    kept = json.loads((tmp_path / "curve.json").read_text())
    assert [row["minutes"] for row in kept["points"]] == [10, 20, 40, 80] and kept["more"][0]["minutes"] == 160
    assert (tmp_path / "curve.png").stat().st_size > 5_000
