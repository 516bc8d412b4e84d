"""`asr gradients`."""

import json
from pathlib import Path


def test_gradients_of_fresh_networks_and_of_a_model(asr, model: Path, dev: Path, tmp_path: Path):
    fresh = asr("gradients", dev, "--out", tmp_path / "fresh", "--layers", 2, "--hidden", 8, "--distance", 0.4)
    assert fresh.code == 0, fresh.err
    described = json.loads((tmp_path / "fresh" / "gradients.json").read_text())
    assert [network["cell"] for network in described] == ["rnn", "gru", "lstm"]
    assert [len(network["layers"]) for network in described] == [4, 4, 4]
    assert (tmp_path / "fresh" / "gradients.png").stat().st_size > 10_000
    gained = asr("gradients", dev, "--out", tmp_path / "gained", "--layers", 2, "--hidden", 8, "--gain", 2)
    assert gained.code == 0, gained.err
    growths = [
        json.loads((tmp_path / name / "gradients.json").read_text())[0]["layers"][0]["growth_per_frame"]
        for name in ("fresh", "gained")
    ]
    assert growths[1] > 1.2 * growths[0]
    trained = asr("gradients", dev, "--out", tmp_path / "trained", "--model", model)
    assert trained.code == 0, trained.err
    (described,) = json.loads((tmp_path / "trained" / "gradients.json").read_text())
    assert described["name"] == str(model)


def test_gradients_are_measured_on_the_device_that_is_named(refused, asr, model: Path, dev: Path, tmp_path: Path):
    for options in ((), ("--model", model)):
        refused(2, "no device abacus", "gradients", dev, *options, "--device", "abacus")
        measured = asr("gradients", dev, *options, "--hidden", 8, "--out", tmp_path, "--device", "cpu")
        assert measured.code == 0, measured.err


def test_mistakes_end_in_one_clear_line(refused, dev: Path, broken: Path, tmp_path: Path):
    refused(1, "no such manifest", "gradients", tmp_path / "none")
    refused(1, "cuts.jsonl:1: not JSON", "gradients", broken, "--model", tmp_path)
    refused(2, "distance must be positive", "gradients", dev, "--distance", "0")
    refused(2, "distance must be a finite number, got nan", "gradients", broken, "--distance", "nan")
    refused(2, "seed must fit into 64 bits", "gradients", broken, "--seed", 2**63)
    refused(2, "gain must be a finite number, got inf", "gradients", broken, "--gain", "inf")
