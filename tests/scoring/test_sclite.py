"""Counts of NIST's sclite (SCTK 2.4.12), computed beforehand: sclite -i rm [-D] on 2,000 pairs.

The pairs are drawn below; the counts, a line a pair, are correct, substituted, deleted, inserted.
"""

import hashlib
import random
from itertools import product
from pathlib import Path

import pytest

from asr.scoring.alternatives import parse_alternatives, plain_choices
from asr.scoring.sclite import DELETION, INSERTION, SUBSTITUTION, align
from asr.scoring.score import score

KINDS = ("plain", "alternatives", "optional", "both")


def draw(rng, count):
    return int(rng.random() * count)


def words(rng, most):
    return ["abcde"[draw(rng, 5)] for _ in range(draw(rng, most + 1))]


def stretch(rng, kind):
    if kind == "alternatives" and draw(rng, 3) == 0:
        return "{ " + " / ".join(" ".join(words(rng, 2)) or "@" for _ in range(2 + draw(rng, 2))) + " }"
    if kind == "optional" and draw(rng, 3) == 0:
        return f"({'abcde'[draw(rng, 5)]})"
    return "abcde"[draw(rng, 5)]


def pairs():
    rng = random.Random(25)
    for number in range(2000):
        kind = KINDS[number % 4]
        reference = [
            stretch(rng, kind if kind != "both" else ("alternatives", "optional")[draw(rng, 2)])
            for _ in range(draw(rng, 9))
        ]
        yield kind, " ".join(reference), " ".join(words(rng, 9))


def counts(choices, hypothesis):
    found = {"correct": 0, "substituted": 0, "deleted": 0, "inserted": 0}
    for (reference, heard), correct in align(choices, hypothesis.split()):
        kind = "correct" if correct else "inserted" if not reference else "substituted" if heard else "deleted"
        found[kind] += 1
    return tuple(found.values())


def test_the_pairs_are_those_that_sclite_has_counted():
    text = "\n".join("\t".join(pair) for pair in pairs())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "a93f88d6b1d1e1fa"


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_sclites_count_for_count(kind):
    golden = Path(__file__).with_name("sclite_counts.txt").read_text().splitlines()
    compared = 0
    for (own, reference, hypothesis), line in zip(pairs(), golden, strict=True):
        if own == kind:
            choices = plain_choices(reference) if kind == "plain" else parse_alternatives({"": reference}, str)[""]
            assert counts(choices, hypothesis) == tuple(map(int, line.split())), (reference, hypothesis)
            compared += 1
    assert compared == 500


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("we the cat was night the day was they", "night night we night the day was they", (5, 3, 1, 0)),
        ("a { @ / b } d", "a b", (2, 0, 1, 0)),
        ("d (c) a", "d a", (3, 0, 0, 0)),
        ("d (c) a", "d c a", (3, 0, 0, 0)),
        ("a { b / { c / d } e } f", "a d e f", (4, 0, 0, 0)),
        ("a @ b", "a b", (2, 0, 0, 0)),
        ("", "a b", (0, 0, 0, 2)),
        ("{ @ / @ }", "", (0, 0, 0, 0)),
    ],
)
def test_known_answers(reference, hypothesis, expected):
    assert counts(parse_alternatives({"": reference}, str)[""], hypothesis) == expected


def test_no_alignment_is_cheaper():
    """Brute force over all alignments of short texts."""

    def cheapest(first, second):
        if not first or not second:
            return DELETION * len(first) + INSERTION * len(second)
        return min(
            cheapest(first[1:], second[1:]) + SUBSTITUTION * (first[0] != second[0]),
            cheapest(first[1:], second) + DELETION,
            cheapest(first, second[1:]) + INSERTION,
        )

    for first, second in product(("", "a", "ab", "abca", "bb"), ("", "a", "ba", "cabb", "aaa")):
        _, substituted, deleted, inserted = counts(plain_choices(" ".join(first)), " ".join(second))
        cost = SUBSTITUTION * substituted + DELETION * deleted + INSERTION * inserted
        assert cost == cheapest(first, second)


def test_an_alignment_holds_both_texts_in_order():
    for _, reference, hypothesis in list(pairs())[::40]:
        aligned = align(plain_choices(reference), hypothesis.split())
        assert " ".join(first for (first, _), _ in aligned if first) == reference
        assert " ".join(second for (_, second), _ in aligned if second) == hypothesis


def test_a_word_left_out_is_correct_and_no_part_of_the_hypothesis():
    readings = parse_alternatives({"u": "d (c) a"}, str)
    [utterance] = score({"u": ""}, {"u": "d a"}, costs="sclite", readings=readings, samples=1).utterances
    assert (utterance.words.hits, utterance.words.errors) == (3, 0)
    assert (utterance.reference, utterance.hypothesis) == ("d c a", "d a")
    assert [edit.kind for edit in utterance.alignment] == ["equal"] * 3
