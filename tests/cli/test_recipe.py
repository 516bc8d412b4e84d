"""A recipe prepares, trains and evaluates."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.command_line import SMALL, Result

from asr.cli.recipe import recipe
from asr.corpora import Options
from asr.recogniser.model_folder import load_model
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import OptimiserConfig, TrainConfig


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], recordings: Path, tmp_path: Path):
    """Run a recipe on the recordings, with settings and options, in `tmp_path`."""

    def run(*stages: TrainConfig, options: tuple[object, ...] = SMALL, **variants: Any) -> Result:
        arguments = ["--source", recordings, "--out", tmp_path, *options]
        monkeypatch.setattr(sys, "argv", ["recipes/own.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            recipe("folder", *stages, **variants)
        printed = capfd.readouterr()
        return Result(stop.value.code, printed.out, printed.err)

    return run


UNDROPPED = ("--acoustic.dropout", "0.0", *SMALL)
STANDING = OptimiserConfig(learning_rate=1e-12)


def config_of(run: Path) -> dict:
    return json.loads((run / "config.json").read_text())["config"]


def test_a_recipe_ends_with_one_line_of_its_test_error(run, tmp_path: Path):
    result = run(TrainConfig(epochs=1, optimiser=OptimiserConfig(learning_rate=1e-3)), options=UNDROPPED)
    assert result.code == 0, result.err
    assert re.fullmatch(r"test WER \d+\.\d\d % \[\d+\.\d, \d+\.\d\] \(6 utterances, \d+ words\)\n", result.out)
    assert config_of(tmp_path)["acoustic"]["dropout"] == 0.0
    assert {"data", "best", "checkpoints", "curves.png", "metrics.jsonl", "test.json"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_a_recipe_with_a_fast_setting_begins_with_it_on_request(run, tmp_path: Path):
    config, fast = TrainConfig(epochs=2), TrainConfig(epochs=1)
    result = run(config, fast=(fast,), options=("--fast", *UNDROPPED))
    assert result.code == 0, result.err
    assert (config_of(tmp_path)["epochs"], config_of(tmp_path)["acoustic"]["dropout"]) == (1, 0.0)
    without = run(config, options=("--fast",))
    assert without.code == 2 and "--fast" in without.err
    both = run(config, fast=(fast,), english=(fast,), options=("--fast", "--english"))
    assert both.code == 2 and both.err == "asr: choose one of --fast, --english\n"


def test_a_recipe_begins_with_the_english_model_in_its_shape(run, model: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("asr.recogniser.bundled.FOLDER", model)
    result = run(TrainConfig(), english=(TrainConfig(epochs=1),), options=("--english", "--threads", 1, "--loaders", 0))
    assert result.code == 0, result.err
    assert "init: all " in result.err
    shape, usual = config_of(tmp_path)["acoustic"], TrainConfig().acoustic
    assert (shape["channels"], shape["layers"], shape["hidden"]) == (4, 1, 8), "those of the fixture"
    assert shape["dropout"] == usual.dropout


def test_each_stage_of_a_recipe_begins_with_the_weights_of_the_one_before(run, tmp_path: Path):
    characters = TrainConfig(epochs=1)
    words = TrainConfig(epochs=2, tokenizer=TokenizerConfig(units="words"), optimiser=STANDING)
    for _ in range(2):  # the second time all is finished
        result = run(characters, words, options=UNDROPPED)
        assert result.code == 0, result.err
        assert result.out.count("\n") == 1
    folders = tmp_path / "stage-1", tmp_path
    stored = [config_of(folder) for folder in folders]
    assert [config["epochs"] for config in stored] == [1, 2]
    assert [config["acoustic"]["dropout"] for config in stored] == [0.0, 0.0]
    assert [config["init"] for config in stored] == [None, str(tmp_path / "stage-1" / "best")]
    first, second = (load_model(folder / "best") for folder in folders)
    assert second.tokenizer.size > first.tokenizer.size
    for name, tensor in first.acoustic.layers.state_dict().items():
        torch.testing.assert_close(second.acoustic.layers.state_dict()[name], tensor, rtol=0, atol=1e-8)


@pytest.mark.parametrize("own", [{}, {"live": TrainConfig(epochs=2, optimiser=STANDING)}])
def test_a_recipe_trains_on_in_chunks_on_request(run, tmp_path: Path, own: dict[str, TrainConfig]):
    whole = TrainConfig(epochs=3, optimiser=STANDING)
    assert run(whole, options=UNDROPPED).code == 0
    first = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-whole")) / "best"
    refused = run(whole, options=("--live", *UNDROPPED))
    assert refused.code == 2 and "--live needs --init MODEL" in refused.err
    result = run(whole, options=("--live", "--init", first, *UNDROPPED), **own)
    assert result.code == 0, result.err
    stored = config_of(tmp_path)
    assert (stored["bptt"]["mode"], stored["epochs"], stored["init"]) == ("chunked", 2 if own else 3, str(first))
    model, live = load_model(first), load_model(tmp_path / "best")
    assert model.config.chunk is None and live.config.chunk == 0.32
    for name, tensor in model.acoustic.state_dict().items():
        torch.testing.assert_close(live.acoustic.state_dict()[name], tensor, rtol=0, atol=1e-8)


@pytest.mark.parametrize("request_text", [None, "not JSON", "[1]", '{"corpus": "an4"}'])
def test_a_recipe_does_not_mix_two_corpora_in_one_run(run, tmp_path: Path, request_text: str | None):
    (tmp_path / "checkpoints").mkdir()
    if request_text is not None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "request.json").write_text(request_text)
    result = run(TrainConfig())
    assert result.code == 2
    assert result.err == f"asr: {tmp_path} holds a run on other data; choose another --out\n"


def test_a_run_begun_when_preparing_depended_on_the_model_goes_on(run, tmp_path: Path):
    """Its request names the subsampling, and its data stay as they are."""
    assert run(TrainConfig(epochs=1)).code == 0
    path = tmp_path / "data" / "request.json"
    request = json.loads(path.read_text())
    assert "subsampling" not in request
    older = json.dumps(request | {"subsampling": 2})
    path.write_text(older)
    again = run(TrainConfig(epochs=1))
    assert again.code == 0, again.err
    assert path.read_text() == older


def test_a_recipe_of_several_corpora_tells_the_error_of_each(monkeypatch, capfd, recordings, tmp_path):
    source = tmp_path / "corpora"
    source.mkdir()
    for name in ("first", "second"):
        (source / name).symlink_to(recordings, target_is_directory=True)
    out = ["--source", source, "--out", tmp_path / "run", "--epochs", "1", *SMALL]
    monkeypatch.setattr(sys, "argv", ["recipes/own.py", *map(str, out)])
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        recipe("collection", TrainConfig(), options=Options(parts=("first", "second", "third")))
    printed = capfd.readouterr()
    assert stop.value.code == 0, printed.err
    assert [line.partition(" WER")[0] for line in printed.out.splitlines()] == [
        "test of first",
        "test of second",
        "test",
    ]
    assert "third is not in" in " ".join(printed.err.split())
