"""N-gram models out of files of other programs."""

import gzip

import pytest
from lm.test_compact import table

from asr.errors import ModelError
from asr.lm.arpa import read_ngram
from asr.lm.compact import STEP, write_compact
from asr.lm.estimate import NgramConfig, train_ngram
from asr.lm.kenlm import write_binary

TEXT = ["a b c", "a b", "b c a b", "a", "c c a b a", "b a b c", "naïve b d"]
MODEL = train_ngram(TEXT, NgramConfig(3))


def test_what_was_written_comes_back(tmp_path):
    MODEL.write(tmp_path / "lm.arpa")
    with gzip.open(tmp_path / "lm.arpa.gz", "wb") as file:
        file.write((tmp_path / "lm.arpa").read_bytes())
    write_compact(MODEL, tmp_path / "lm.ngram")
    for name, near in (("lm.arpa", 1e-5), ("lm.arpa.gz", 1e-5), ("lm.ngram", STEP)):
        found = read_ngram(tmp_path / name)
        expected = table(MODEL)
        assert table(found).keys() == expected.keys()
        for ngram, values in table(found).items():
            assert values == pytest.approx(expected[ngram], abs=near)


def test_the_order_of_lines_plays_no_part(tmp_path):
    MODEL.write(tmp_path / "lm.arpa")
    head, *sections = (tmp_path / "lm.arpa").read_text().split("\n\n")
    turned = [
        "\n".join([first, *sorted(rest, key=lambda line: line[::-1])])
        for first, *rest in map(str.splitlines, sections[:-1])
    ]
    (tmp_path / "turned.arpa").write_text("\n\n".join([head, *turned, sections[-1]]))
    found, expected = (table(read_ngram(tmp_path / name)) for name in ("turned.arpa", "lm.arpa"))
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\\end\\", "", "no line"),
        ("\\2-grams:", "\\4-grams:", "stands where"),
        ("\ta b\t", "\ta zebra\t", "zebra"),
        ("\ta b c", "\tzebra a c", "zebra"),
        ("\ta b\t", "\tc c\t", "twice"),
        ("\\2-grams:\n-", "\\2-grams:\nx", "float"),
        ("\\1-grams:\n-", "\\1-grams:\nnan\tzebra\n-", "no numbers"),
        ("\ta b c", "\ta b c 1 2", "no 3-gram"),
    ],
)
def test_damage_is_named(tmp_path, old, new, says):
    MODEL.write(tmp_path / "lm.arpa")
    text = (tmp_path / "lm.arpa").read_text()
    assert old in text
    (tmp_path / "lm.arpa").write_text(text.replace(old, new, 1))
    with pytest.raises(ModelError, match=r"lm\.arpa: not a whole ARPA file") as error:
        read_ngram(tmp_path / "lm.arpa")
    assert says in str(error.value)


def test_other_files_are_refused(tmp_path):
    write_binary(MODEL, tmp_path / "lm.bin")
    (tmp_path / "text").write_text("no model")
    for name, says in (("lm.bin", "KenLM's binary"), ("text", "not an n-gram language model"), ("none", "no language")):
        with pytest.raises(ModelError, match=says):
            read_ngram(tmp_path / name)
