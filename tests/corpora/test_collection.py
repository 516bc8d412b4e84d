"""Laws of several corpora read as one."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.tiny import RATE, noise

from asr.audio.waveform import write_flac
from asr.corpora import Options, read
from asr.data.cuts import load_cuts
from asr.data.prepare import prepare
from asr.errors import DataError


def table(folder: Path, name: str, *rows: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(row.replace("|", "\t") for row in rows) + "\n", encoding="utf-8")


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A corpus with splits, one with confidences, and one of a test set alone."""
    source = tmp_path / "corpora"
    header = "path|sentence|speaker"
    table(source / "told", "train.tsv", header, "a.flac|a long way to go home|ann", "b.flac|yes|ben")
    table(source / "told", "dev.tsv", header, "c.flac|see you on monday|cid")
    table(source / "told", "test.tsv", header, "d.flac|yes|dan")
    rows = ("e.flac|do not forget the milk|0.9", "f.flac|see you on monday|0.95", "g.flac|who knows|0.2", "h.flac|so|")
    table(source / "machine", "machine.tsv", "path|sentence|confidence", *rows)
    table(source / "strange", "test.tsv", header, "i.flac|do not forget the milk|eve")
    return source


def texts(part):
    return {utterance.id: utterance.text for utterance in part}


def test_the_splits_of_all_corpora_are_joined_and_known_texts_left_out(corpora):
    """A machine's transcripts are only trained on; texts of four words that others test are not."""
    table(
        corpora / "machine",
        "machine.tsv",
        "path|sentence|confidence",
        "e.flac|do not forget the milk|0.9",
        "k.flac|on|1",
    )
    splits = read("collection", corpora, Options())
    assert texts(splits.train) == {"told/a": "a long way to go home", "told/b": "yes", "machine/k": "on"}
    assert texts(splits.dev) == {"told/c": "see you on monday"}
    assert texts(splits.test) == {"told/d": "yes", "strange/i": "do not forget the milk"}
    assert {utterance.corpus for utterance in splits.train} == {"told", "machine"}
    assert any("1 utterances of train and dev are left out" in note for note in splits.notes)


def test_a_missing_corpus_is_a_note_and_only_the_named_ones_are_read(corpora):
    splits = read("collection", corpora, Options(parts=("told", "lost")))
    assert {utterance.corpus for utterance in (*splits.train, *splits.dev, *splits.test)} == {"told"}
    assert [note for note in splits.notes if "lost" in note] == [f"lost is not in {corpora}, and left out"]
    for source, parts in ((corpora, ("lost",)), (corpora / "none", ())):
        with pytest.raises(DataError):
            read("collection", source, Options(parts=parts))


def test_doubtful_transcripts_are_left_out_and_counted(corpora):
    splits = read("collection", corpora, Options(parts=("machine",), min_confidence=0.5))
    found = {utterance.id: utterance.confidence for utterance in (*splits.train, *splits.dev, *splits.test)}
    assert found == {"machine/e": 0.9, "machine/f": 0.95, "machine/h": None}
    assert "1 utterances are left out: their confidence is below 0.5" in splits.notes


def test_confidence_may_be_a_log_probability_and_is_checked(corpora):
    rows = ("a.flac|one|-0.5", "b.flac|two|0", "c.flac|three|0.4", "d.flac|four|high", "e.flac|five|", "f.flac|six|nan")
    table(corpora / "log", "log.tsv", "path|sentence|logprob", *rows)
    splits = read("folder", corpora / "log", Options())
    found = {utterance.text: utterance.confidence for utterance in (*splits.train, *splits.dev, *splits.test)}
    assert found == {"one": pytest.approx(0.60653, abs=1e-5), "two": 1.0, "five": None}
    assert [problem.where.rpartition(":")[2] for problem in splits.problems] == ["4", "5", "7"]
    assert all("logprob" in problem.what for problem in splits.problems)


def test_each_kind_of_corpus_is_read_in_its_own_layout(tmp_path):
    source = tmp_path / "many"
    (source / "digits/recordings").mkdir(parents=True)
    (source / "digits/recordings/7_ann_12.wav").touch()
    etc = source / "census/etc"
    etc.mkdir(parents=True)
    for part in ("train", "test"):
        (etc / f"an4_{part}.fileids").write_text(f"an4_clstk/{part}/x-{part}-b\n")
        (etc / f"an4_{part}.transcription").write_text(f"<s> GO </s> (x-{part}-b)\n")
    chapter = source / "books/train-clean-100/19/198"
    chapter.mkdir(parents=True)
    (chapter / "19-198.trans.txt").write_text("19-198-0000 CHAPTER ONE\n")
    splits = read("collection", source, Options())
    found = {utterance.corpus for utterance in (*splits.train, *splits.dev, *splits.test)}
    assert found == {"digits", "census", "books"}


def test_manifests_keep_corpus_and_confidence_for_scoring(corpora, tmp_path):
    for name in "abcdefghi":
        for folder in ("told", "machine", "strange"):
            write_flac(corpora / folder / f"{name}.flac", noise(RATE // 2), RATE)
    prepare("collection", tmp_path / "out", source=corpora, options=Options(min_confidence=0.5))
    custom = {cut.id: cut.cut().supervisions[0].custom for cut in load_cuts(tmp_path / "out/train.jsonl.gz")}
    assert custom["told/a"] == {"corpus": "told"}
    assert custom == {"told/a": {"corpus": "told"}, "told/b": {"corpus": "told"}, "machine/h": {"corpus": "machine"}}


def test_part_of_common_voice_may_name_its_clips_with_their_folder(tmp_path):
    table(tmp_path, "train.tsv", "path|sentence", "clips/a.flac|go on|", "clips/b.flac|no|")
    rows = [row.replace("|", "\t").rstrip("\t") for row in ("path|sentence", "clips/a.flac|go on", "clips/b.flac|no")]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "clips").mkdir()
    for name in "ab":
        (tmp_path / f"clips/{name}.flac").touch()
    splits = read("commonvoice", tmp_path, Options())
    found = [*splits.train, *splits.dev, *splits.test]
    assert sorted(utterance.audio for utterance in found) == [tmp_path / "clips/a.flac", tmp_path / "clips/b.flac"]
    assert replace(found[0], id="") != replace(found[1], id="")
