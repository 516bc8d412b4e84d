"""A user's own data: four layouts, named splits, and everything that can be wrong with each."""

import gzip
import json
import unicodedata

import pytest
from lhotse import CutSet, RecordingSet, SupervisionSet
from lhotse.testing.dummies import dummy_cut, dummy_recording, dummy_supervision
from support.files import write

from asr.corpora.folder import read
from asr.errors import DataError


def everything(splits):
    return {u.id: u for part in (splits.train, splits.dev, splits.test) for u in part}


def found(splits):
    """What was read, without the order of splits: id -> (audio name, text)."""
    return {u.id: (u.audio.name, u.text) for u in everything(splits).values()}


def make_side_by_side(root, count=3):
    for n in range(count):
        write(root / f"day{n % 2}/clip{n}.wav")
        write(root / f"day{n % 2}/clip{n}.txt", f"sentence {n}\r\nand more\n")
    return root


def make_table(path, count=3):
    return write(path, "path\tsentence\n" + "".join(f"a/clip{n}.wav\tsentence {n}\n" for n in range(count)))


def make_manifest(path, entries):
    return write(path, "".join(f"{json.dumps(entry)}\n" for entry in entries))


def make_kaldi(root, count=3):
    write(root / "wav.scp", "".join(f"utt{n} audio/clip{n}.wav\n" for n in range(count)))
    write(root / "text", "".join(f"utt{n} sentence {n}\n" for n in range(count)))
    return root


# ---- the layouts


def test_recordings_with_texts_beside_them(tmp_path):
    write(make_side_by_side(tmp_path) / "README.txt", "not a transcript")
    splits = read(tmp_path, language="cy")
    assert found(splits) == {f"day{n % 2}/clip{n}": (f"clip{n}.wav", f"sentence {n} and more") for n in range(3)}
    assert everything(splits)["day1/clip1"].language == "cy"
    assert len(splits.train) == len(splits.dev) == len(splits.test) == 1, "no split is empty from three utterances on"
    assert not splits.problems and "whole sentences held out" in splits.notes[0]


def test_recordings_and_texts_that_lack_each_other(tmp_path):
    make_side_by_side(tmp_path)
    write(tmp_path / "untold.flac")
    write(tmp_path / "unheard.txt", "words")
    (tmp_path / "day0/clip0.txt").write_bytes(b"caf\xe9")
    splits = read(tmp_path)
    assert len(everything(splits)) == 2
    wheres = [problem.where for problem in splits.problems]
    assert wheres == [f"{tmp_path}/day0/clip0.txt:1", f"{tmp_path}/untold.flac", f"{tmp_path}/unheard.txt"]


def test_endings_in_capitals_and_what_a_mac_adds(tmp_path):
    """A recorder writes .WAV and .TXT; an archive from a Mac brings ._ files and __MACOSX."""
    make_side_by_side(tmp_path)
    for name in (
        "1.WAV",
        "._1.WAV",
        "__MACOSX/1.wav",
        "__MACOSX/2.wav",
        "._lone.txt",
        "__MACOSX/lone.txt",
        "._list.tsv",
    ):
        write(tmp_path / name)
    write(tmp_path / "1.TXT", "in capitals")
    splits = read(tmp_path)
    assert splits.problems == ()
    assert len(everything(splits)) == 4 and found(splits)["1"] == ("1.WAV", "in capitals")


def test_accents_composed_and_not_are_the_same_name(tmp_path):
    composed, parted = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for number, (sound, text) in enumerate(((composed, parted), (parted, composed))):
        write(tmp_path / str(number) / f"{sound}.wav")
        write(tmp_path / str(number) / f"{text}.txt", f"text {number}")
    splits = read(tmp_path)
    assert splits.problems == ()
    assert sorted(text for _, text in found(splits).values()) == ["text 0", "text 1"]


def test_a_folder_that_cannot_be_opened_is_a_problem(tmp_path, forbidden):
    make_side_by_side(tmp_path)
    forbidden(tmp_path / "day1")
    splits = read(tmp_path)
    assert [str(problem) for problem in splits.problems] == [f"{tmp_path / 'day1'}: cannot be read (Permission denied)"]
    assert sorted(found(splits)) == ["day0/clip0", "day0/clip2"]


