"""A model and somebody's recordings: what is learnt, what is kept, what is chosen."""

import io
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from support.language import write_lm
from support.listening import Lines
from support.runs import SMALL
from support.tones import RATE, waveform, write_corpus

from asr.data.cuts import load_cuts
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tune import keep
from asr.decoding.tuned import load_decoder, load_tuned, tuned_models
from asr.errors import ConfigError, DataError
from asr.lm.arpa import read_ngram
from asr.progress import SILENT
from asr.recogniser.engines import load_engine
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.recogniser.voices import ByVoice
from asr.text.tokenizer import CharacterTokenizer
from asr.training import adapt as module
from asr.training.adapt import Speech, adapt, mixture, part_way, settings, suited
from asr.training.adapt_goal import Judge
from asr.training.selection import some
from asr.training.train import train
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    """Manifests of twenty utterances."""
    folder = write_corpus(tmp_path_factory.mktemp("speech"), train=14, dev=3)
    shutil.copy(folder / "dev.jsonl.gz", folder / "test.jsonl.gz")
    return folder


@pytest.fixture(scope="module")
def base(speech: Path, tmp_path_factory) -> Path:
    config = replace(SMALL, epochs=1, threads=1, loaders=0)
    return train(config, speech, tmp_path_factory.mktemp("base"), SILENT)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder).state()


def test_it_ends_with_a_model_and_says_what_it_cost(speech: Path, base: Path, tmp_path: Path):
    said = io.StringIO()
    found = adapt(speech, base, tmp_path / "mine", general=speech, epochs=2, threads=1, progress=Lines(said))
    after = load_model(tmp_path / "mine")
    assert found.folder == tmp_path / "mine" and found.share in (0.0, *module.SHARES)
    assert found.own[0].words.reference_length == found.own[1].words.reference_length > 0
    assert found.general is not None and "the base model stays for other voices; taken for yours are" in said.getvalue()
    card = (tmp_path / "mine" / "README.md").read_text()
    assert (
        f"{100 * found.share:.0f} % of the way" in card and "general speech after" in card and str(speech) not in card
    )
    before = load_model(base)
    assert torch.equal(after.features.mean, before.features.mean), "the base model's statistics are kept"
    assert "other voices are read by the base model" in card
    both = load_engine(tmp_path / "mine", "torch")
    assert isinstance(both, ByVoice)
    assert all(torch.equal(both.others.state()[name], tensor) for name, tensor in before.state().items())
    again = adapt(speech, base, tmp_path / "mine", general=speech, epochs=2, threads=1, progress=Lines(said))
    assert "is finished" in said.getvalue() and again.share == found.share
    same = weights(tmp_path / "mine")
    assert all(torch.equal(same[name], tensor) for name, tensor in after.state().items())


def test_speech_and_language_models_that_come_with_the_model_are_used(speech: Path, base: Path, tmp_path: Path):
    copy = shutil.copytree(base, tmp_path / "model")
    shutil.copytree(speech, copy / "general")
    write_lm(tmp_path / "words.arpa")
    keep(copy, [tmp_path / "words.arpa"], None, DecodingConfig(lm_weight=0.7))
    found = adapt(speech, copy, tmp_path / "mine", epochs=1, threads=1)
    assert found.general is not None
    assert load_tuned(found.folder) == load_tuned(copy)
    (lm,), _second = tuned_models(found.folder)
    assert lm.parent == found.folder
    texts = [cut.text for cut in load_cuts(speech / "train.jsonl.gz")]
    learnt = (read_ngram(path) for path in (lm, copy / lm.name))
    after, before = (model.predict(texts) for model in learnt)
    assert before.unknown > after.unknown == 0, "the recordings' words can be written now"
    assert found.searched and "with the language model" in (found.folder / "README.md").read_text()
    alone = adapt(speech, base, tmp_path / "alone", epochs=1, threads=1, rehearsal=0.0)
    assert alone.general is None
    assert isinstance(load_engine(alone.folder, "torch"), Recogniser), "no other voices are known"


def test_letters_that_the_model_lacks_get_an_output_layer_of_their_own(base: Path, tmp_path: Path):
    draw = random.Random(0)
    (tmp_path / "recordings").mkdir()
    for number in range(12):
        text = "".join(draw.choice("abc") for _ in range(4 + number % 3))
        path = tmp_path / "recordings" / f"{number}.wav"
        soundfile.write(path, waveform(text, draw), RATE)
        path.with_suffix(".txt").write_text(text.replace("c", "ж"), encoding="utf-8")
    said = io.StringIO()
    found = adapt(tmp_path / "recordings", base, tmp_path / "mine", epochs=1, threads=1, progress=Lines(said))
    assert found.share == 1.0, "nothing lies between two models of other tokens"
    assert "the base model cannot write 'ж': a new output layer of 5 characters is learnt" in said.getvalue()
    tokenizer = load_model(tmp_path / "mine").tokenizer
    assert isinstance(tokenizer, CharacterTokenizer) and set(tokenizer.characters) == set(" abcж")


