"""Commands without --model take the model that comes with the package, and its language model."""

import shutil
import sys
from pathlib import Path

import pytest

import asr as package
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tuned import TunedDecoding, save_tuned
from asr.lm.compact import write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.recogniser.bundled import model_named


@pytest.fixture
def bundled(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in the place of the package's, with a language model that knows only one word."""
    folder = shutil.copytree(model, tmp_path / "english")
    write_compact(train_ngram(["cab cab cab"], NgramConfig(2)), folder / "lm.ngram")
    save_tuned(folder, TunedDecoding(("lm.ngram",), DecodingConfig(lm_weight=1.0, beam=10)))
    monkeypatch.setattr("asr.recogniser.bundled.FOLDER", folder)
    return folder


def texts(result):
    assert result.code == 0, result.err
    return [line.split("\t")[-1] for line in result.out.splitlines()]


def test_without_a_name_the_language_model_speaks_too(asr, bundled: Path, recordings: Path):
    pytest.importorskip("flashlight.lib.text")
    sounds = ["transcribe", recordings / "test", "--min-confidence", 0]
    found = texts(asr(*sounds))
    assert set(" ".join(found).split()) == {"cab"}
    assert found == texts(asr(*sounds, "--model", bundled, "--lm"))
    greedy = texts(asr(*sounds, "--greedy"))
    assert greedy != found and greedy == texts(asr(*sounds, "--model", bundled))
    assert len(texts(asr("transcribe", recordings / "test" / "test-0.wav", "--nbest", 2))) == 2
    by_name, by_default = package.load(bundled), package.load()
    assert by_name.decoder is None and by_default.decoder is not None
    assert package.load(lm=False).decoder is None
    assert (
        by_default.transcribe(recordings / "test" / "test-0.wav").text
        == by_default.transcribe(str(recordings / "test" / "test-0.wav")).text
    )


def test_a_language_model_of_ones_own_takes_its_place_with_the_tuned_weights(
    asr, bundled: Path, recordings: Path, tmp_path: Path
):
    pytest.importorskip("flashlight.lib.text")
    (tmp_path / "mine.txt").write_text("a bab\nbab\n")
    made = asr("lm", "train", tmp_path / "mine.txt", "--out", tmp_path / "mine.ngram")
    assert made.code == 0, made.err
    found = texts(asr("transcribe", recordings / "test", "--min-confidence", 0, "--lm", tmp_path / "mine.ngram"))
    assert set(" ".join(found).split()) <= {"a", "bab"} and any(found)
    assert package.load(lm=tmp_path / "mine.ngram").decoder.config == DecodingConfig(lm_weight=1.0, beam=10)


def test_without_flashlight_it_decodes_greedily_and_says_so(asr, bundled: Path, recordings: Path, monkeypatch):
    sound = recordings / "test" / "test-0.wav"
    expected = asr("transcribe", sound, "--greedy")
    monkeypatch.setitem(sys.modules, "flashlight.lib.text", None)
    found = asr("transcribe", sound)
    assert texts(found) == texts(expected)
    assert "greedy decoding, with more errors: the language model needs pip install 'asr[lm]'" in found.err
    assert "greedy" not in expected.err
    refused = asr("transcribe", sound, "--nbest", 2)
    assert refused.code == 2 and "--nbest 2 is not allowed" in refused.err


def test_evaluate_and_align_take_it_too(asr, bundled: Path, prepared: Path, recordings: Path):
    scored = asr("evaluate", prepared / "test.jsonl.gz", "--greedy")
    assert scored.code == 0 and "WER" in scored.out, scored.err
    aligned = asr("align", recordings / "test" / "test-0.wav", "a")
    assert aligned.code == 0 and "test-0 1 " in aligned.out, aligned.err


def test_mistakes_end_in_one_clear_line(refused, bundled: Path, recordings: Path, monkeypatch):
    sound = recordings / "test" / "test-0.wav"
    refused(
        2,
        "--greedy goes with none of --lm, --beam, --hotwords and --commands",
        "transcribe",
        sound,
        "--greedy",
        "--beam",
        4,
    )
    refused(2, "--nbest 3 is not allowed", "transcribe", sound, "--greedy", "--nbest", 3)
    monkeypatch.setattr("asr.recogniser.bundled.FOLDER", bundled / "none")
    refused(1, "no model comes with this installation; train one (asr train", "transcribe", sound)
    with pytest.raises(package.ModelError, match="no model comes with this installation"):
        package.load()


def test_its_name_stands_for_its_folder_unless_there_is_one(bundled: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    assert model_named("english") == bundled and model_named("other/best") == Path("other/best")
    monkeypatch.chdir(tmp_path)
    assert model_named("english") == Path("english"), "the copy that lies here"