@pytest.mark.parametrize("kind", ["table", "manifest", "kaldi"])
def test_a_list_from_another_system_finds_its_recordings(tmp_path, kind):
    """Windows parts folders by backslashes; a Mac composes accents in its own way."""
    composed, parted = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    files = ["a/b.wav", f"{composed}/b.wav", f"{parted}{parted}/b.wav"]
    names = ["a\\b.wav", f"{parted}/b.wav", f"{composed}{composed}\\b.wav"]
    for file in files:
        write(tmp_path / file)
    if kind == "table":
        write(tmp_path / "list.tsv", "path\tsentence\n" + "".join(f"{name}\ttext\n" for name in [*names, "c\\d.wav"]))
    elif kind == "manifest":
        make_manifest(tmp_path / "list.jsonl", [{"audio_filepath": n, "text": "text"} for n in [*names, "c\\d.wav"]])
    else:
        write(tmp_path / "wav.scp", "".join(f"{n} {name}\n" for n, name in enumerate([*names, "c\\d.wav"])))
        write(tmp_path / "text", "".join(f"{n} text\n" for n in range(4)))
    splits = read(tmp_path)
    assert sorted(u.audio for u in everything(splits).values()) == sorted(
        [*(tmp_path / file for file in files), tmp_path / "c\\d.wav"]
    )
    if kind != "kaldi":
        assert set(everything(splits)) == {"a/b", f"{parted}/b", f"{composed}{composed}/b", "c/d"}


@pytest.mark.parametrize("by_name", [True, False])
def test_a_table_alone_in_its_folder_or_named(tmp_path, by_name):
    table = make_table(tmp_path / "list.tsv")
    splits = read(table if by_name else tmp_path)
    assert found(splits) == {f"a/clip{n}": (f"clip{n}.wav", f"sentence {n}") for n in range(3)}
    assert everything(splits)["a/clip1"].audio == tmp_path / "a/clip1.wav"
    assert everything(splits)["a/clip1"].where == f"{table}:3"


def test_a_csv_may_quote_and_a_tsv_may_not(tmp_path):
    write(tmp_path / "c.csv", '\ufeffAudio,Speaker,Transcript\r\nx.wav,ann,"one, ""two"""\r\n')
    write(tmp_path / "t.tsv", 'audio\tspeaker\ttext\nx.wav\tann\t"one, two\n')
    assert read(tmp_path / "c.csv").train[0].text == 'one, "two"'
    assert read(tmp_path / "t.tsv").train[0].text == '"one, two'
    assert read(tmp_path / "c.csv").train[0].speaker == "ann"


QUOTES = {
    "to the end": ('c1.wav,"unclosed quote', "c2.wav,two"),
    "to the next quote": ('c1.wav,"unclosed quote', 'c2.wav,"two, too"'),
    "to a doubled quote": ('c1.wav,"unclosed quote', 'c2.wav,"""two"""'),
    "to a quote that ends a row": ('c1.wav,"unclosed quote', 'c2.wav,two"'),
    "in the first cell": ('"c1.wav,unclosed quote', "c2.wav,two"),
    "in the id": ('c1.wav,"unclosed quote', "folder/c2.wav,two"),
}


@pytest.mark.parametrize("kind", QUOTES)
def test_a_quote_that_is_not_closed_costs_one_row_alone(tmp_path, kind):
    lines = ["path,text", "c0.wav,zero", *QUOTES[kind], *(f"c{n}.wav,more" for n in range(3, 9))]
    splits = read(write(tmp_path / "list.csv", "\n".join(lines)))
    assert len(everything(splits)) + len(splits.problems) == 9
    assert len(splits.problems) == 1
    assert splits.problems[0].where == f"{tmp_path}/list.csv:3" and "quote" in splits.problems[0].what


def test_quotes_that_are_closed_hold_delimiters_and_lines(tmp_path):
    rows = 'a.wav,"one, two"\nb.wav,"three\nfour, five\nsix"\n"c.wav","say ""seven"" now"\nd.wav,7" disc\n'
    splits = read(write(tmp_path / "list.csv", f"path,text\n{rows}"))
    texts = {id: text.split() for id, (_, text) in found(splits).items()}
    assert texts == {
        "a": ["one,", "two"],
        "b": ["three", "four,", "five", "six"],
        "c": ["say", '"seven"', "now"],
        "d": ['7"', "disc"],
    }
    assert not splits.problems


