"""Which utterances are trained on: those whose tokens fit into their frames."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from support.listening import Lines
from support.tones import RATE, write_cut

from asr.audio.features import FeatureConfig
from asr.errors import DataError
from asr.model.shape import AcousticConfig
from asr.progress import SILENT
from asr.text.tokenizer import CharacterTokenizer, Tokenizer, TokenizerConfig, train_tokenizer
from asr.training.selection import fitting, long_enough
from asr.training.settings import TrainConfig
from asr.units import num_frames, subsampled

TOKENIZER = CharacterTokenizer(" abc")


def cut(folder: Path, text: str, seconds: float, name: str = "u"):
    return write_cut(folder, name, text, np.zeros(round(seconds * RATE)))


def kept(cuts, config: TrainConfig, tokenizer: Tokenizer = TOKENIZER) -> list[str]:
    return [one.id for one in fitting(cuts, tokenizer, config, SILENT)]


@pytest.mark.parametrize("subsampling", [2, 4])
def test_exactly_the_transcripts_that_ctc_can_align_are_kept(tmp_path: Path, subsampling):
    """0.52 s are 50 frames, which 4 does not divide; a double letter needs a blank between."""
    config = TrainConfig(acoustic=AcousticConfig(subsampling=subsampling))
    frames = subsampled(num_frames(round(0.52 * RATE), window=400, hop=160), subsampling)
    fitting_text = ("ab" * frames)[:frames]
    texts = {"fits": fitting_text, "one more": f"{fitting_text}c", "doubled": fitting_text[:-2] + fitting_text[-3] * 2}
    cuts = [cut(tmp_path, text, 0.52, name) for name, text in texts.items()]
    assert kept(cuts, config) == ["fits"]


def test_tokens_are_counted_and_not_characters(tmp_path: Path):
    config = TrainConfig()
    cuts = [cut(tmp_path, "abcabcabcabc cab", 0.3, "long words"), cut(tmp_path, "a", 0.3, "short")]
    words = train_tokenizer(TokenizerConfig("words"), ["abcabcabcabc cab", "a"])
    assert kept(cuts, config) == ["short"]
    assert kept(cuts, config, words) == ["long words", "short"]


def test_frames_are_those_of_the_features_of_the_run(tmp_path: Path):
    """At 8 kHz, with hops twice as long, half as many letters fit."""
    cuts = [cut(tmp_path, "ab" * 8, 1.0)]
    wide = TrainConfig(features=FeatureConfig(sample_rate=8_000, window=0.05, hop=0.02))
    assert kept(cuts, TrainConfig()) == ["u"]
    with pytest.raises(DataError, match="every training utterance is too short"):
        kept(cuts, wide)


def test_who_is_left_out_is_told_and_up_to_five_are_named(tmp_path: Path):
    told = io.StringIO()
    cuts = [cut(tmp_path, "ab" * 20, 0.3, f"u{number}") for number in range(7)] + [cut(tmp_path, "a", 0.3, "good")]
    fitting(cuts, TOKENIZER, TrainConfig(), Lines(told))
    assert told.getvalue() == (
        "7 utterances too short for their text are left out of training: u0, u1, u2, u3, u4 and 2 more\n"
    )


def test_a_window_must_fit_at_the_fastest_speed(tmp_path: Path):
    config = TrainConfig()
    config = dataclasses.replace(config, augment=dataclasses.replace(config.augment, speeds=(1.0, 1.25)))
    cuts = [cut(tmp_path, "a", 0.030, "short"), cut(tmp_path, "a", 0.032, "enough")]
    assert [one.id for one in long_enough(cuts, config, SILENT)] == ["enough"]
