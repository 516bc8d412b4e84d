"""`asr lm train`, `asr tune`, and what they bring to the others."""

import lzma
import re
import shutil
from pathlib import Path

import pytest

from asr.lm.arpa import read_ngram


def test_language_models_are_trained_tuned_and_used(asr, model, prepared, recordings, tmp_path):
    pytest.importorskip("flashlight.lib.text")
    data, folder = model.parent.parent, shutil.copytree(model, tmp_path / "model")
    dev, sound = data / "dev.jsonl.gz", recordings / "test" / "test-0.wav"
    text = tmp_path / "text.txt"
    text.write_text("A, b c!\nab c\n\n" * 30)
    words = asr("lm", "train", text, data / "train.jsonl.gz", "--order", 2, "--out", tmp_path / "w.arpa")
    assert words.code == 0, words.err
    assert re.match(r"2-gram of words: perplexity \d+\.\d\d \(\d+ held-out words", words.out)
    tokens = asr("lm", "train", text, "--held-out", text, "--tokens", folder, "--out", tmp_path / "t.arpa")
    assert tokens.code == 0, tokens.err
    sizes = ["--rnn-shape.hidden", 8, "--training.epochs", 1, "--training.strands", 2]
    rnn = asr("lm", "train", text, "--rnn", "--out", tmp_path / "rnn", *sizes)
    assert rnn.code == 0, rnn.err
    assert "recurrent, sentences alone: perplexity" in rnn.out
    second = shutil.copytree(model, tmp_path / "second")
    for lm in ([tmp_path / "t.arpa"], [tmp_path / "rnn"], [tmp_path / "w.arpa", tmp_path / "rnn", "--second", second]):
        tuned = asr("tune", dev, "--model", folder, "--beam", 4, "--lm", *lm)
        assert tuned.code == 0, tuned.err
        assert re.search(r"dev, greedy: WER .*\ndev, tuned: WER ", tuned.out)
    assert "second recogniser's weight" in tuned.out
    shutil.rmtree(second)
    assert (folder / "lm.arpa").read_bytes() == (tmp_path / "w.arpa").read_bytes()
    stored, named = (
        asr("transcribe", sound, "--model", folder, "--nbest", 3, "--lm", *lm)
        for lm in ([], [tmp_path / "w.arpa", tmp_path / "rnn", "--second", folder / "second"])
    )
    assert stored.code == named.code == 0, stored.err
    assert stored.out == named.out
    assert re.match(rf"{sound}\t-?\d+\.\d{{4}}\t", stored.out)
    scored = asr("evaluate", dev, "--model", folder, "--json", "--lm")
    assert scored.code == 0, scored.err
    sure = []
    for lm in ([], ["--lm"]):
        calibrated = asr("calibrate", prepared / "train.jsonl.gz", "--model", folder, *lm)
        assert calibrated.code == 0, calibrated.err
        sure.append((folder / "confidence.json").read_text())
    assert sure[0] != sure[1]
    names = tmp_path / "names.txt"
    names.write_text("cab ab\nbac\t2.5\n")
    hot = asr("transcribe", sound, "--model", folder, "--beam", 5, "--hotwords", names)
    assert hot.code == 0, hot.err


def test_less_of_a_compressed_text_is_a_smaller_model(asr, tmp_path: Path):
    text = tmp_path / "text.txt.xz"
    text.write_bytes(lzma.compress(b"a b c\na b\nb c a b\na\nc c a b a\nb a b c\na b d\n" * 3))
    sizes = []
    for name, options in (("all", ()), ("few", ("--vocabulary", 3, "--min-counts", 1, 4, "--prune", 1e-3))):
        made = asr("lm", "train", text, "--out", tmp_path / name, *options)
        assert made.code == 0 and "3-gram of words: perplexity" in made.out, made.err
        sizes.append((tmp_path / name).read_text().count("\n"))
    assert sizes[1] < sizes[0]


def test_texts_are_mixed_with_other_ngrams(asr, tmp_path: Path):
    for name, text in (("general", "a b c\na b\nb c a b\n" * 10), ("own", "a z\nz z b\na b z\n" * 10)):
        (tmp_path / name).write_text(text)
    base, held_out = tmp_path / "base.ngram", ("--held-out", tmp_path / "held_out")
    held_out[1].write_text("a b c\nz z b\n")
    assert asr("lm", "train", tmp_path / "general", "--order", 2, "--out", base).code == 0
    made = asr("lm", "train", tmp_path / "own", "--base", base, *held_out, "--out", tmp_path / "mixed.arpa")
    assert made.code == 0, made.err
    assert re.findall(r"(\d+) unknown", made.out) == ["1", "2", "0"] and " % the texts: perplexity" in made.out
    assert {"c", "z"} <= set(read_ngram(tmp_path / "mixed.arpa").vocabulary)


def test_mistakes_end_in_one_clear_line(refused, model: Path, text: Path, tmp_path: Path):
    refused(2, "--base is for n-grams", "lm", "train", text, "--base", "english", "--rnn", "--out", tmp_path / "o")
    refused(1, "has no language model", "lm", "train", text, "--base", model, "--out", tmp_path / "o")
    refused(1, "no language model to read", "lm", "train", text, "--base", tmp_path / "none", "--out", tmp_path / "o")
    out = ("--out", tmp_path / "o")
    refused(2, "--order 7 is not allowed", "lm", "train", text, "--order", 7, *out)
    refused(1, "none: cannot be read", "lm", "train", tmp_path / "none", *out)
    refused(2, "order must lie in [1, 9], got 12", "lm", "train", text, *out, "--order", "12")
    refused(2, "--tokens is for n-grams", "lm", "train", text, *out, "--rnn", "--tokens", model)
    refused(2, "training.seed must fit into 64 bits", "lm", "train", text, *out, "--rnn", "--training.seed", 2**70)
    refused(2, "sing", "lm", "sing", text, *out)
