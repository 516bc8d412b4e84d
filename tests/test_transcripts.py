import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr.errors import AsrError, DataError
from asr.transcripts import read, write

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
        read(path, **options)
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
    assert read(path) == EXPECTED
    assert list(read(path)) == list(EXPECTED)


def test_kaldi_lines_part_at_any_white_space_and_only_there(tmp_path):
    path = written(tmp_path, "text", "a\tone\ttwo\n  b  one (two)\nc (x)\nd\u00a0no-break\ne x\u2028y\u0085z\n{f} {}\n")
    assert read(path) == {
        "a": "one two",
        "b": "one (two)",
        "c": "(x)",
        "d": "no-break",
        "e": "x y z",
        "{f}": "{}",
    }


def test_the_last_parentheses_of_a_trn_line_hold_its_id(tmp_path):
    path = written(tmp_path, "hyp.TRN", "one (laugh) two (spk-1)\nthree(spk-2)\n()(spk_3)\n")
    assert read(path) == {"spk-1": "one (laugh) two", "spk-2": "three", "spk_3": "()"}


def test_json_ids_come_from_the_first_field_there_is(tmp_path):
    path = written(
        tmp_path,
        "manifest.json",
        '{"audio_filepath": "/c/a b.wav", "duration": 1.5, "text": "x"}\n'
        '{"audio_filepath": "/c/2.wav", "utt_id": "two", "text": "y\\tz"}\n'
        '{"utt_id": "no", "id": 3, "text": "\\u05e9"}\n',
    )
    assert read(path) == {"/c/a b.wav": "x", "two": "y z", "3": "ש"}


def test_predictions_are_the_hypotheses_of_a_manifest_that_has_them(tmp_path):
    path = written(tmp_path, "m.json", '{"id": "a", "text": "said", "pred_text": "heard"}\n')
    assert read(path) == {"a": "said"}
    assert read(path, hypotheses=True) == {"a": "heard"}
    plain = written(tmp_path, "h.jsonl", '{"id": "a", "text": "heard"}\n')
    assert read(plain, hypotheses=True) == {"a": "heard"}


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
    write(path, transcripts)
    assert read(path) == {id: " ".join(text.split()) for id, text in transcripts.items()}
    assert files(tmp_path) == [path.name]


def test_written_forms_are_exact(tmp_path):
    for suffix, content in CONTENTS.items():
        write(tmp_path / f"set{suffix}", EXPECTED)
        assert (tmp_path / f"set{suffix}").read_bytes().decode() == content


@pytest.mark.parametrize(("name", "id"), [("t.txt", "a b"), ("t.txt", ""), ("t.trn", "a(b"), ("t.trn", "a\nb")])
def test_an_id_that_would_not_come_back_is_refused(tmp_path, name, id):
    with pytest.raises(DataError, match="cannot be written in this form"):
        write(tmp_path / name, {"fine": "x", id: "y"})
    assert files(tmp_path) == []


def test_json_carries_any_id(tmp_path):
    write(tmp_path / "t.jsonl", {"a (b) c": "x"})
    assert json.loads((tmp_path / "t.jsonl").read_text()) == {"id": "a (b) c", "text": "x"}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = written(tmp_path, "t.txt", "a old\n")

    def full(self, text, **options):
        self.write_bytes(text.encode()[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(AsrError, match="No space left on device"):
        write(path, {"a": "new"})
    assert path.read_bytes() == b"a old\n"
    assert files(tmp_path) == ["t.txt"]