def test_many_rows_after_an_open_quote_are_read_at_once(tmp_path):
    path = write(
        tmp_path / "c.csv", 'path,text\nx.wav,"never closed\n' + "".join(f"{n}.wav,w\n" for n in range(20_000))
    )
    splits = read(path)
    assert len(everything(splits)) == 20_000 and [problem.where for problem in splits.problems] == [f"{path}:2"]


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("metadata.csv", "file_name,transcription", "{},{}"),  # Hugging Face's audiofolder
        ("list.csv", "path;sentence", "{};{}"),  # Excel in much of Europe
        ("list.csv", "path\tsentence", "{}\t{}"),
        ("metadata.csv", "path|text", "{}|{}"),
        ("list.tsv", "File Name,Text", "{},{}"),
        ("list.csv", '"wav_path";"Transcript"', '"{}";"{}"'),
        ("list.csv", "n;audio file;raw_transcription;x", "1;{};{};y"),
        ("list.csv", None, "{},{}"),
        ("list.tsv", None, "{}\t{}"),
        ("list.csv", None, "{};{}"),
        ("list.txt.csv", None, "{}|{}"),
    ],
)
def test_tables_as_people_have_them(tmp_path, name, header, row):
    lines = [row.format(f"{n}.wav", f"sentence {n}") for n in range(4)]
    for n in range(1, 4):  # the first recording is missing, and is found to be so later
        write(tmp_path / f"{n}.wav")
    path = write(tmp_path / name, "\n".join([header, *lines] if header else lines))
    splits = read(path)
    assert found(splits) == {f"{n}": (f"{n}.wav", f"sentence {n}") for n in range(4)} and not splits.problems


