import json
import math
import random

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import DataError
from asr.scoring.interval import Rate
from asr.scoring.score import Counts, Edit, score, summary_line, worst

# Few words, so that pairs share some. They include one-letter words, several scripts and
# directions, and marks.
WORDS = st.sampled_from(["a", "i", "the", "don't", "é", "שלום", "سلام", "今天", "किताब", "ก็", "𝄞", "x", "y"])
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)
TEST_SETS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)

unhurried = settings(deadline=None, max_examples=60)  # a busy machine is no failure


def split(pairs):
    return {id: pair[0] for id, pair in pairs.items()}, {id: pair[1] for id, pair in pairs.items()}


def score_one(reference, hypothesis):
    return score({"u": reference}, {"u": hypothesis}, samples=1)


def fewest_errors(reference, hypothesis):
    """Levenshtein's distance by its recurrence."""
    previous = list(range(len(hypothesis) + 1))
    for row, expected in enumerate(reference, start=1):
        current = [row]
        for column, found in enumerate(hypothesis, start=1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (expected != found)))
        previous = current
    return previous[-1]


# Counts and alignment


@pytest.mark.parametrize(
    ("reference", "hypothesis", "hits", "substitutions", "deletions", "insertions"),
    [
        # Morris, Maier & Green 2004, "From WER and RIL to MER and WIL", table 1
        ("X", "X", 1, 0, 0, 0),
        ("X", "X X Y Y", 1, 0, 0, 3),
        ("X Y X", "X Z", 1, 1, 1, 0),
        ("X", "Y", 0, 1, 0, 0),
        ("X", "Y Z", 0, 1, 0, 1),
        # Jurafsky & Martin, "Speech and Language Processing", on word error rate: 76.9 %
        (
            "i um the phone is i left the portable phone upstairs last night",
            "i got it to the fullest i love to portable form of stores last night",
            6,
            6,
            1,
            3,
        ),
        ("", "", 0, 0, 0, 0),
        ("", "a b", 0, 0, 0, 2),
        ("a b c", "", 0, 0, 3, 0),
        ("o k", "o\tk\n", 2, 0, 0, 0),
        ("שלום עולם", "שלום", 1, 0, 1, 0),
    ],
)
def test_known_word_counts(reference, hypothesis, hits, substitutions, deletions, insertions):
    scored = score_one(reference, hypothesis)
    assert scored.words == Counts(hits, substitutions, deletions, insertions)
    if reference:
        assert scored.wer.value == (substitutions + deletions + insertions) / (hits + substitutions + deletions)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "length"),
    [
        ("kitten", "sitting", 3, 6),
        ("intention", "execution", 5, 9),
        ("saturday", "sunday", 3, 8),
        ("a b", "ab", 1, 3),  # the space counts
        ("  a \t b ", "a b", 0, 3),  # but only one of them
        ("", "ab", 2, 0),
        ("今天天气", "今日天气", 1, 4),
    ],
)
def test_known_character_counts(reference, hypothesis, errors, length):
    characters = score_one(reference, hypothesis).characters
    assert (characters.errors, characters.reference_length) == (errors, length)


@unhurried
@given(TEXTS)
def test_a_text_against_itself_has_no_errors(text):
    same = score_one(text, text)
    assert (same.words.errors, same.characters.errors, same.totals.wrong) == (0, 0, 0)
    assert (same.wer.value, same.cer.value) == (0, 0)
    assert all(edit.kind == "equal" and edit.reference == edit.hypothesis for edit in same.utterances[0].alignment)


@unhurried
@given(TEST_SETS)
def test_the_alignment_spells_both_sides_and_is_what_was_counted(pairs):
    for utterance in score(*split(pairs), samples=1).utterances:
        reference, hypothesis = (text.split() for text in pairs[utterance.id])
        assert [edit.reference for edit in utterance.alignment if edit.kind != "insertion"] == reference
        assert [edit.hypothesis for edit in utterance.alignment if edit.kind != "deletion"] == hypothesis
        kinds = [edit.kind for edit in utterance.alignment]
        counts = Counts(*(kinds.count(kind) for kind in ("equal", "substitution", "deletion", "insertion")))
        assert counts == utterance.words
        for edit in utterance.alignment:
            assert (edit.reference == edit.hypothesis) == (edit.kind == "equal")
            assert (edit.reference == "") == (edit.kind == "insertion")
            assert (edit.hypothesis == "") == (edit.kind == "deletion")


@unhurried
@given(TEST_SETS)
def test_counts_are_the_fewest_possible_and_reach_both_lengths(pairs):
    for utterance in score(*split(pairs), samples=1).utterances:
        for counts, cut in ((utterance.words, str.split), (utterance.characters, list)):
            reference, hypothesis = (cut(text) for text in pairs[utterance.id])
            assert counts.errors == fewest_errors(reference, hypothesis)
            assert counts.reference_length == len(reference)
            assert counts.hits + counts.substitutions + counts.insertions == len(hypothesis)


