from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import DataError
from asr.scoring.alternatives import Stretch, nearest_reading, parse_alternatives
from asr.scoring.sclite import cost
from asr.scoring.score import score
from asr.text.normalise import normaliser


def reading(reference, hypothesis, normalise=str):
    return nearest_reading(parse_alternatives({"u": reference}, normalise)["u"], hypothesis)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "chosen"),
    [
        ("the {colour / color} red", "the color red", "the color red"),
        ("the {colour/color} red", "the colour red", "the colour red"),
        ("{going to / gonna} go", "gonna go", "gonna go"),
        ("{going to / gonna} go", "going too go", "going to go"),
        ("a {uh / @} b", "a b", "a b"),
        ("a (uh) b", "a uh b", "a uh b"),
        ("a (uh) b", "a b", "a b"),
        ("a(uh) b", "a b", "a(uh) b"),  # no word by itself
        ("{a / b}", "", "a"),  # equally far: the first
        ("{@ / a}", "b", ""),  # likewise: an insertion or a substitution
        ("", "a", ""),
    ],
)
def test_the_nearest_reading_is_chosen(reference, hypothesis, chosen):
    assert reading(reference, hypothesis) == chosen


WORDS = st.sampled_from("abc")
STRETCH = st.lists(st.lists(WORDS, max_size=2).map(" ".join), min_size=1, max_size=3)


@settings(deadline=None, max_examples=150)
@given(st.lists(STRETCH, max_size=4), st.lists(WORDS, max_size=6).map(" ".join))
def test_no_reading_is_nearer_than_the_chosen_one(stretches, hypothesis):
    """Brute force over all readings."""
    reference = " ".join("{" + " / ".join(option or "@" for option in options) + "}" for options in stretches)
    readings = {" ".join(" ".join(options).split()) for options in product(*stretches)}

    def errors(text):
        return score({"u": text}, {"u": hypothesis}, samples=1).words.errors

    chosen = reading(reference, hypothesis)
    assert chosen in readings
    assert errors(chosen) == min(map(errors, readings))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "chosen"),
    [
        ("a {b / {c / d} e} f", "a d e f", "a d e f"),
        ("{a / {b / {c / @}}} d", "d", "d"),
        ("{a (b) / c} d", "a d", "a d"),
        ("{a {b / c} {d / e} / x}", "a c d", "a c d"),
        ("a @ b", "a b", "a b"),
        ("@", "", ""),
        ("a@b", "a@b", "a@b"),  # no word by itself
    ],
)
def test_alternatives_hold_others_and_a_lone_at_sign_is_nothing(reference, hypothesis, chosen):
    assert reading(reference, hypothesis) == chosen


def test_each_alternative_is_normalised_by_itself():
    basic = normaliser("basic")
    assert reading("The {Colour / COLOR}, (Uh,) red!", "the color red", basic) == "the color red"
    assert reading("The {Colour / COLOR}, (Uh,) red!", "the colour uh red", basic) == "the colour uh red"


@pytest.mark.parametrize("text", ["a {b", "a b}", "{a / {b / c}", "}{"])
def test_a_brace_without_its_partner_names_the_utterance(text):
    with pytest.raises(DataError, match=r"^utt-7: a brace"):
        parse_alternatives({"utt-7": text}, str)


def test_too_many_readings_and_too_deep_ones_are_refused_before_they_are_made():
    for text in ("{" + "{a / b} " * 40 + "/ c}", "{" * 60 + "a" + "}" * 60):
        with pytest.raises(DataError, match=r"^utt-7: "):
            parse_alternatives({"utt-7": text}, str)
    assert len(parse_alternatives({"u": "{" + "{a / b} " * 10 + "/ c}"}, str)["u"][0].options) == 2**10 + 1


def test_what_memory_would_not_hold_is_refused(monkeypatch):
    monkeypatch.setattr("asr.scoring.alternatives.MOST_CELLS", 8)
    assert reading("a (b) c", "a c") == "a c"
    with pytest.raises(DataError, match="cut the recording into segments"):
        reading("a (b) c", "a b c")
    monkeypatch.setattr("asr.scoring.sclite.MOST_CELLS", 12)
    assert cost([Stretch((("a", "b", "c"),))], ["a", "b", "c"]) == 0
    with pytest.raises(DataError, match="too long for --costs sclite"):
        cost([Stretch((("a", "b", "c", "d"),))], ["a", "b", "c"])
