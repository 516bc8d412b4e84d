"""Tuning: what is chosen is what was measured."""

from dataclasses import replace

import pytest
from support.tiny import recogniser
from support.tones import write_corpus

from asr.data.cuts import load_cuts
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tune import BLANK_PENALTIES, keep, tune
from asr.decoding.tuned import TunedDecoding, load_tuned
from asr.lm.estimate import NgramConfig, train_ngram
from asr.progress import SILENT

pytest.importorskip("flashlight.lib.text")


def test_tuning_never_does_worse_on_its_grid_than_it_says(tmp_path):
    cuts = load_cuts(write_corpus(tmp_path, train=3, dev=4) / "dev.jsonl.gz")
    train_ngram(["a b c", "ab c", "b", "c a"], NgramConfig(2)).write(tmp_path / "own.arpa")
    model = recogniser()
    decoder = Decoder(model.tokenizer, DecodingConfig(beam=4), ngram=tmp_path / "own.arpa")
    tuning = tune(model, decoder, cuts, SILENT)
    chosen = next(trial for trial in tuning.trials if trial.config == tuning.config)
    assert chosen.words == tuning.tuned.words.errors
    assert {trial.config.blank_penalty for trial in tuning.trials} == set(BLANK_PENALTIES)
    keep(tmp_path / "model", [tmp_path / "own.arpa"], None, tuning.config)
    assert (tmp_path / "model" / "lm.arpa").read_bytes() == (tmp_path / "own.arpa").read_bytes()
    assert load_tuned(tmp_path / "model") == TunedDecoding(("lm.arpa",), tuning.config)


def test_the_language_models_of_a_former_tuning_go(tmp_path):
    for name in ("own.arpa", "own.ngram", "own.bin"):
        (tmp_path / name).write_text(name)
    (tmp_path / "rnn").mkdir()
    (tmp_path / "rnn" / "config.json").write_text("{}")
    model = tmp_path / "model"
    for names, kept in (
        (["own.arpa", "rnn"], ["lm.arpa", "rnn_lm"]),
        (["own.ngram"], ["lm.ngram"]),
        (["model/lm.ngram", "rnn"], ["lm.ngram", "rnn_lm"]),  # kept where it is
        (["own.bin"], ["lm.bin"]),
    ):
        keep(model, [tmp_path / name for name in names], None, DecodingConfig())
        assert sorted(path.name for path in model.iterdir()) == sorted(["decoding.json", *kept])
        assert load_tuned(model) == TunedDecoding(tuple(kept), DecodingConfig())
    assert (model / "lm.bin").read_text() == "own.bin"


def test_what_only_ranks_well_is_decoded_before_it_is_chosen(tmp_path):
    """The second recogniser helps the lists that are ranked.

    A search that follows its weight finds none of their texts.
    """

    class Lost(Decoder):
        def __call__(self, log_probs, config=None, *, second=None):
            found = super().__call__(log_probs, config, second=second)
            return [replace(found[0], tokens=(), text="")] if config.second_weight else found

    cuts = load_cuts(write_corpus(tmp_path, train=3, dev=4) / "dev.jsonl.gz")
    train_ngram(["a b c", "ab c", "b", "c a"], NgramConfig(2)).write(tmp_path / "own.arpa")
    model, other = recogniser(), recogniser(seed=10)
    for kind, alone in ((Decoder, False), (Lost, True)):
        decoder = kind(model.tokenizer, DecodingConfig(beam=4), ngram=tmp_path / "own.arpa", second=other)
        tuning = tune(model, decoder, cuts, SILENT)
        chosen = next(trial for trial in tuning.trials if trial.config == tuning.config)
        assert chosen.words == tuning.tuned.words.errors
        assert (tuning.config.second_weight == 0) == alone
