"""The demo's steps are commands that exist, and its grammar takes what is said in them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import MonoCut, Recording, SupervisionSegment

from asr.cli import command_of
from asr.cli.parse import parse
from asr.data.cuts import save_cuts
from asr.text.grammar import parse_grammar

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "recipes" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prompts(demo, tmp_path: Path) -> Path:
    """Prompts that are held out."""
    (tmp_path / "data").mkdir()
    cuts = []
    for name in (demo.COMMAND, demo.SENTENCE, demo.SPOKEN):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(800), 8000)
        recording = Recording.from_file(tmp_path / f"{name}.wav", recording_id=name)
        spoken = SupervisionSegment(name, name, 0.0, 0.1, text="a b")
        cuts.append(MonoCut(name, 0.0, 0.1, 0, recording=recording, supervisions=[spoken]))
    save_cuts(cuts, tmp_path / "data" / "test.jsonl.gz")
    return tmp_path / "data"


def test_each_step_is_a_command(demo, prompts: Path, tmp_path: Path):
    names = []
    for explanation, (name, *arguments) in demo.steps(tmp_path):
        assert explanation.endswith(".")
        parse(command_of(name), name, arguments)
        names.append(name)
    assert names == ["prepare", "evaluate", "adapt", "evaluate", "transcribe", "transcribe"]
    assert str(tmp_path / f"{demo.COMMAND}.wav") in arguments and str(tmp_path / f"{demo.SENTENCE}.wav") in arguments


def test_recordings_are_named_as_one_types_them(demo, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert demo.recording(prompts, demo.SPOKEN) == f"{demo.SPOKEN}.wav"


def test_it_says_how_many_words_are_wrong(demo, prompts: Path, tmp_path: Path):
    texts = f"{demo.SPOKEN} a b\n{demo.COMMAND} a c\n{demo.SENTENCE}\n"
    (tmp_path / "before.txt").write_text(texts)
    assert demo.wrong(prompts, tmp_path / "before.txt") == "50.0 %"


def test_the_grammar_allows_one_prompt_and_not_the_other(demo):
    phrases = {phrase.text: phrase for phrase in parse_grammar(demo.GRAMMAR)}
    assert phrases["press five to leave a message"].slots == (("digit", "5"),)
    assert "no directory entries match your search" not in phrases
