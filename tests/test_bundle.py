"""`recipes/bundle.py`: the model as the package ships it, and its card."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.tiny import recogniser

import asr
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, save_tuned, tuned_models
from asr.errors import ConfigError
from asr.lm.compact import write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.recogniser.checksums import changed
from asr.recogniser.engines import load_engine
from asr.recogniser.model_folder import load_model, save_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SCRIPT = Path(__file__).parents[1] / "recipes" / "bundle.py"
FIGURES = {
    "speech": [
        {"name": "Read books", "hours": 5.25, "speakers": 28, "transcripts": "people", "licence": "CC BY 4.0"},
        {"name": "Clips", "hours": 2, "speakers": "unknown", "transcripts": "a machine of 2020", "licence": "CC0"},
    ],
    "text": [{"name": "Novels", "words": 1.5, "licence": "public domain"}],
    "scores": [{"domain": "books", "set": "held-out speakers", "greedy": "greedy.json", "lm": "lm.json"}],
    "core_hours": 3,
    "hardware": "two cores",
    "limits": ["No punctuation.", "No children."],
    "commands": ["python recipes/english.py"],
}


@pytest.fixture
def bundle():
    spec = importlib.util.spec_from_file_location("bundle", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.bundle


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path / "model", recogniser(), readme="another card\n")
    write_compact(train_ngram(["cab cab", "a"], NgramConfig(2)), tmp_path / "model" / "lm.ngram")
    save_tuned(tmp_path / "model", TunedDecoding(("lm.ngram",), DecodingConfig(lm_weight=0.4)))
    return tmp_path / "model"


def write_figures(folder, figures):
    references = {"a": "the cat sat", "b": "on the mat"}
    for name, hypothesis in (("greedy", "a cat"), ("lm", "the cat sat")):
        score = asr.score(references, {"a": hypothesis, "b": "on the mat"})
        (folder / f"{name}.json").write_text(json.dumps(score.to_json()))
    (folder / "figures.json").write_text(json.dumps(figures))
    return folder / "figures.json"


def test_the_folder_is_a_model_and_its_card_says_what_the_figures_say(bundle, model, tmp_path):
    bundle(model, write_figures(tmp_path, FIGURES), tmp_path / "out")
    assert load_model(tmp_path / "out").config == load_model(model).config
    assert not (tmp_path / "out" / "model.onnx").exists() and changed(tmp_path / "out") == []
    sound = np.random.default_rng(0).normal(scale=0.1, size=16_000).astype(np.float32)
    expected, found = (load_engine(tmp_path / "out", name).log_probs([sound])[0] for name in ("torch", "auto"))
    assert type(load_engine(tmp_path / "out")).__name__ == "OnnxRecogniser"
    np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=0.1)
    assert tuned_models(tmp_path / "out") == ((tmp_path / "out" / "lm.ngram",), None)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "$" not in card and "another card" not in card
    assert "1 x 6 bidirectional LSTM, CTC over 4 subwords" in card
    assert re.search(r"\| books \| held-out speakers \| 6 \| 33\.3 \[[\d., ]+\] \| 0\.0 \[[\d., ]+\] \|", card)
    assert "| Read books | 5.25 | 28 | people | CC BY 4.0 |" in card
    assert "7.2 hours together, 3 core-hours of training on two cores." in card
    assert "2 hours of them have transcripts that no one checked: a machine of 2020 wrote them." in card
    assert "- No punctuation.\n- No children.\n" in card and "    python recipes/english.py\n" in card


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_lacks_is_named_and_nothing_is_written(bundle, model, tmp_path, name):
    figures = write_figures(tmp_path, {key: value for key, value in FIGURES.items() if key != name})
    with pytest.raises(ConfigError, match=rf"figures.json: cannot be used \(KeyError: '{name}'\)"):
        bundle(model, figures, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_compact_language_model_is_refused(bundle, model, tmp_path):
    (model / "lm.ngram").write_text("\\data\\\n")
    with pytest.raises(ConfigError, match=r"has no compact language model; run `asr tune --lm WORDS.ngram`"):
        bundle(model, write_figures(tmp_path, FIGURES), tmp_path / "out")