@unhurried
@given(TEST_SETS)
def test_swapping_sides_turns_insertions_into_deletions(pairs):
    """Another alignment with equally few errors may be chosen.

    So only what all of them share must hold.
    """
    references, hypotheses = split(pairs)
    there = score(references, hypotheses, samples=1)
    back = score(hypotheses, references, samples=1)
    for forward, backward in ((there.words, back.words), (there.characters, back.characters)):
        assert forward.errors == backward.errors
        assert forward.insertions - forward.deletions == backward.deletions - backward.insertions


def many_pairs(seed):
    """A hundred pairs of texts in several scripts, alike or not, some sides empty."""
    generator = random.Random(seed)
    vocabulary = ["a", "i", "the", "don't", "é", "שלום", "سلام", "今天", "किताब", "ก็", "𝄞", "x", "y", "zz"]
    pairs = {}
    for number in range(100):
        reference = generator.choices(vocabulary, k=generator.randrange(12))
        hypothesis = [w if generator.random() < 0.7 else generator.choice(vocabulary) for w in reference]
        hypothesis = [w for w in hypothesis if generator.random() < 0.9]
        if generator.random() < 0.3:
            hypothesis = generator.choices(vocabulary, k=generator.randrange(12))
        pairs[f"u{number}"] = (" ".join(reference), " ".join(hypothesis))
    return pairs


ten_thousand = settings(deadline=None, max_examples=100, database=None)  # of a hundred pairs each


@ten_thousand
@given(st.integers(0, 2**32))
def test_counts_are_those_of_jiwer(seed):
    pairs = many_pairs(seed)
    ours = score(*split(pairs), samples=1)
    for utterance in ours.utterances:
        theirs = jiwer.process_words([pairs[utterance.id][0]], [pairs[utterance.id][1]])
        assert utterance.words == Counts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)
        letters = jiwer.process_characters([pairs[utterance.id][0]], [pairs[utterance.id][1]])
        assert utterance.characters == Counts(
            letters.hits, letters.substitutions, letters.deletions, letters.insertions
        )
    whole = jiwer.process_words(*(list(side.values()) for side in split(pairs)))
    rates = ours.rates
    assert (rates.wer.value, rates.mer.value) == pytest.approx((whole.wer, whole.mer))
    assert rates.wil.value == pytest.approx(whole.wil)


@ten_thousand
@given(st.integers(0, 2**32))
def test_counts_cost_as_little_as_those_of_kaldialign(seed):
    """With sclite's costs kaldialign breaks ties otherwise than sclite does."""
    kaldialign = pytest.importorskip("kaldialign")
    pairs = many_pairs(seed)
    for costs, substitution, other in (("unit", 1, 1), ("sclite", 4, 3)):
        for utterance in score(*split(pairs), costs=costs, samples=1).utterances:
            reference, hypothesis = (text.split() for text in pairs[utterance.id])
            theirs = kaldialign.edit_distance(reference, hypothesis, sclite_mode=costs == "sclite")
            words = utterance.words
            cost = substitution * words.substitutions + other * (words.deletions + words.insertions)
            assert cost == substitution * theirs["sub"] + other * (theirs["del"] + theirs["ins"])
            assert words.reference_length == len(reference)
            assert words.insertions - words.deletions == theirs["ins"] - theirs["del"]


def test_sclites_costs_pair_words_where_that_is_cheaper():
    """Three substitutions cost 12.

    With NIST's costs, 4 against 3, a hit with a deletion and an insertion is better, at 10.
    """
    references, hypotheses = {"u": "a b c"}, {"u": "b x d"}
    assert score(references, hypotheses, samples=1).words == Counts(substitutions=3)
    aligned = score(references, hypotheses, costs="sclite", samples=1).words
    assert aligned == Counts(hits=1, substitutions=1, deletions=1, insertions=1)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wer", "mer", "wil"),
    [
        # Morris, Maier & Green 2004, table 1
        ("X", "X", 0, 0, 0),
        ("X", "X X Y Y", 3, 0.75, 0.75),
        ("X Y X", "X Z", 2 / 3, 2 / 3, 5 / 6),
        ("X", "Y", 1, 1, 1),
        ("X", "Y Z", 2, 1, 1),
    ],
)
def test_published_rates(reference, hypothesis, wer, mer, wil):
    rates = score_one(reference, hypothesis).rates
    assert (rates.wer.value, rates.mer.value, rates.wil.value) == pytest.approx((wer, mer, wil))


@unhurried
@given(TEST_SETS)
def test_rates_lie_in_their_intervals_and_bounded_ones_below_one(pairs):
    rates = score(*split(pairs), samples=20).rates
    for rate in (rates.wer, rates.cer, rates.mer, rates.wil, rates.ser):
        assert 0 <= rate.low <= rate.value + 1e-12 and rate.value <= rate.high
    assert max(rates.mer.high, rates.wil.high, rates.ser.high) <= 1


@unhurried
@given(TEST_SETS)
def test_totals_add_up(pairs):
    whole = score(*split(pairs), samples=1)
    assert whole.words == sum((utterance.words for utterance in whole.utterances), start=Counts())
    assert whole.characters == sum((utterance.characters for utterance in whole.utterances), start=Counts())
    assert whole.totals.wrong == sum(reference.split() != found.split() for reference, found in pairs.values())


