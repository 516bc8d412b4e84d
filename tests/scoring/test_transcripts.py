import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.tiny import unhurried

from asr.errors import AsrError, DataError
from asr.scoring.nist import read_stm
from asr.scoring.transcripts import (
    Clip,
    read_fields,
    read_numbered_lines,
    read_segmented_ctm,
    read_texts,
    read_transcripts,
    write_texts,
)

SUFFIXES = (".txt", ".trn", ".jsonl")
EXPECTED = {"a-1": "one two", "b-2": "", "c-3": "שלום عالم", "d-4": "x"}
CONTENTS = {
    ".txt": "a-1 one two\nb-2\nc-3 שלום عالم\nd-4 x\n",
    ".trn": "one two (a-1)\n(b-2)\nשלום عالم (c-3)\nx (d-4)\n",
    ".jsonl": '{"id": "a-1", "text": "one two"}\n{"id": "b-2", "text": ""}\n'
    '{"id": "c-3", "text": "שלום عالم"}\n{"id": "d-4", "text": "x"}\n',
}


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def files(folder):
    return [path.name for path in folder.iterdir()]


def failure(path, **options):
    with pytest.raises(DataError) as caught:
        read_texts(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message.replace(str(path), "FILE")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: "\n \n" + text.replace("\n", "\n\n") + "\t\n",
        lambda text: text.replace("one two", "one  \u3000 two"),
        lambda text: text.replace("\n", "  \n"),
    ],
    ids=["plain", "no last newline", "CRLF", "CR", "BOM", "blank lines", "spaces inside", "spaces at the end"],
)
def test_every_form_reads_the_same_however_it_is_dressed(tmp_path, suffix, dressed):
    path = written(tmp_path, f"set{suffix}", dressed(CONTENTS[suffix]))
    assert read_texts(path) == EXPECTED
    assert list(read_texts(path)) == list(EXPECTED)


def test_kaldi_lines_part_at_any_white_space_and_only_there(tmp_path):
    path = written(tmp_path, "text", "a\tone\ttwo\n  b  one (two)\nc (x)\nd\u00a0no-break\ne x\u2028y\u0085z\n{f} {}\n")
    assert read_texts(path) == {
        "a": "one two",
        "b": "one (two)",
        "c": "(x)",
        "d": "no-break",
        "e": "x y z",
        "{f}": "{}",
    }


def test_the_last_parentheses_of_a_trn_line_hold_its_id(tmp_path):
    path = written(tmp_path, "hyp.TRN", "one (laugh) two (spk-1)\nthree(spk-2)\n()(spk_3)\n")
    assert read_texts(path) == {"spk-1": "one (laugh) two", "spk-2": "three", "spk_3": "()"}


def test_json_ids_come_from_the_first_field_there_is(tmp_path):
    path = written(
        tmp_path,
        "manifest.json",
        '{"audio_filepath": "/c/a b.wav", "duration": 1.5, "text": "x"}\n'
        '{"audio_filepath": "/c/2.wav", "utt_id": "two", "text": "y\\tz"}\n'
        '{"utt_id": "no", "id": 3, "text": "\\u05e9"}\n',
    )
    assert read_texts(path) == {"/c/a b.wav": "x", "two": "y z", "3": "ש"}


def test_predictions_are_the_hypotheses_of_a_manifest_that_has_them(tmp_path):
    path = written(tmp_path, "m.json", '{"id": "a", "text": "said", "pred_text": "heard"}\n')
    assert read_texts(path) == {"a": "said"}
    assert read_texts(path, hypotheses=True) == {"a": "heard"}
    plain = written(tmp_path, "h.jsonl", '{"id": "a", "text": "heard"}\n')
    assert read_texts(plain, hypotheses=True) == {"a": "heard"}


