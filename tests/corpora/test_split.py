"""Laws of holding out: nothing lost, nothing torn apart, nothing empty, nothing left to chance."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.corpora.split import by_id, by_speaker, by_text, complete, hold_out, natural_key
from asr.corpora.utterance import Utterance


def utterance(name, text="yes", speaker=None):
    return Utterance(str(name), Path(f"{name}.wav"), text, "list:1", speaker)


corpora = st.lists(
    st.tuples(st.sampled_from(["yes", "no", "maybe", "Yes!"]), st.sampled_from("abcdefghijklm")), max_size=60
).map(lambda pairs: [utterance(number, text, speaker) for number, (text, speaker) in enumerate(pairs)])
keys = pytest.mark.parametrize("key", [by_text, by_speaker, by_id])


@keys
@settings(deadline=None, max_examples=50)
@given(corpora)
def test_every_utterance_is_in_exactly_one_split_and_no_key_in_two(key, utterances):
    parts = complete(utterances, key=key)
    assert sorted(u.id for part in parts for u in part) == sorted(u.id for u in utterances)
    sets = [{key(u) for u in part} for part in parts]
    assert sum(len(part) for part in sets) == len(set().union(*sets))


@keys
@settings(deadline=None, max_examples=50)
@given(corpora)
def test_no_split_is_empty_where_three_keys_allow_it(key, utterances):
    parts = complete(utterances, key=key)
    if len({key(u) for u in utterances}) >= 3:
        assert all(parts)


@settings(deadline=None, max_examples=50)
@given(corpora, st.randoms())
def test_the_choice_does_not_depend_on_the_order(utterances, random):
    shuffled = random.sample(utterances, len(utterances))
    for part, other in zip(complete(utterances, key=by_id), complete(shuffled, key=by_id), strict=True):
        assert {u.id for u in part} == {u.id for u in other}


def test_shares_are_met_to_the_utterance_when_keys_are_small():
    train, dev, test = complete([utterance(n) for n in range(1000)], key=by_id, dev_share=0.07, test_share=0.1)
    assert (len(train), len(dev), len(test)) == (830, 70, 100)


def test_what_the_corpus_has_is_not_touched():
    dev, test = [utterance("d")], [utterance("t")]
    train = [utterance(n) for n in range(10)]
    assert complete(train, dev, test, key=by_id) == (tuple(train), tuple(dev), tuple(test))
    kept, held, given_test = complete(train, (), test, key=by_id)
    assert len(held) == 1 and len(kept) == 9 and given_test == tuple(test)


def test_one_key_is_never_held_out_whole():
    kept, held = hold_out([utterance(n) for n in range(5)], 0.5, by_text)
    assert len(kept) == 5 and not held


def test_a_key_that_exceeds_the_share_is_held_out_only_if_nothing_else_can_be():
    many = [utterance(n, speaker="talkative") for n in range(50)] + [utterance(99, speaker="brief")]
    assert {u.speaker for u in hold_out(many, 0.01, by_speaker)[1]} == {"brief"}


def test_spelling_does_not_tear_a_text_apart():
    assert by_text(utterance(1, "Don’t go!")) == by_text(utterance(2, "don't  GO"))


@pytest.mark.parametrize(
    ("utterances", "key"),
    [
        ([utterance(n, f"text {n}", f"speaker {n % 10}") for n in range(40)], by_speaker),
        ([utterance(n, f"text {n}", f"speaker {n % 9}") for n in range(40)], by_text),
        ([utterance(n, f"text {n // 2}") for n in range(40)], by_text),
        ([utterance(n, f"digit {n % 10}") for n in range(100)], by_id),
        ([utterance(n, "yes") for n in range(3)], by_id),
    ],
    ids=["ten speakers", "nine speakers", "sentences", "ten digits ten times", "one word"],
)
def test_the_natural_key_follows_what_is_known(utterances, key):
    assert natural_key(utterances) is key
