"""Laws of decoding while frames come in: pieces change nothing, and what all agree on stands."""

import numpy as np
import pytest
from support.language import TEXT, TOKENIZER, characters_of, write_lm
from support.lattices import lattice

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.text.tokenizer import TokenizerConfig, train_tokenizer

WORDS = train_tokenizer(TokenizerConfig("words"), ["ab a", "b"])


def decoders(folder):
    """One of each kind of search."""
    config = DecodingConfig(beam=6, lm_weight=0.5)
    yield Decoder(TOKENIZER, config)
    yield Decoder(TOKENIZER, config, hotwords={"ab a": 2.0})
    yield Decoder(WORDS, config)
    pytest.importorskip("flashlight.lib.text")
    write_lm(folder / "words.arpa")
    write_lm(folder / "characters.arpa", [" ".join(characters_of(text)) for text in TEXT], order=3)
    for name in ("words", "characters"):
        for hotwords in (None, {"ab a": 2.0}):
            yield Decoder(TOKENIZER, config, ngram=folder / f"{name}.arpa", hotwords=hotwords)
    yield Decoder(WORDS, config, ngram=folder / "words.arpa")


def agreed(texts):
    """What all begin with."""
    count = next((n for n, column in enumerate(zip(*texts, strict=False)) if len(set(column)) > 1), None)
    return min(texts, key=len)[:count]


def test_frames_in_pieces_are_decoded_as_all_at_once(tmp_path):
    for decoder in decoders(tmp_path):
        tokens = decoder._tokenizer.size
        for seed in range(4):
            log_probs, draw = lattice(24, tokens, seed, spread=1.5), np.random.default_rng(seed)
            decoding, place = decoder.begin(), 0
            while place < len(log_probs):
                size = int(draw.choice([0, 1, 2, 7]))
                decoding.accept(log_probs[place : place + size])
                place += size
            assert decoding.finish() == decoder(log_probs)


def test_what_all_running_texts_begin_with_stands_to_the_end(tmp_path):
    """Whole words of it; and the running texts are in order, the best first."""
    said = 0
    for decoder in decoders(tmp_path):
        tokenizer = decoder._tokenizer
        for seed in range(4):
            log_probs = lattice(30, tokenizer.size, seed, spread=3.0)
            decoding, stood = decoder.begin(), []
            for frame in log_probs:
                decoding.accept(frame[None])
                texts = [tokenizer.decode(tokens).split() for tokens in decoding.running()]
                assert len(decoding.running()) == len(set(decoding.running()))
                stood = max(stood, agreed([words[:-1] for words in texts]), key=len)
            said += len(stood)
            for hypothesis in decoding.finish():
                assert hypothesis.text.split()[: len(stood)] == stood
    assert said > 20, "else nothing was tested"


def test_no_frame_has_the_empty_text():
    decoding = Decoder(TOKENIZER, DecodingConfig(beam=3)).begin()
    assert decoding.running() == [()] and [found.text for found in decoding.finish()] == [""]