def test_a_line_without_its_prediction_is_not_taken_for_a_perfect_one(tmp_path):
    path = written(tmp_path, "m.json", '{"id": "a", "text": "x"}\n{"id": "b", "text": "y", "pred_text": "y"}\n')
    assert "FILE:1: field 'pred_text' must be a string" in failure(path, hypotheses=True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", "a one\nb two\n\na three\n", "FILE:4: id 'a' is on line 1 already"),
        ("t.trn", "x (a)\nx (a)\n", "FILE:2: id 'a' is on line 1 already"),
        ("t.jsonl", '{"id": 1, "text": ""}\n{"utt_id": "1", "text": ""}\n', "FILE:2: id '1' is on line 1 already"),
        ("t.txt", b"a one\nb caf\xe9\n", "FILE:2: not UTF-8"),
        ("t.txt", "a one\n".encode("utf-16"), "FILE:1: not UTF-8"),
        ("t.trn", "one (a)\ntwo\n", "FILE:2: does not end in an id in parentheses"),
        ("t.trn", "one ()\n", "FILE:1: does not end in an id in parentheses"),
        ("t.trn", "one (a b)\n", "FILE:1: does not end in an id in parentheses"),
        ("t.jsonl", '{"id": "a", "text": "x"\n', "FILE:1: not a JSON object"),
        ("t.jsonl", '["a", "x"]\n', "FILE:1: not a JSON object"),
        ("t.jsonl", "[" * 100_000, "FILE:1: not a JSON object"),
        ("t.jsonl", '{"text": "x"}\n', "FILE:1: has none of the fields id, utt_id, audio_filepath"),
        ("t.jsonl", '{"id": "a"}\n', "FILE:1: field 'text' must be a string, got None"),
        ("t.jsonl", '{"id": "a", "text": ["x"]}\n', "FILE:1: field 'text' must be a string, got ['x']"),
        ("t.jsonl", '{"id": true, "text": "x"}\n', "FILE:1: field 'id' must be a string that is not empty, got True"),
        ("t.jsonl", '{"id": " ", "text": "x"}\n', "FILE:1: field 'id' must be a string that is not empty"),
        ("t.jsonl", '{"id": "a", "text": "\\ud83d"}\n', "FILE:1: has half a surrogate pair"),
        ("t.txt", "", "FILE: holds no transcripts"),
        ("t.jsonl", "\ufeff\r\n \n", "FILE: holds no transcripts"),
    ],
)
def test_a_malformed_file_is_one_line_that_names_file_line_and_fault(tmp_path, name, content, said):
    assert failure(written(tmp_path, name, content)).startswith(said)


def test_every_fault_is_reported_up_to_five(tmp_path):
    path = written(tmp_path, "t.trn", "good (a)\n" + "bad\n" * 7 + "good (a)\n")
    message = failure(path)
    fault = "does not end in an id in parentheses"
    shown = f"FILE:2: {fault}; " + "".join(f"line {number}: {fault}; " for number in range(3, 7))
    assert message == f"{shown}and 3 more such lines; going by the file's ending, its lines are 'text (id)'"


def test_a_path_that_is_no_file_is_an_error(tmp_path):
    assert "No such file" in failure(tmp_path / "absent.txt")
    assert "FILE: " in failure(tmp_path)


IDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="()\ufeff"), min_size=1, max_size=6
)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=5).map(" ".join)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transcripts=st.dictionaries(IDS, TEXTS, min_size=1, max_size=5))
def test_what_is_written_is_read_back(tmp_path, suffix, transcripts):
    path = tmp_path / f"out{suffix}"
    if suffix == ".trn" and any(text.lstrip().startswith(";;") for text in transcripts.values()):
        with pytest.raises(DataError, match="would be a comment"):
            write_texts(path, transcripts)
        return
    write_texts(path, transcripts)
    assert read_texts(path) == {id: " ".join(text.split()) for id, text in transcripts.items()}
    assert files(tmp_path) == [path.name]


def test_written_forms_are_exact(tmp_path):
    for suffix, content in CONTENTS.items():
        write_texts(tmp_path / f"set{suffix}", EXPECTED)
        assert (tmp_path / f"set{suffix}").read_bytes().decode() == content