def test_a_table_without_names_may_have_the_text_first(tmp_path):
    write(tmp_path / "b.wav")
    splits = read(write(tmp_path / "list.csv", '"one, two",a.wav\nthree,b.wav\n'))
    assert found(splits) == {"a": ("a.wav", "one, two"), "b": ("b.wav", "three")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.wav,words\n", "parted by commas: 'a.wav', 'words'"),  # no such file
        ("clip;words;speaker\n", "parted by semicolons: 'clip', 'words', 'speaker'"),
        ("path,length\na.wav,3\n", "parted by commas: 'path', 'length'"),
        ("LJ001|Printing, in|Printing in\n", "parted by vertical bars: 'LJ001', 'Printing, in', 'Printing in'"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_table_is_told_with_what_was_found(tmp_path, text, said):
    with pytest.raises(DataError) as caught:
        read(write(tmp_path / "list.csv", text))
    assert "must name the columns" in str(caught.value) and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_may_name_ids_and_splits(tmp_path):
    rows = [
        ("one", "a.wav", "Train"),
        ("two", "b.wav", "validation"),
        ("three", "c.wav", "test"),
        ("four", "d.wav", ""),
    ]
    table = "id\tpath\ttext\tsplit\n" + "".join(f"{name}\t{path}\twords\t{split}\n" for name, path, split in rows)
    splits = read(write(tmp_path / "list.tsv", table + "five\te.wav\twords\tspare\n"))
    assert [[u.id for u in part] for part in (splits.train, splits.dev, splits.test)] == [
        ["one", "four"],
        ["two"],
        ["three"],
    ]
    [problem] = splits.problems
    assert problem.where == f"{tmp_path}/list.tsv:6" and "spare" in problem.what
    assert not splits.notes


@pytest.mark.parametrize("text", ["", "a.wav\twords\n", "path\tlength\na.wav\t3\n", "sentence\nwords\n"])
def test_a_table_must_name_its_columns(tmp_path, text):
    with pytest.raises(DataError, match=r"list\.tsv:1: the first line must name the columns"):
        read(write(tmp_path / "list.tsv", text))


def test_a_manifest_of_json_lines(tmp_path):
    entries = [
        {"audio_filepath": "a.wav", "text": "one", "duration": 1.5},
        {"audio_filepath": "a.wav", "text": "two", "offset": 1.5, "duration": 2, "speaker": 7, "lang": "cy"},
        {"audio_filepath": "/far/b.wav", "text": "three", "id": "named"},
    ]
    for name in ("list.jsonl", "list.json"):
        path = make_manifest(tmp_path / name, entries)
        read_back = everything(read(path, language="en"))
        assert read_back["a"].duration == 1.5 and read_back["a"].start == 0 and read_back["a"].language == "en"
        second = read_back["a@1.5"]
        assert (second.start, second.duration, second.speaker, second.language) == (1.5, 2, "7", "cy")
        assert str(read_back["named"].audio) == "/far/b.wav"


def test_a_manifest_may_call_its_fields_as_tables_do(tmp_path):
    """metadata.jsonl is Hugging Face's audiofolder."""
    entries = [
        {"file_name": "a.wav", "transcription": "one", "speaker_id": "ann"},
        {"path": "b.wav", "sentence": "two", "locale": "cy"},
        {"file_name": "", "text": "none"},
        {"file_name": "d.wav"},
    ]
    splits = read(make_manifest(tmp_path / "metadata.jsonl", entries))
    assert found(splits) == {"a": ("a.wav", "one"), "b": ("b.wav", "two")}
    assert everything(splits)["a"].speaker == "ann" and everything(splits)["b"].language == "cy"
    assert [problem.where.rsplit(":")[-1] for problem in splits.problems] == ["3", "4"]


def test_every_bad_line_of_a_manifest_is_reported(tmp_path):
    lines = [
        '{"audio_filepath": "a.wav", "text": "fine"}',
        "{not json",
        '["a.wav", "words"]',
        '{"text": "words"}',
        '{"audio_filepath": "a.wav", "text": 7}',
        '{"audio_filepath": "a.wav", "text": "w", "offset": "1"}',
        '{"audio_filepath": "a.wav", "text": "w", "duration": true}',
    ]
    path = write(tmp_path / "list.jsonl", "\n".join(lines))
    splits = read(path)
    assert list(everything(splits)) == ["a"]
    assert [problem.where for problem in splits.problems] == [f"{path}:{n}" for n in range(2, 8)]


def test_a_kaldi_directory(tmp_path):
    write(make_kaldi(tmp_path) / "utt2spk", "utt0 ann\nutt1 bob\nutt2 ann\n")
    splits = read(tmp_path)
    assert found(splits) == {f"utt{n}": (f"clip{n}.wav", f"sentence {n}") for n in range(3)}
    assert everything(splits)["utt1"].speaker == "bob"
    assert everything(splits)["utt1"].where == f"{tmp_path}/text:2"


def test_kaldi_segments_cut_recordings(tmp_path):
    write(tmp_path / "wav.scp", "rec\t/far/rec.wav\n")
    write(
        tmp_path / "segments",
        "utt0 rec 0.5 2.0\nutt1 rec 2.0 -1\nutt2 rec 2.0\nutt3 rec x y\nutt4 other 0 1\nutt5 rec 1 2\n",
    )
    write(tmp_path / "text", "utt0 zero\nutt1 one\nutt2 two\nutt4 four\n")
    splits = read(tmp_path)
    stretches = {name: (u.start, u.duration) for name, u in everything(splits).items()}
    assert stretches == {"utt0": (0.5, 1.5), "utt1": (2.0, None)}
    assert [problem.where.removeprefix(f"{tmp_path}/") for problem in splits.problems] == [
        "segments:3",
        "segments:4",
        "text:3",
        "text:4",
        "segments",
    ]


@pytest.mark.parametrize(
    ("name", "lines", "lost"),
    [
        ("wav.scp", "utt0 audio/clip0.wav\nutt0 audio/other.wav\nutt1 audio/clip1.wav\nutt2 audio/clip2.wav\n", "utt0"),
        ("text", "utt0 sentence 0\nutt1 sentence 1\nutt1 another\nutt2 sentence 2\n", "utt1"),
        ("segments", "utt0 utt0 0 1\nutt1 utt1 0 1\nutt2 utt2 0 1\nutt2 utt2 1 2\n", "utt2"),
        ("wav.scp", "utt0 audio/clip0.wav\nutt1 a\nutt1 b |\nutt2 audio/clip2.wav\n", "utt1"),
    ],
)
def test_a_key_that_stands_twice_is_reported_and_neither_is_believed(tmp_path, name, lines, lost):
    write(make_kaldi(tmp_path) / name, lines)
    splits = read(tmp_path)
    assert found(splits) == {f"utt{n}": (f"clip{n}.wav", f"sentence {n}") for n in range(3) if f"utt{n}" != lost}
    twice = [problem for problem in splits.problems if "already" in problem.what]
    assert len(twice) == 1 and lost in twice[0].what and f"{name}:" in twice[0].where


def test_a_speaker_that_is_told_twice_is_unknown(tmp_path):
    write(make_kaldi(tmp_path) / "utt2spk", "utt0 ann\nutt0 bob\nutt1 bob\nutt1 bob\n")
    splits = read(tmp_path)
    assert [everything(splits)[f"utt{n}"].speaker for n in range(3)] == [None, "bob", None]
    assert [problem.where.rsplit("/")[-1] for problem in splits.problems] == ["utt2spk:2", "utt2spk:4"]


def test_lines_that_stand_twice_alike_lose_nothing(tmp_path):
    make_kaldi(tmp_path)
    for name in ("wav.scp", "text"):
        write(tmp_path / name, (tmp_path / name).read_text() * 2)
    splits = read(tmp_path)
    assert len(everything(splits)) == 3 and len(splits.problems) == 6


def test_a_command_in_wav_scp_is_reported_and_never_run(tmp_path):
    make_kaldi(tmp_path)
    write(tmp_path / "wav.scp", f"utt0 touch {tmp_path}/ran |\nutt1 b.wav\nutt2 c.wav\nutt3 d.wav\n")
    splits = read(tmp_path)
    assert set(everything(splits)) == {"utt1", "utt2"}
    assert [problem.where for problem in splits.problems] == [f"{tmp_path}/wav.scp:1", f"{tmp_path}/wav.scp"]
    assert not (tmp_path / "ran").exists()


# ---- gzipped lists


def zipped(path):
    """Replace a file by its gzipped self."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return path.with_name(f"{path.name}.gz")


MANIFEST = '{"audio_filepath": "clip.wav", "text": "one, two"}\n'
LISTS = {
    ".tsv": "path\tsentence\nclip.wav\tone, two\n",
    ".csv": 'path,sentence\nclip.wav,"one, two"\n',
    ".jsonl": MANIFEST,
    ".json": MANIFEST,
}


@pytest.mark.parametrize("suffix", LISTS)
@pytest.mark.parametrize("by_name", [True, False])
def test_a_gzipped_list_is_read_like_the_list_itself(tmp_path, suffix, by_name):
    path = zipped(write(tmp_path / f"list{suffix}", LISTS[suffix]))
    splits = read(path if by_name else tmp_path)
    assert found(splits) == {"clip": ("clip.wav", "one, two")} and not splits.problems
    assert splits.train[0].where.startswith(f"{path}:")


@pytest.mark.parametrize("suffix", LISTS)
def test_a_gzipped_list_names_its_split(tmp_path, suffix):
    for name in ("train", "valid", "test"):
        zipped(write(tmp_path / f"{name}{suffix}", LISTS[suffix].replace("clip", name)))
    splits = read(tmp_path)
    assert [[u.id for u in part] for part in (splits.train, splits.dev, splits.test)] == [
        ["train"],
        ["valid"],
        ["test"],
    ]
    assert not splits.notes


def test_a_list_that_is_there_plain_and_gzipped_is_not_read_twice(tmp_path):
    write(zipped(make_table(tmp_path / "list.tsv")).with_suffix(""), LISTS[".tsv"])
    with pytest.raises(DataError, match=r"list\.tsv, list\.tsv\.gz"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["list.jsonl", "list.json", "list.tsv"])
def test_a_damaged_gzip_file_is_named_not_overlooked(tmp_path, name):
    path = zipped(write(tmp_path / name, MANIFEST * 99))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=rf"{name}\.gz: is not a whole gzip file"):
        read(tmp_path)


def test_each_file_of_a_kaldi_directory_may_be_gzipped(tmp_path):
    make_kaldi(tmp_path)
    write(tmp_path / "utt2spk", "utt0 ann\n")
    write(tmp_path / "segments", "utt0 utt0 0 1\nutt1 utt1 0 1\nutt2 utt2 0 1\n")
    plain = read(tmp_path)
    for name in ("wav.scp", "text", "utt2spk", "segments"):
        zipped(tmp_path / name)
    splits = read(tmp_path)
    assert found(splits) == found(plain) and len(found(splits)) == 3 and not splits.problems
    assert everything(splits)["utt0"].speaker == "ann" and everything(splits)["utt0"].duration == 1


LHOTSE = {
    "cuts": lambda path: CutSet.from_cuts([dummy_cut(0)]).to_file(path),
    "recordings": lambda path: RecordingSet.from_recordings([dummy_recording(0)]).to_file(path),
    "supervisions": lambda path: SupervisionSet.from_segments([dummy_supervision(0)]).to_file(path),
}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("kind", LHOTSE)
def test_lhotses_own_manifests_are_called_by_their_name(tmp_path, kind, suffix):
    path = tmp_path / f"train{suffix}"
    LHOTSE[kind](path)
    for source in (tmp_path, path):
        with pytest.raises(DataError, match=rf"train{suffix} holds lhotse's {kind}, .*asr train.*lhotse cut simple"):
            read(source)


def test_lhotses_manifests_beside_a_source_are_not_taken_for_another(tmp_path):
    """As `asr prepare` leaves them where a corpus is prepared into its own folder."""
    LHOTSE["cuts"](tmp_path / "train.jsonl.gz")
    assert len(everything(read(make_side_by_side(tmp_path)))) == 3


# ---- splits and choices


def make_split(root, layout, name):
    if layout == "tables":
        make_table(root / f"{name}.tsv", 1)
    elif layout == "manifests":
        make_manifest(root / f"{name}_manifest.json", [{"audio_filepath": f"{name}.wav", "text": "words"}])
    elif layout == "kaldi":
        make_kaldi(root / name, 1)
    else:
        make_side_by_side(root / name, 1)


@pytest.mark.parametrize("layout", ["tables", "manifests", "kaldi", "side by side"])
def test_files_and_folders_named_for_splits_are_the_splits(tmp_path, layout):
    for name in ("train", "valid", "test"):
        make_split(tmp_path, layout, name)
    splits = read(tmp_path)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [1, 1, 1]
    for part, name in ((splits.train, "train"), (splits.dev, "valid"), (splits.test, "test")):
        assert name in part[0].where
    assert not splits.notes


def test_a_split_that_is_missing_is_held_out_of_train(tmp_path):
    make_side_by_side(tmp_path / "train", 20)
    make_side_by_side(tmp_path / "test", 2)
    splits = read(tmp_path)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [18, 2, 2]
    assert splits.notes == ("dev: whole sentences held out of train, a tenth for each",)


def test_speakers_are_kept_apart_when_ten_are_known(tmp_path):
    rows = "".join(f"{n}.wav\twords {n % 3}\tspeaker {n % 12}\n" for n in range(120))
    splits = read(write(tmp_path / "list.tsv", f"path\ttext\tclient_id\n{rows}"))
    speakers = [{u.speaker for u in part} for part in (splits.train, splits.dev, splits.test)]
    assert all(speakers) and sum(map(len, speakers)) == 12


def test_what_could_be_read_in_two_ways_is_not_guessed(tmp_path):
    make_table(tmp_path / "one.tsv")
    make_table(tmp_path / "two.tsv")
    with pytest.raises(DataError, match=r"one\.tsv, two\.tsv.*--source"):
        read(tmp_path)
    (tmp_path / "two.tsv").unlink()
    make_kaldi(tmp_path)
    with pytest.raises(DataError, match=r"wav\.scp and one\.tsv"):
        read(tmp_path)


def test_nothing_to_read_lists_what_would_be_accepted(tmp_path):
    write(tmp_path / "notes.txt", "no audio here")
    write(tmp_path / "package.json", "{}")
    write(tmp_path / "alone.wav")
    with pytest.raises(DataError, match=r"\.txt of the same name.*\.tsv or \.csv.*audio_filepath.*wav\.scp"):
        read(tmp_path)
    for path in (tmp_path / "alone.wav", tmp_path / "nowhere"):
        with pytest.raises(DataError, match=path.name):
            read(path)


def test_a_name_that_no_file_system_takes_is_a_problem_and_no_error(tmp_path):
    make_table(tmp_path / "list.tsv")
    with (tmp_path / "list.tsv").open("a") as file:
        file.write("é" * 300 + ".wav\ttoo long\na\0\\b.wav\ta zero byte\n")
    assert "too long" in [u.text for u in everything(read(tmp_path)).values()]
