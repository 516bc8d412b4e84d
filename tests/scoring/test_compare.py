import math
import random

import pytest

from asr.scoring.compare import compare
from asr.scoring.score import score


def compared(references, first, second, **options):
    systems = {name: score(references, texts, samples=2, **options) for name, texts in (("A", first), ("B", second))}
    (comparison,) = compare(systems)
    return comparison


def noisy(seed):
    """Sixty references and two systems' hypotheses; the second errs somewhat more often."""
    generator = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(30)]
    references, systems = {}, ({}, {})
    for number in range(60):
        words = [generator.choice(vocabulary) for _ in range(generator.randint(3, 20))]
        references[f"s{number % 4}-{number}"] = " ".join(words)
        for system, texts in enumerate(systems):
            heard = []
            for word in words:
                chance = generator.random()
                if chance < 0.03:
                    continue
                heard.append(generator.choice(vocabulary) if chance < 0.1 + 0.03 * system else word)
                if chance > 0.98:
                    heard.append(generator.choice(vocabulary))
            texts[f"s{number % 4}-{number}"] = " ".join(heard)
    return references, *systems


@pytest.mark.parametrize(("seed", "p"), [(0, 0.258), (1, 0.040), (2, 0.056), (3, 0.024), (4, 0.197), (5, 0.390)])
def test_mapsswe_finds_what_nists_sctk_finds(seed, p):
    """Goldens from sctk 2.4.10: sclite -i rm -o sgml, then sc_stats -p -t mapsswe -u.

    Of alignments that cost the same it may take another one, hence the tolerance.
    """
    pytest.importorskip("kaldialign")
    assert compared(*noisy(seed), costs="sclite").mapsswe.p == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second", "segments"),
    [
        ("a b c d e f g h", "a b c d e f g h", 0),
        ("x b c d e f g h", "a b c d e f g x", 2),
        ("x b c x e f g h", "a b c d e f g h", 2),  # two words right between them
        ("x b x d e f g h", "a b c d e f g h", 1),  # only one
        ("x b c d e f g h", "a x c d e f g h", 1),  # right by one system is not enough
        ("a x b c y d e f g h", "a b c d e f g h", 2),  # insertions around two words
        ("a x b y c d e f g h", "a b c d e f g h", 1),  # around one
        ("", "a b c d e f g h", 1),
    ],
)
def test_segments_end_at_two_words_that_both_have_right(first, second, segments):
    references = {"u": "a b c d e f g h"}
    assert compared(references, {"u": first}, {"u": second}).mapsswe.segments == segments


def test_z_is_the_mean_difference_in_its_standard_errors():
    """Four segments with 2, 1, 0 and 1 errors more.

    The mean is 1 and the deviation sqrt(2/3), so z = 1 / (sqrt(2/3) / 2).
    """
    references = {"a": "p q", "b": "p q", "c": "p q", "d": "p q"}
    first = {"a": "p q", "b": "p q", "c": "x q", "d": "p q"}
    second = {"a": "x x", "b": "p x", "c": "p x", "d": "p x"}
    test = compared(references, first, second).mapsswe
    assert test.segments == 4
    assert test.z == pytest.approx(2 / math.sqrt(2 / 3))
    assert test.p == pytest.approx(math.erfc(test.z / math.sqrt(2)))


def test_swapping_systems_turns_every_sign():
    references, first, second = noisy(3)
    there, back = compared(references, first, second), compared(references, second, first)
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low == pytest.approx(-back.difference.high, abs=0.004)
    assert there.improvement == pytest.approx(1 - back.improvement, abs=0.02)
    assert there.mapsswe.z == pytest.approx(-back.mapsswe.z)
    assert there.mapsswe.p == pytest.approx(back.mapsswe.p)


def test_chance_is_called_significant_5_times_in_100():
    """Two systems that err equally often: the tests' own errors are what they say."""
    rejected = {"mapsswe": 0, "bootstrap": 0}
    generator = random.Random(8)
    for _ in range(200):
        references = {f"u{number}": " ".join("abcdefghij") for number in range(60)}
        first, second = (
            {
                id: " ".join(w if generator.random() > 0.1 else "x" for w in text.split())
                for id, text in references.items()
            }
            for _ in range(2)
        )
        comparison = compared(references, first, second)
        rejected["mapsswe"] += comparison.mapsswe.p < 0.05
        rejected["bootstrap"] += not comparison.difference.low <= 0 <= comparison.difference.high
    assert all(2 <= count <= 20 for count in rejected.values()), rejected


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("p q", "p q", "make no word error at all"),
        ("x q", "p x", "the same WER"),
        ("p q", "x x", "A is better than B by 100.00 points"),
        ("x x", "p q", "B is better than A by 100.00 points"),
    ],
)
def test_the_verdict_says_what_was_found(first, second, said):
    ids = [f"u{number}" for number in range(30)]
    comparison = compared(*(dict.fromkeys(ids, text) for text in ("p q", first, second)))
    assert said in comparison.verdict


def test_a_small_difference_may_be_chance():
    references = {f"u{number}": "p q r s" for number in range(30)}
    second = {id: "p q x s" if id in ("u3", "u9") else text for id, text in references.items()}
    first = {id: "x q r s" if id == "u5" else text for id, text in references.items()}
    comparison = compared(references, first, second)
    assert "A is 0.83 points of WER below B, which may well be chance" in comparison.verdict
    assert comparison.mapsswe.segments == 3


def test_each_two_of_three_systems_are_compared_and_json_is_strict():
    references = {"a": "p q", "b": "p q"}
    systems = {
        name: score(references, dict.fromkeys("ab", text))
        for name, text in zip("XYZ", ("p q", "x q", "x x"), strict=True)
    }
    comparisons = compare(systems)
    assert [(c.first, c.second) for c in comparisons] == [("X", "Y"), ("X", "Z"), ("Y", "Z")]
    data = comparisons[0].to_json()
    assert data.keys() == {"first", "second", "difference", "improvement", "mapsswe"}
    assert data["difference"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert data["mapsswe"] == {"segments": 2, "z": None, "p": 0.5}