@pytest.mark.parametrize(("name", "id"), [("t.txt", "a b"), ("t.txt", ""), ("t.trn", "a(b"), ("t.trn", "a\nb")])
def test_an_id_that_would_not_come_back_is_refused(tmp_path, name, id):
    with pytest.raises(DataError, match="cannot be written in this form"):
        write_texts(tmp_path / name, {"fine": "x", id: "y"})
    assert files(tmp_path) == []


def test_a_text_that_would_be_a_comment_is_refused(tmp_path):
    with pytest.raises(DataError, match="the text of b would be a comment"):
        write_texts(tmp_path / "t.trn", {"a": "one ;;", "b": " ;;two"})
    assert files(tmp_path) == []


def test_json_carries_any_id(tmp_path):
    write_texts(tmp_path / "t.jsonl", {"a (b) c": "x"})
    assert json.loads((tmp_path / "t.jsonl").read_text()) == {"id": "a (b) c", "text": "x"}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = written(tmp_path, "t.txt", "a old\n")

    def full(self, text, **options):
        self.write_bytes(text.encode()[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(AsrError, match="No space left on device"):
        write_texts(path, {"a": "new"})
    assert path.read_bytes() == b"a old\n"
    assert files(tmp_path) == ["t.txt"]


# Forms that say more than a text


STM = """;; a comment
call A ann 0.00 2.50 <o,f0,female> one two
call A bob 2.50 4.00 <o,f0,male>
call B eve 0.00 4.00 three  {a / b}
call A ann 4.00 9.00 <o> IGNORE_TIME_SEGMENT_IN_SCORING
"""


@pytest.mark.parametrize("dressed", [str, lambda text: "\ufeff" + text.replace("\n", "\r\n").replace(" A ", "\tA  ")])
def test_stm_segments_have_ids_of_their_times(tmp_path, dressed):
    found = read_transcripts(written(tmp_path, "ref.stm", dressed(STM)))
    assert {id: utterance.text for id, utterance in found.items()} == {
        "call-A-0.00-2.50": "one two",
        "call-A-2.50-4.00": "",
        "call-B-0.00-4.00": "three {a / b}",
    }
    fields = found["call-A-0.00-2.50"].fields
    assert (fields["speaker"], fields["duration"], fields["label"]) == ("ann", 2.5, "<o,f0,female>")


def test_ctm_words_go_where_their_middle_lies(tmp_path):
    segments = read_transcripts(written(tmp_path, "ref.stm", STM))
    ctm = written(
        tmp_path,
        "hyp.ctm",
        ";; file channel begin duration word confidence\n"
        "call A 1.00 0.50 two 0.9\n"
        "call A 0.10 0.50 one 0.8\n"
        "call A 2.30 0.50 late\n"  # its middle, 2.55, is in the second segment
        "call B 0.10 0.50 three\n"
        "CALL a 5.00 0.50 ignored\n"  # letter case does not matter
        "call B 4.50 0.50 invented\n"
        "other A 0.00 0.10 alien\n",
    )
    expected = {
        "call-A-0.00-2.50": "one two",
        "call-A-2.50-4.00": "late",
        "call-B-0.00-4.00": "three",
        "call-B-outside segments": "invented",
        "other-A-0.05": "alien",
    }
    ignored = read_stm(tmp_path / "ref.stm", ignored=True)
    assert read_segmented_ctm(ctm, segments, ignored=ignored) == expected
    assert read_segmented_ctm(ctm, segments) == expected | {"CALL-a-outside segments": "ignored"}
    alike = read_segmented_ctm(ctm, segments, ignored=ignored, like_sclite=True)
    del expected["call-B-outside segments"]
    assert alike == expected | {"call-B-0.00-4.00": "three invented"}


@pytest.mark.parametrize(
    "marker", ["IGNORE_TIME_SEGMENT_IN_SCORING", "ignore_time_segment_in_scoring", "IgnoreTimeSegmentInScoring", "x"]
)
def test_a_segment_to_ignore_is_no_reference(tmp_path, marker):
    path = written(tmp_path, "r.stm", f"c A s 0 1 a b\nc A s 1 2 <o> {marker}\n")
    assert len(read_transcripts(path)) == 1 + (marker == "x")
    assert len(read_stm(path, ignored=True)) == 1 - (marker == "x")


def test_words_between_segments_are_told_apart_or_as_sclite_has_them(tmp_path):
    """Goldens of sclite -i rm on these very files: 1 0 1 1, 1 0 1 1, and 1 1 0 1."""
    stm = "F1 A ann 1 2 a b\nF1 A ann 2 3 c d\nF1 A ann 4 5 ignore_time_segment_in_scoring\nF1 A bob 6 7 e f\n"
    segments = read_transcripts(written(tmp_path, "r.stm", stm))
    ignored = read_stm(tmp_path / "r.stm", ignored=True)
    words = "0.1 x0;1.1 a;1.9 border;2.1 c;3.3 gap1;4.2 ign;5.2 gap2;6.2 e;8.2 after"
    ctm = written(tmp_path, "h.ctm", "".join("f1 a {} 0.2 {}\n".format(*word.split()) for word in words.split(";")))
    assert list(read_segmented_ctm(ctm, segments, ignored=ignored, like_sclite=True).values()) == [
        "x0 a",
        "border c",
        "gap2 e after",
    ]
    assert read_segmented_ctm(ctm, segments, ignored=ignored) == {
        "F1-A-1.00-2.00": "a",
        "F1-A-2.00-3.00": "border c",
        "F1-A-6.00-7.00": "e",
        "f1-a-outside segments": "x0 gap1 gap2 after",
    }


def test_a_system_that_heard_nothing_has_an_empty_ctm(tmp_path):
    segments = read_transcripts(written(tmp_path, "r.stm", STM))
    for content in ("", ";; nothing\n", "\n"):
        assert set(read_segmented_ctm(written(tmp_path, "h.ctm", content), segments).values()) == {""}


def test_alternatives_of_a_ctm_stand_in_braces(tmp_path):
    lines = ["* * <ALT_BEGIN>", "1.1 0.2 um", "1.4 0.2 er", "* * <alt>", "1.1 0.2 uh", "* * <ALT_END>", "1.9 0.1 b"]
    ctm = written(tmp_path, "h.ctm", "".join(f"c A {line}\n" for line in lines))
    assert read_texts(ctm) == {"c": "{ um er / uh } b"}


def test_comments_of_a_trn_file_are_passed_over(tmp_path):
    assert read_texts(written(tmp_path, "h.trn", ";; system (x)\none (a)\n;;\n")) == {"a": "one"}


TABLES = {
    "h.csv": 'id,text\na-1,"one, two"\nb-2,\n',
    "h.tsv": "text\tid\none, two\ta-1\n\tb-2\n",
    "s.csv": "utt_id;transcript;speaker\na-1;one, two;ann\nb-2;;bob\n",
    "p.csv": 'path,sentence\nx/a-1.wav,"one, two"\nx/b-2.wav,\n',
    "kaldi.tsv": "a-1\tone, two\nb-2\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read_by_their_header(tmp_path, name):
    found = {id.removeprefix("x/"): text for id, text in read_texts(written(tmp_path, name, TABLES[name])).items()}
    assert found == {"a-1": "one, two", "b-2": ""}
    if name == "s.csv":
        assert read_transcripts(tmp_path / name)["a-1"].fields == {"speaker": "ann"}


def test_of_hypotheses_in_a_table_the_recognised_column_counts(tmp_path):
    path = written(tmp_path, "h.csv", "id,text,pred_text\na,said,heard\n")
    assert read_texts(path) == {"a": "said"}
    assert read_texts(path, hypotheses=True) == {"a": "heard"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a-1,one\n", "FILE:1: the first line must name the columns, an id and a text; found 'a-1,one'"),
        ('id,text\na,"x\nb,y\n', "FILE:2: a quote opens here"),
        ("id,text\na,x,y\n", "FILE:2: has 3 fields"),
        ("id,text\na,x\na,y\n", "FILE:3: id 'a' is there already"),
        ("id,text\n", "FILE: holds no transcripts"),
    ],
)
def test_a_faulty_table_is_named(tmp_path, content, said):
    assert failure(written(tmp_path, "t.csv", content)).startswith(said)


def test_lines_without_ids_are_told_of_plain(tmp_path):
    assert "--plain" in failure(written(tmp_path, "t.txt", "the cat\nthe dog\n"))


def test_a_word_in_two_segments_goes_to_the_nearer(tmp_path):
    segments = read_transcripts(written(tmp_path, "ref.stm", "c 1 a 0 4 x\nc 1 b 3 5 y\n"))
    ctm = written(tmp_path, "hyp.ctm", "c 1 3.2 0.2 one\nc 1 3.8 0.2 two\n")
    assert read_segmented_ctm(ctm, segments) == {"c-1-0.00-4.00": "", "c-1-3.00-5.00": "one two"}


TIMES = st.integers(0, 60)  # hundredths of a second, so that borders and middles often meet


@unhurried
@given(
    st.lists(st.tuples(st.sampled_from("AB"), TIMES, TIMES), max_size=12),
    st.lists(st.tuples(st.sampled_from("AB"), TIMES, st.integers(0, 20)), min_size=1, max_size=12),
)
def test_words_go_where_brute_force_puts_them(tmp_path_factory, segments, words):
    """Every word against every segment, in whole half hundredths of a second."""
    folder = tmp_path_factory.mktemp("brute")
    segments = [(channel, min(times), max(times)) for channel, *times in sorted(set(segments))]
    segments = list(dict.fromkeys(segments))
    stm = [f"c {channel} s {begin / 100:.2f} {end / 100:.2f} x\n" for channel, begin, end in segments]
    ctm = [
        f"c {channel} {begin / 100:.2f} {length / 100:.2f} {n}\n" for n, (channel, begin, length) in enumerate(words)
    ]
    entries = read_transcripts(written(folder, "ref.stm", "".join(stm))) if stm else {}
    expected = {id: [] for id in entries}
    for number, (channel, begin, length) in enumerate(words):
        middle = 2 * begin + length
        distances = [
            (abs(2 * middle - 2 * (start + end)), id)
            for (own, start, end), id in zip(segments, entries, strict=True)
            if own == channel and 2 * start <= middle < 2 * end
        ] or [
            (abs(2 * middle - 2 * (start + end)), id)
            for (own, start, end), id in zip(segments, entries, strict=True)
            if own == channel and middle == 2 * end
        ]
        seconds = begin / 100 + length / 100 / 2
        nowhere = "outside segments" if any(own == channel for own, *_ in segments) else f"{seconds:.2f}"
        id = min(distances)[1] if distances else f"c-{channel}-{nowhere}"
        expected.setdefault(id, []).append((seconds, number))
    texts = {id: " ".join(str(number) for _, number in sorted(them)) for id, them in expected.items()}
    found = read_segmented_ctm(written(folder, "hyp.ctm", "".join(ctm)), entries)
    assert found == texts and list(found) == list(texts)


class CountedFields(dict):
    """Fields of a segment that count how often one was looked at."""

    looks = 0

    def __getitem__(self, name):
        CountedFields.looks += 1
        return super().__getitem__(name)


def test_words_do_not_look_at_every_segment(tmp_path):
    segments = read_transcripts(written(tmp_path, "r.stm", "".join(f"c A s {n} {n + 1} x\n" for n in range(500))))
    counted = {id: replace(entry, fields=CountedFields(entry.fields)) for id, entry in segments.items()}
    hypotheses = written(tmp_path, "h.ctm", "".join(f"c A {n / 2 + 0.1:.2f} 0.1 w\n" for n in range(1000)))
    CountedFields.looks = 0
    assert set(read_segmented_ctm(hypotheses, counted).values()) == {"w w"}
    assert CountedFields.looks <= 4 * len(segments)  # its recording and channel, begin and duration


def test_a_ctm_by_itself_is_an_utterance_a_recording(tmp_path):
    assert read_texts(written(tmp_path, "h.ctm", "u1 1 0.5 0.2 b\nu1 1 0.1 0.2 a\nu2 1 0 1 c\n")) == {
        "u1": "a b",
        "u2": "c",
    }
    mixed = written(tmp_path, "m.ctm", "u1 A 0.5 0.2 b\nu1 B 0.1 0.2 a\n")
    assert "u1 has several channels" in failure(mixed)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.stm", "call A ann 0.0\n", "FILE:1: has 4 fields instead of 5 or more"),
        ("t.stm", "call A ann 3 2 x\n", "FILE:1: ends at 2 s, before it begins"),
        ("t.stm", "call A ann zero 2 x\n", "FILE:1: 'zero' is not a time"),
        ("t.stm", "c A s 0 1 x\nc A s 0.0 1.0 y\n", "FILE:2: id 'c-A-0.00-1.00' is on line 1 already"),
        ("t.ctm", "call A 0 nan x\n", "FILE:1: 'nan' is not a time"),
        ("t.ctm", "call A * * word\n", "FILE:1: '*' is not a time"),
        ("t.ctm", "call A 0 1\n", "FILE:1: has 4 fields instead of 5 to 8"),
        ("t.jsonl.gz", b"no gzip", "FILE: is not a whole gzip file"),
    ],
)
def test_malformed_segments_words_and_archives_are_named(tmp_path, name, content, said):
    assert failure(written(tmp_path, name, content)).startswith(said)


