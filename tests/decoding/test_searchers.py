"""Decoding in processes that threads may ask finds what decoding here finds."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import active_children

import pytest
from support.lattices import lattice
from support.tiny import recogniser

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig

TOKENIZER = recogniser().tokenizer
DECODER = Decoder(TOKENIZER, DecodingConfig(beam=4))
UTTERANCES = [lattice(frames, TOKENIZER.size, seed=frames) for frames in (9, 0, 5, 7, 1, 12, 3)]
FOUND = [DECODER(log_probs) for log_probs in UTTERANCES]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture
def elsewhere():
    """A decoder with two processes, and these."""
    before = set(active_children())
    decoder = DECODER.in_processes(2)
    children = set(active_children()) - before
    assert len(children) == 2
    yield decoder, children
    for child in children:
        child.kill()


def test_threads_share_processes(elsewhere):
    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(elsewhere[0], UTTERANCES)) == FOUND
    other = replace(DECODER.config, beam=1, word_bonus=3.0)
    assert elsewhere[0](UTTERANCES[0], other) == DECODER(UTTERANCES[0], other)


def test_the_second_log_probs_go_along():
    decoder = Decoder(TOKENIZER, DecodingConfig(beam=4), second=recogniser(seed=3))
    second = lattice(11, TOKENIZER.size, seed=1)
    expected = decoder(UTTERANCES[0], second=second)
    assert decoder.in_processes(1)(UTTERANCES[0], second=second) == expected != FOUND[0]


def test_an_error_there_is_one_here(elsewhere):
    decoder, _ = elsewhere
    for _ in range(3):
        with pytest.raises(ValueError, match="convert"):
            decoder("no log-probs")
    assert decoder(UTTERANCES[0]) == FOUND[0]


def test_where_processes_die_threads_search_themselves(elsewhere):
    decoder, children = elsewhere
    for left in range(1, -1, -1):
        child = children.pop()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL and len(children) == left
        with ThreadPoolExecutor(3) as threads:
            assert list(threads.map(decoder, UTTERANCES)) == FOUND


def test_hot_words_are_searched_for_here(elsewhere):
    favoured = elsewhere[0].with_hotwords({"abc": 6.0})
    assert favoured(UTTERANCES[0]) == DECODER.with_hotwords({"abc": 6.0})(UTTERANCES[0])