def test_what_cannot_be_adapted(speech: Path, base: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="is the base model's folder"):
        adapt(speech, base, base)
    few = write_corpus(tmp_path, train=3, dev=2)
    with pytest.raises(DataError, match="5 utterances are too few"):
        adapt(few, base, tmp_path / "mine")


def test_a_mixture_lies_between_the_two(base: Path, tmp_path: Path):
    one, other = load_model(base), load_model(base)
    with torch.no_grad():
        for parameter in other.acoustic.parameters():
            parameter.add_(1.0)
    for share in (0.0, 0.25, 1.0):
        for name, tensor in mixture(one, other, share).state().items():
            moved = share if name.startswith("acoustic.") else 0.0
            torch.testing.assert_close(tensor.float(), one.state()[name].float() + moved)


def test_the_part_of_the_way_is_chosen_by_errors_then_by_loss(base: Path, monkeypatch):
    one, other = load_model(base), load_model(base)
    verdicts = {0.0: (0.5, 1.0), 0.25: (0.4, 2.0), 0.5: (0.4, 1.9), 0.75: (0.4, 2.1), 1.0: (0.6, 0.1)}
    monkeypatch.setattr(module, "mixture", lambda _base, _adapted, share: share)
    assert part_way(one, other, lambda share: (*verdicts[share], None, None))[1] == 0.5


def test_forgetting_counts_beyond_one_in_a_hundred(speech: Path, base: Path):
    model, cuts = load_model(base), load_cuts(speech / "dev.jsonl.gz")
    errors, loss, own, general = Judge(cuts, cuts, 0.0, SILENT)(model)
    assert general is not None and general.score.wer.value == own.score.wer.value > 0.5
    assert errors == pytest.approx(min(own.score.wer.value, 1) + own.score.wer.value - 0.01)
    assert loss == pytest.approx(2 * own.loss)
    assert Judge(cuts, cuts, own.score.wer.value, SILENT)(model)[0] == pytest.approx(min(own.score.wer.value, 1))
    assert Judge(cuts, (), 0.0, SILENT)(model)[0] == pytest.approx(min(own.score.wer.value, 1))


def test_a_judge_hears_with_the_language_model_if_there_is_one(speech: Path, base: Path, tmp_path: Path):
    pytest.importorskip("flashlight.lib.text")
    model, cuts = load_model(base), load_cuts(speech / "dev.jsonl.gz")
    write_lm(tmp_path / "words.arpa")
    decoder = load_decoder(base, model, [tmp_path / "words.arpa"])
    greedily, searching = (Judge.of(model, cuts, cuts, SILENT, (None, found)) for found in (None, decoder))
    assert searching.before == greedily.before > 0
    assert searching(model)[2].hypotheses == evaluate(Transcriber(model, decoder), cuts, loaders=0).hypotheses
    assert searching(model)[2].hypotheses != greedily(model)[2].hypotheses


def test_tokens_are_kept_unless_they_cannot_spell_the_recordings(speech: Path):
    cuts = load_cuts(speech / "train.jsonl.gz")
    own, known = Speech(cuts, (), ()), CharacterTokenizer(" abcd")
    assert suited(known, own, SILENT) is known
    made = suited(CharacterTokenizer(" abd"), own, SILENT)
    assert isinstance(made, CharacterTokenizer) and made.characters == tuple(" abcd")
    made = suited(CharacterTokenizer(" жи"), own, SILENT)
    assert isinstance(made, CharacterTokenizer) and made.characters == tuple(" abc")


def test_settings_follow_the_amount_of_speech(speech: Path, base: Path):
    cuts = load_cuts(speech / "train.jsonl.gz")
    own = Speech(cuts, cuts, cuts)
    model = load_model(base)
    few = settings(model, base, own, same=True)
    much = settings(model, base, Speech(cuts * 40, cuts, cuts), same=True)
    assert few.epochs == module.EPOCHS[1] and much.epochs < few.epochs
    assert few.keep_statistics and few.rehearsal > 0 and few.acoustic == model.config.acoustic
    anew = settings(model, base, own, same=False)
    assert not anew.keep_statistics and anew.rehearsal == 0
    assert settings(model, base, own, same=True, epochs=3).epochs == 3


def test_some_speech_is_the_same_every_day_and_no_more_than_asked_for(speech: Path):
    cuts = load_cuts(speech / "train.jsonl.gz")
    chosen = some(cuts, 4.0)
    assert chosen == some(cuts[::-1], 4.0) and 0 < sum(cut.duration for cut in chosen) <= 4.0
    assert len(some(cuts, 1e6)) == len(cuts) and some(cuts, 0.0) == []
