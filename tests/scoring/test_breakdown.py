from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.scoring.breakdown import UNKNOWN, Confusion, Unit, characters, confusions, group, over_speakers, words
from asr.scoring.score import Totals, score

TEXTS = st.lists(st.sampled_from(["a", "bc", "שלום", "b", "今天"]), max_size=6).map(" ".join)
TEST_SETS = st.dictionaries(st.text("xyz", min_size=1, max_size=3), st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)

unhurried = settings(deadline=None, max_examples=60)


def scored(pairs, **options):
    texts = ({id: pair[side] for id, pair in pairs.items()} for side in (0, 1))
    return score(*texts, samples=options.pop("samples", 2), **options)


@pytest.fixture
def example():
    return scored(
        {
            "1": ("one two two", "one too"),
            "2": ("two", "too"),
            "3": ("one", "one oh"),
            "4": ("three x", "free x oh"),
        }
    )


def test_confusions_insertions_and_deletions_by_how_often_they_are(example):
    assert confusions(example) == [
        Confusion("", "oh", 2),
        Confusion("two", "too", 2),
        Confusion("three", "free", 1),
        Confusion("two", "", 1),
    ]


def test_words_are_ranked_by_missed_and_false_ones(example):
    assert words(example) == [
        Unit("two", 3, 3, 0),
        Unit("oh", 0, 0, 2),
        Unit("too", 0, 0, 2),
        Unit("three", 1, 1, 0),
        Unit("free", 0, 0, 1),
        Unit("one", 2, 0, 0),
        Unit("x", 1, 0, 0),
    ]


def test_characters_are_counted_each_by_itself():
    found = {unit.text: unit for unit in characters(scored({"u": ("kitten x", "sitting x")}))}
    assert found["k"] == Unit("k", 1, 1, 0)
    assert found["s"] == Unit("s", 0, 0, 1)
    assert found["i"] == Unit("i", 1, 0, 1)
    assert found["g"] == Unit("g", 0, 0, 1)
    assert found[" "] == Unit(" ", 1, 0, 0)


@unhurried
@given(TEST_SETS)
def test_every_word_and_character_is_in_its_table_as_often_as_it_was_said_and_missed(pairs):
    result = scored(pairs)
    for units, counts, cut in ((words(result), result.words, str.split), (characters(result), result.characters, list)):
        said = Counter(unit for reference, _ in pairs.values() for unit in cut(reference))
        assert {unit.text: unit.count for unit in units if unit.count} == said
        assert sum(unit.missed for unit in units) == counts.substitutions + counts.deletions
        assert sum(unit.false for unit in units) == counts.substitutions + counts.insertions
    assert sum(confusion.count for confusion in confusions(result)) == result.words.errors


@unhurried
@given(
    TEST_SETS, st.lists(st.one_of(st.none(), st.floats(0, 9), st.sampled_from(["ann", "bob"])), min_size=6, max_size=6)
)
def test_groups_add_up_to_the_whole(pairs, values):
    result = scored(pairs)
    known = {id: value for id, value in zip(pairs, values, strict=False) if value is not None}
    groups = group(result, known, samples=2)
    assert sum((part.score.totals for part in groups), start=Totals()) == result.totals
    assert len({part.name for part in groups}) == len(groups)


def test_many_numbers_are_gathered_in_four_ranges_in_order():
    result = scored({f"{number:03}": ("a", "a") for number in range(100)})
    values = {f"{number:03}": number / 10 for number in range(99)}
    parts = group(result, values)
    assert [part.name for part in parts] == ["up to 2.45", "2.45 to 4.9", "4.9 to 7.35", "over 7.35", UNKNOWN]
    assert [part.score.totals.utterances for part in parts] == [25, 25, 24, 25, 1]
    assert "024" in {utterance.id for utterance in parts[0].score.utterances}


def test_few_numbers_stand_for_themselves_in_order_of_size():
    result = scored({f"{number}": ("a", "a") for number in range(4)})
    assert [part.name for part in group(result, {"0": 10, "1": 2, "2": 2})] == ["2", "10", UNKNOWN]


def test_the_interval_over_speakers_is_wider_where_speakers_differ():
    pairs = {f"{s}-{n}": ("a b c d", "a b c d" if s % 2 else "a x y d") for s in range(8) for n in range(20)}
    result = scored(pairs, samples=1000)
    found = over_speakers(result, {id: id.split("-")[0] for id in pairs})
    assert found.number == 8
    assert found.rates.wer.value == result.wer.value == 0.25
    assert found.rates.wer.high - found.rates.wer.low > 3 * (result.wer.high - result.wer.low)


def test_an_unknown_speaker_or_one_alone_gives_no_interval_over_speakers(example):
    assert over_speakers(example, dict.fromkeys("123", "ann")) is None
    assert over_speakers(example, dict.fromkeys("1234", "ann")) is None
    assert over_speakers(example, {"1": "ann", "2": "ann", "3": "bob", "4": "bob"}).number == 2
