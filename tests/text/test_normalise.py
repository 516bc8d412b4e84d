import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import MissingExtra
from asr.text.normalise import normalise, normaliser

unhurried = settings(deadline=None)
# Letters alone hide what happens where they meet. So mix them with what is removed, joined or
# composed.
TRICKY = st.sampled_from(
    list("aÉßİΣ' -’´`_\t\u00a0\u00ad\u0301\u0307\u0345\u200b\u200c\u200d\u200e\u0e33\u0149ﬁⅷ²½가각\u1e9e")
)
TEXTS = st.text(st.one_of(TRICKY, st.characters(exclude_categories=["Cs"])), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("  two\twords\n", "two words"),
        ("", ""),
        ("... ?! —", ""),
        ("3.5 %", "3 5"),
        # apostrophes: inside words only, and all of one kind
        ("Don't, O’Neil`s won´t", "don't o'neil's won't"),
        ("'tis the dogs' 'quote'", "tis the dogs quote"),
        ("rock 'n' roll ''a''b", "rock n roll a b"),
        ("e\u0331'a", "e\u0331'a"),  # after a letter that carries a mark, too
        # hyphens and dashes part words, a soft hyphen does not
        ("well-known—yes e\u2011mail", "well known yes e mail"),
        ("co\u00adop", "coop"),
        ("snake_case a/b", "snake case a b"),
        # accents and marks
        ("CAFÉ cafe\u0301", "café café"),
        ("ÅNGSTRÖM Åse", "ångström åse"),
        ("İ", "i\u0307"),
        ("cafe\u00ad\u0301", "café"),  # composed after what stood between has gone
        ("ΟΔΟΣ.", "οδος"),
        ("Straße", "straße"),
        ("किताब में हैं।", "किताब में हैं"),
        ("ภาษาไทยก็ดี", "ภาษาไทยก็ดี"),
        ("Tiếng Việt", "tiếng việt"),
        # right to left: order of letters and their points unchanged, direction marks gone
        ("שָׁלוֹם, עוֹלָם!", "שָׁלוֹם עוֹלָם"),
        ("\u200fمرحبا، بالعالم؟\u200e", "مرحبا بالعالم"),
        # joiners are spelling inside words, and nothing elsewhere
        ("می‌خواهم\u200c", "می‌خواهم"),
        ("ශ්‍රී ලංකා", "ශ්‍රී ලංකා"),
        ("a 👩‍👧 b", "a b"),
        # compatibility forms
        ("ＡＢＣ１２３", "abc123"),
        ("ﬁne ①", "fine 1"),
        ("今天，天气。", "今天 天气"),
        ("٣٫٥", "٣ ٥"),
    ],
)
def test_basic_form(text, expected):
    assert normalise(text) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Don’t \t Stop! ", "Don’t Stop!"), ("Cafe\u0301 ﬁ", "Café ﬁ"), ("\u3000", ""), ("<unk> A_b", "<unk> A_b")],
)
def test_verbatim_form_composes_and_spaces_and_no_more(text, expected):
    assert normalise(text, "verbatim") == expected


@settings(unhurried, max_examples=500)
@given(TEXTS, st.sampled_from(["basic", "verbatim"]))
def test_normalising_twice_changes_nothing(text, form):
    once = normalise(text, form)
    assert normalise(once, form) == once


@unhurried
@given(TEXTS)
def test_basic_text_holds_letters_marks_numbers_apostrophes_and_single_spaces(text):
    for word in normalise(text).split(" "):
        assert not word.startswith("'") and not word.endswith("'") and "''" not in word
        assert all(c in "'\u200c\u200d" or unicodedata.category(c)[0] in "LMN" for c in word)
        assert word == unicodedata.normalize("NFC", word)


@unhurried
@given(TEXTS)
def test_case_and_composition_do_not_matter(text):
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)
    assert normalise(normalise(text).lower()) == normalise(text)


@unhurried
@given(st.lists(TEXTS, max_size=4))
def test_words_are_normalised_one_by_one(words):
    """What stands beyond a space never changes a word."""
    assert normalise(" ".join(words)) == " ".join(filter(None, map(normalise, words)))


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("none", "Mr. O’Neil's COLOUR isn't twenty-one, um"),
        ("basic", "mr o'neil's colour isn't twenty one um"),
        ("english", "mister 0 neil is color is not 21"),
    ],
)
def test_what_is_made_equal_before_scoring(normalisation, expected):
    if normalisation == "english":
        pytest.importorskip("whisper_normalizer")
    assert normaliser(normalisation)(" Mr. O’Neil's\tCOLOUR isn't twenty-one, um\n") == expected


def test_english_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(MissingExtra, match=r"pip install 'asr\[score\]'"):
        normaliser("english")
