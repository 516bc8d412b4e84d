"""What `import asr` offers: which names, at what cost, and that their examples hold."""

import doctest
import inspect
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.tiny import RATE, gusts, recogniser

import asr
from asr.recogniser.model_folder import save_model
from asr.scoring.score import score as score_by_id
from asr.transcription.confidence import Calibration, Platt, save_calibration

EXPORTED = [
    "AsrError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "MissingExtra",
    "ModelError",
    "Score",
    "TimedText",
    "TrainingError",
    "Transcriber",
    "__version__",
    "load",
    "score",
]


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model", recogniser(seed=24), readme="A model.\n")
    return tmp_path / "model"


def test_these_names_are_exported_and_no_others():
    assert asr.__all__ == EXPORTED
    assert set(EXPORTED) <= set(dir(asr))
    with pytest.raises(AttributeError, match="module 'asr' has no attribute 'transcriber'"):
        _ = asr.transcriber


def test_the_errors_are_one_tree():
    errors = {name for name, value in vars(asr).items() if inspect.isclass(value) and issubclass(value, Exception)}
    known = {name for name, value in vars(asr.errors).items() if inspect.isclass(value)}
    assert errors == known and all(issubclass(getattr(asr, name), asr.AsrError) for name in known)


@pytest.mark.parametrize("name", [name for name in EXPORTED if name != "__version__"])
def test_each_name_has_an_example_that_is_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = getattr(asr, name)
    assert "Example:" in value.__doc__
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in finder.find(value, name, globs={"asr": asr}):
        runner.run(example)
    assert runner.failures == 0


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("import asr", {"torch", "numpy", "lhotse", "jiwer", "rich", "tyro"}),
        ("import asr; assert asr.score('a b', 'a').words.deletions == 1", {"torch", "lhotse", "rich", "tyro"}),
        ("import asr; asr.TimedText, asr.Score", {"torch", "lhotse", "rich", "tyro"}),
    ],
)
def test_nothing_is_imported_before_it_is_needed(code, without):
    script = f"{code}\nimport sys\nprint(*sorted({without!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_a_model_is_loaded_with_its_calibration_and_reads_files_and_arrays(folder, tmp_path):
    save_calibration(folder, Calibration(Platt(0.5, 0.1), Platt(0.4, 0.2)))
    soundfile.write(tmp_path / "a.wav", gusts(2 * RATE), RATE, subtype="FLOAT")
    model = asr.load(str(folder), device="cpu")
    assert isinstance(model, asr.Transcriber) and model.decoder is None
    assert model.calibration.words == Platt(0.5, 0.1)
    found = model.transcribe(str(tmp_path / "a.wav"))
    assert isinstance(found, asr.TimedText) and found.text
    assert model.transcribe(gusts(2 * RATE), RATE) == found


def test_a_beam_and_hot_words_ask_for_a_decoder(folder):
    model = asr.load(folder, beam=7, hotwords={"cab": 4.0}, device="cpu")
    assert model.decoder.config.beam == 7
    assert asr.load(folder, hotwords={"cab": 4.0}, device="cpu").decoder is not None
    with pytest.raises(asr.ModelError, match="has no language model"):
        asr.load(folder, lm=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(asr.ModelError, match="gone: not a model folder"):
        asr.load(tmp_path / "gone")


def test_texts_sequences_and_mappings_are_scored_alike():
    references = {"u1": "the cat sat", "u2": "on the mat"}
    hypotheses = {"u1": "the cat sat", "u2": "on a mat"}
    by_id = asr.score(references, hypotheses)
    assert by_id == score_by_id(references, hypotheses)
    in_order = asr.score(list(references.values()), tuple(hypotheses.values()))
    assert (in_order.totals, in_order.rates) == (by_id.totals, by_id.rates)
    assert asr.score("on the mat", "on a mat").wer.value == pytest.approx(1 / 3)


def test_sequences_stay_in_their_order_however_many():
    texts = [f"text {number}" for number in range(120)]
    assert [utterance.reference for utterance in asr.score(texts, texts).utterances] == texts


def test_an_id_without_hypothesis_counts_as_deleted():
    assert asr.score({"a": "one two", "b": "three"}, {"a": "one two"}).wer.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        (["a", "b"], ["a"], "2 references cannot be paired with 1 hypotheses"),
        ("a", ["a"], "references are a str and hypotheses a list"),
        ({"a": "a"}, ["a"], "references are a dict and hypotheses a list"),
        (["a"], 3, "a list and hypotheses a int"),
        ([], [], "no text to score"),
        ({"a": "a"}, {"b": "a"}, "no utterance id is in both"),
    ],
)
def test_what_cannot_be_paired_is_refused(references, hypotheses, message):
    with pytest.raises(asr.DataError, match=message):
        asr.score(references, hypotheses)


def test_numpy_is_what_the_model_takes(folder):
    """The rate is part of the sound: the same samples at half the rate last twice as long."""
    model = asr.load(folder, device="cpu")
    samples = np.zeros(RATE, dtype=np.float32)
    assert model.transcribe(samples, RATE).duration == 1.0
    assert model.transcribe(samples, RATE // 2).duration == 2.0
