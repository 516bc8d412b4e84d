"""Decoding on many cores finds what decoding on one finds."""

import torch
from support.lattices import lattice
from support.tiny import recogniser

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.parallel import ParallelDecoder, Scored

TOKENIZER = recogniser().tokenizer
DECODER = Decoder(TOKENIZER, DecodingConfig(beam=4))
UTTERANCES = [Scored(lattice(frames, TOKENIZER.size, seed=frames)) for frames in (9, 0, 5, 7, 1, 12, 3)]


def test_what_is_found_does_not_depend_on_how_many_workers_there_are():
    alone = [DECODER(utterance.log_probs) for utterance in UTTERANCES]
    assert len({found[0].text for found in alone}) > 3
    for count in (1, 2, 3, 20):
        with ParallelDecoder(DECODER, UTTERANCES, count) as decode:
            assert decode() == alone, count


def test_the_same_utterances_are_decoded_with_other_weights():
    config = DecodingConfig(beam=1, word_bonus=3.0)
    with ParallelDecoder(DECODER, UTTERANCES, 2) as decode:
        assert decode(config) == [DECODER(utterance.log_probs, config) for utterance in UTTERANCES]
        assert decode() == [DECODER(utterance.log_probs) for utterance in UTTERANCES]


def test_each_utterance_goes_with_its_own_second_log_probs():
    second = recogniser(seed=3)
    decoder = Decoder(TOKENIZER, DecodingConfig(beam=4), second=second)
    pairs = [Scored(u.log_probs, lattice(11, TOKENIZER.size, seed=n)) for n, u in enumerate(UTTERANCES)]
    with ParallelDecoder(decoder, pairs, 3) as decode:
        assert decode() == [decoder(pair.log_probs, second=pair.second) for pair in pairs]


def test_no_utterances_have_no_texts():
    with ParallelDecoder(DECODER, []) as decode:
        assert decode() == []


def test_this_process_gets_its_threads_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with ParallelDecoder(DECODER, UTTERANCES, 2):
            pass
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
