import pytest

from asr.text.normalise import normaliser
from asr.text.remarks import without_remarks


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("plain  text ", "plain  text "),
        ("a <unk> b", "a b"),
        ("<s> a </s>", "a"),
        ("<v Ann>hello</v>", "hello"),
        ("[noise] a [background music] b[1]", "a b"),
        ("[inaudible 00:12]", ""),
        ("(laughs) a (LAUGHTER) b (coughs loudly) c (background noise)", "a b c"),
        ("*sighs* a ++breath++ !SIL b", "a b"),
        # these are spoken
        ("(uh) a (as I said) b", "(uh) a (as I said) b"),
        ("2 < 3 and 3 > 2", "2 < 3 and 3 > 2"),
        ("a *really* big [open", "a *really* big [open"),
        ("{colour / color} {uh / @}", "{colour / color} {uh / @}"),
        ("noise and laughter", "noise and laughter"),
    ],
)
def test_what_nobody_says_is_left_out(text, spoken):
    assert without_remarks(text)[0] == spoken


def test_remarks_are_given_as_they_stand():
    assert without_remarks("a <UNK> [b c] (laughs)")[1] == ("<UNK>", "[b c]", "(laughs)")


def test_basic_scoring_leaves_remarks_out():
    assert normaliser("basic")("Well, [noise] yes! <unk>") == "well yes"
    assert normaliser("none")("well [noise]") == "well [noise]"