def test_a_nemo_manifest_says_speaker_duration_and_audio(tmp_path):
    line = {"audio_filepath": "a/1.wav", "text": "x", "duration": 1.5, "offset": 2, "speaker": "ann", "noisy": True}
    found = read_transcripts(written(tmp_path, "m.jsonl", json.dumps(line)))["a/1.wav"]
    assert found.fields == {"duration": 1.5, "speaker": "ann", "noisy": "True"}
    assert found.audio == Clip(tmp_path / "a/1.wav", 2.0, 1.5)


def test_lhotses_cuts_are_read_zipped_with_what_they_say(tmp_path):
    cut = {
        "id": "c1",
        "start": 3.0,
        "duration": 2.0,
        "supervisions": [
            {"id": "s2", "start": 1.0, "text": "two", "speaker": "bob", "language": "en"},
            {"id": "s1", "start": 0.0, "text": "one", "speaker": "ann", "custom": {"accent": "welsh"}},
        ],
        "recording": {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "/c/r.flac"}]},
        "type": "MonoCut",
    }
    silent = {"id": "c2", "start": 0, "duration": 1.0, "supervisions": [], "type": "MonoCut"}
    content = gzip.compress("\n".join(map(json.dumps, (cut, silent))).encode())
    found = read_transcripts(written(tmp_path, "test.jsonl.gz", content))
    assert found["c1"].text == "one two"
    assert found["c1"].fields == {"duration": 2.0, "speaker": "bob", "language": "en", "accent": "welsh"}
    assert found["c1"].audio == Clip(Path("/c/r.flac"), 3.0, 2.0)
    assert (found["c2"].text, found["c2"].audio) == ("", None)


def test_lines_are_paired_by_number_and_empty_ones_count(tmp_path):
    path = written(tmp_path, "plain.txt", "\ufeffone  two\r\n\r\n\tשלום\n")
    assert {id: line.text for id, line in read_numbered_lines(path).items()} == {"1": "one two", "2": "", "3": "שלום"}


def test_details_come_from_manifests_and_from_utt2spk(tmp_path):
    assert read_fields(written(tmp_path, "utt2spk", "u1 ann\nu2 bob\n"))["u2"].fields == {"speaker": "bob"}
    assert read_fields(written(tmp_path, "ref.stm", STM))["call-B-0.00-4.00"].fields["speaker"] == "eve"
