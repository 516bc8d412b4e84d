"""Command grammars: what they allow, and what is wrong with them in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import ConfigError, DataError
from asr.text.grammar import Phrase, parse_grammar, read_grammar

HOME = """
# lists come first or last
light: turn {state: on | off} [the] {room} light   # with a note
heating: (set | turn) the {room} heating
   to {number}
stop
room = kitchen | living room | bath room -> bath
number = one -> 1 | two -> 2
"""


def texts(grammar):
    return [phrase.text for phrase in parse_grammar(grammar)]


def test_a_grammar_allows_exactly_its_phrases():
    phrases = parse_grammar(HOME)
    assert len(phrases) == len(set(phrases)) == 2 * 2 * 3 + 2 * 3 * 2 + 1
    assert phrases[2] == Phrase("turn on the bath room light", "light", (("state", "on"), ("room", "bath")))
    assert phrases[5] == Phrase("turn on bath room light", "light", (("state", "on"), ("room", "bath")))
    assert (
        Phrase("set the living room heating to two", "heating", (("room", "living room"), ("number", "2"))) in phrases
    )
    assert phrases[-1] == Phrase("stop")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("go", ["go"]),
        ("(a|b) c", ["a c", "b c"]),
        ("[a] b", ["a b", "b"]),
        ("[a | b] c", ["a c", "b c", "c"]),
        ("a(b|[c] d)e", ["a b e", "a c d e", "a d e"]),
        ("(a|a) b", ["a b"]),
        ("größe {x:zwölf|über uns}", ["größe zwölf", "größe über uns"]),
    ],
)
def test_options_and_choices(line, expected):
    assert texts(line) == expected


def test_a_list_fills_another_slot_with_its_values():
    (first, *_) = parse_grammar("from {a: {room} floor} to {b: {room}}\nroom = bath room -> bath | hall")
    assert first == Phrase("from bath room floor to bath room", "", (("a", "bath floor"), ("b", "bath")))


def test_what_a_phrase_means():
    one, other, third = parse_grammar("light: turn on {x: a}\nlight: switch on {x: a}\nturn on {x: a}")
    assert one.meaning == other.meaning != third.meaning


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("", "holds no phrase"),
        ("a = b", "holds no phrase"),
        ("go\nturn (on | off", "commands:2: a ) is missing"),
        ("turn on) now", "commands:1: the ) closes nothing"),
        ("turn {room: a", "a } is missing"),
        ("turn {room}", "there is no list room"),
        ("[a] [b]", "allows that nothing is said"),
        ("a | b", "a | outside of brackets"),
        ("(a | )", "nothing beside a |"),
        ("a -> b", "a -> outside"),
        ("(a -> b)", "a -> outside"),
        ("{1}", "needs the name"),
        ("{a b}", "needs a } or a :"),
        ("{a} {a}\na = b | c", "fills the slot a twice"),
        ("{a}\na = {b}\nb = {a}", "contains itself"),
        ("a = b\na = c\n{a}", "commands:2: there is a list a already"),
        ("(" * 60 + "a" + ")" * 60, "more than 50 brackets"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(grammar, message):
    with pytest.raises(ConfigError, match="commands") as raised:
        parse_grammar(grammar)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_grammar_that_explodes_is_refused_before_it_does():
    grammar = "go\n" + "(a | b) " * 200
    with pytest.raises(ConfigError, match=r"commands:2: up to here .* 10,000 is the limit"):
        parse_grammar(grammar)
    assert len(parse_grammar("(a | b) " * 3, most=8)) == 8
    with pytest.raises(ConfigError, match="8 phrases, 7 is the limit"):
        parse_grammar("(a | b) " * 3, most=7)


def test_files_are_read_as_people_write_them(tmp_path):
    (tmp_path / "c.txt").write_bytes("\ufeffgo\r\n\r\nstop\r\n".encode())
    assert [phrase.text for phrase in read_grammar(tmp_path / "c.txt")] == ["go", "stop"]
    with pytest.raises(DataError, match="cannot be read"):
        read_grammar(tmp_path / "none.txt")


NODE = st.recursive(
    st.sampled_from("abc").map(lambda word: (word, [word])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: (f"({' | '.join(t for t, _ in parts)})", [w for _, words in parts for w in words])
        ),
        inner.map(lambda part: (f"[{part[0]}]", [*part[1], ""])),
        st.tuples(inner, inner).map(
            lambda two: (f"{two[0][0]} {two[1][0]}", [f"{a} {b}".strip() for a in two[0][1] for b in two[1][1]])
        ),
    ),
    max_leaves=5,
)


@unhurried
@given(NODE)
def test_any_nesting_gives_what_its_parts_give(node):
    line, expected = node
    assert {*texts(f"x {line}")} == {" ".join(f"x {words}".split()) for words in expected}