def test_a_long_utterance_is_aligned_whole():
    generator = random.Random(5)
    reference = [str(number) for number in range(5000)]
    hypothesis = [word for word in reference if generator.random() > 0.1]
    counts = score_one(" ".join(reference), " ".join(hypothesis)).words
    assert counts == Counts(hits=len(hypothesis), deletions=5000 - len(hypothesis))


# Pairing


@unhurried
@given(TEST_SETS, st.randoms())
def test_the_order_of_ids_changes_nothing(pairs, generator):
    references, hypotheses = split(pairs)
    shuffled = list(hypotheses)
    generator.shuffle(shuffled)
    assert score(references, hypotheses, samples=50) == score(
        references, {id: hypotheses[id] for id in shuffled}, samples=50
    )
    generator.shuffle(shuffled)
    assert score(references, hypotheses, samples=50) == score(
        {id: references[id] for id in shuffled}, hypotheses, samples=50
    )


def test_a_missing_hypothesis_counts_as_deleted_and_an_extra_one_not_at_all():
    whole = score({"b": "one two", "a": "three"}, {"a": "three", "z": "never said", "y": ""})
    assert (whole.missing, whole.extra) == (("b",), ("y", "z"))
    assert whole.words == Counts(hits=1, deletions=2)
    assert whole.characters == Counts(hits=5, deletions=7)
    assert [utterance.id for utterance in whole.utterances] == ["a", "b"]
    assert whole.utterances[1].alignment == (Edit("deletion", "one", ""), Edit("deletion", "two", ""))


@pytest.mark.parametrize(
    ("references", "hypotheses", "named"),
    [
        ({"a-1": "x"}, {"b-1": "x"}, ["a-1", "b-1"]),
        ({}, {"b-1": "x"}, ["b-1"]),
        ({"a-1": ""}, {}, ["a-1"]),
        ({}, {}, []),
    ],
)
def test_sets_without_a_common_id_are_an_error(references, hypotheses, named):
    with pytest.raises(DataError) as failure:
        score(references, hypotheses)
    assert all(id in str(failure.value) for id in named)
    assert "\n" not in str(failure.value)


# Rates and intervals


def test_an_empty_reference_has_rate_zero_without_errors_and_infinity_with_any():
    assert score_one("", "").wer == Rate(0.0, 0.0, 0.0)
    assert score_one("", "uh").wer == Rate(math.inf, math.inf, math.inf)
    assert Counts().rate == 0 and Counts(insertions=1).rate == math.inf


def test_one_utterance_is_its_own_interval():
    assert score({"u": "a b c d"}, {"u": "a b"}).wer == Rate(0.5, 0.5, 0.5)


# What is shown of it


def test_worst_are_ordered_by_errors_then_rate_then_id():
    references = {"fine": "a b", "e": "a b", "d": "a b", "short": "a b c", "long": "a b c d e f", "silence": ""}
    hypotheses = {"fine": "a b", "e": "a", "d": "a", "short": "a", "long": "a b c d", "silence": "x y"}
    scored = score(references, hypotheses, samples=1)
    assert [utterance.id for utterance in worst(scored, 10)] == ["silence", "short", "long", "d", "e"]
    assert [utterance.id for utterance in worst(scored, 2)] == ["silence", "short"]
    assert worst(scored, 0) == ()


def test_summary_line_is_exact():
    references = {f"u{number:02}": "a b c d" for number in range(30)}
    hypotheses = {id: "a b c x" if id < "u12" else "a b c d" for id in references}
    assert (
        summary_line("test", score(references, hypotheses)) == "test WER 10.00 % [5.9, 16.0] (30 utterances, 120 words)"
    )
    assert summary_line("dev", score_one("", "x")) == "dev WER inf % [inf, inf] (1 utterances, 0 words)"


def test_json_has_exactly_the_documented_fields():
    data = score({"a": "one two", "b": "three", "c": "x y"}, {"a": "one too", "c": "x y z", "d": ""}, seed=7).to_json()
    rates = {name: data.pop(name) for name in ("wer", "cer", "mer", "wil", "ser")}
    assert data == {
        "substitutions": 1,
        "deletions": 1,
        "insertions": 1,
        "reference_words": 5,
        "utterances": 3,
        "missing": ["b"],
        "extra": ["d"],
    }
    assert all(rate.keys() == {"value", "low", "high"} for rate in rates.values())
    values = {name: rate["value"] for name, rate in rates.items()}
    assert values == pytest.approx({"wer": 3 / 5, "cer": 8 / 15, "mer": 3 / 6, "wil": 1 - 3 / 5 * 3 / 5, "ser": 1})
    assert rates["wer"]["low"] <= rates["wer"]["value"] <= rates["wer"]["high"]


def test_json_is_strict_where_a_rate_is_infinite():
    data = score_one("", "x").to_json()
    assert data["wer"] == {"value": None, "low": None, "high": None}
    json.dumps(data, allow_nan=False)
