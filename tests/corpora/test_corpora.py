"""Readers of published corpora, each on a tiny tree in the corpus's own layout."""

import gzip

import pytest
from support.files import write

from asr import corpora
from asr.corpora import an4, commonvoice, fsdd, librispeech, mini_librispeech, prompts, yesno
from asr.corpora.lines import read_lines
from asr.corpora.split import by_speaker, by_text
from asr.errors import ConfigError, DataError


def parts(splits):
    return [splits.train, splits.dev, splits.test]


def ids(utterances):
    return [utterance.id for utterance in utterances]


# ---- text files


def test_lines_keep_their_numbers_and_lose_byte_order_mark_carriage_return_and_blanks(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffone\r\n\r\n  \r\ntwo\u2028still two\x0b".encode())
    assert read_lines(path) == ([(1, "one"), (4, "two\u2028still two\x0b")], [])


def test_a_line_that_is_not_utf8_is_a_problem_and_the_others_stay(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("good\ncaf\xe9\nalso good".encode("latin-1"))
    lines, [problem] = read_lines(path)
    assert lines == [(1, "good"), (3, "also good")]
    assert problem.where == f"{path}:2" and "0xe9" in problem.what


def test_unreadable_text_files_are_named(tmp_path):
    (tmp_path / "sixteen.txt").write_bytes("text".encode("utf-16"))
    (tmp_path / "torn.txt.gz").write_bytes(gzip.compress(b"text" * 100)[:-9])
    for name, what in (
        ("sixteen.txt", "UTF-16"),
        ("torn.txt.gz", "not a whole gzip file"),
        ("none.txt", "No such file"),
    ):
        with pytest.raises(DataError, match=f"{name}.*{what}"):
            read_lines(tmp_path / name)


# ---- AN4


def make_an4(root, train, test):
    """Write AN4's lists: (speaker, id, words) for each utterance."""
    for part, folder, rows in (("train", "an4_clstk", train), ("test", "an4test_clstk", test)):
        write(root / f"etc/an4_{part}.fileids", "".join(f"{folder}/{speaker}/{name}\n" for speaker, name, _ in rows))
        lines = reversed([f"<s> {words} </s> ({name})\n" for _, name, words in rows])
        write(root / f"etc/an4_{part}.transcription", "".join(lines))
    return root


def test_an4_pairs_by_id_not_by_line(tmp_path):
    root = make_an4(
        tmp_path / "an4", [("fash", "an1-fash-b", "YES"), ("mcen", "an2-mcen-b", "A B")], [("mmxg", "an3-mmxg-b", "GO")]
    )
    splits = an4.read(root)
    assert [(u.id, u.text, u.speaker) for u in splits.train] == [("an1-fash-b", "YES", "fash")]
    assert [(u.id, u.text, u.speaker) for u in splits.dev] == [("an2-mcen-b", "A B", "mcen")]
    assert splits.test[0].audio == root / "wav/an4test_clstk/mmxg/an3-mmxg-b.sph"
    assert splits.train[0].where == f"{root}/etc/an4_train.transcription:2"
    assert not splits.problems
    assert an4.read(tmp_path) == splits, "the folder above serves as well"


def test_an4_reports_every_line_that_has_no_partner(tmp_path):
    root = make_an4(
        tmp_path, [("fash", "an1-fash-b", "YES"), ("fash", "an2-fash-b", "NO")], [("mmxg", "an3-mmxg-b", "GO")]
    )
    write(root / "etc/an4_train.fileids", "an4_clstk/fash/an1-fash-b\nan4_clstk/fash/an9-fash-b\n")
    with (root / "etc/an4_test.transcription").open("a") as file:
        file.write("NO ID HERE\nAGAIN (an3-mmxg-b)\n")
    splits = an4.read(root)
    assert ids(splits.train) == ["an1-fash-b"] and splits.test[0].text == "GO"
    etc = root / "etc"
    assert [problem.where for problem in splits.problems] == [
        f"{etc}/an4_train.fileids:2",
        f"{etc}/an4_train.transcription:1",
        f"{etc}/an4_test.transcription:2",
        f"{etc}/an4_test.transcription:3",
    ]


def test_a_folder_without_the_corpus_is_named_with_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"etc/an4_train\.fileids"):
        an4.read(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        an4.read(tmp_path / "nowhere")
    make_an4(tmp_path / "a", [], [])
    make_an4(tmp_path / "b", [], [])
    with pytest.raises(DataError, match=r"both a and b"):
        an4.read(tmp_path)


# ---- digits and yes/no


def make_fsdd(root):
    for speaker in ("ann", "bob"):
        for digit in (0, 7):
            for index in range(12):
                write(root / f"recordings/{digit}_{speaker}_{index}.wav")
    return root


def test_fsdd_tests_on_indices_below_five(tmp_path):
    splits = fsdd.read(make_fsdd(tmp_path))
    assert [{int(u.id.split("_")[2]) for u in part} for part in parts(splits)] == [
        {10, 11},
        {5, 6, 7, 8, 9},
        set(range(5)),
    ]
    assert {u.text for u in splits.train} == {"zero", "seven"}
    assert {u.speaker for u in splits.test} == {"ann", "bob"}


def test_fsdd_can_leave_a_speaker_out(tmp_path):
    splits = fsdd.read(make_fsdd(tmp_path), held_out_speaker="bob")
    assert [{u.speaker for u in part} for part in parts(splits)] == [{"ann"}, {"ann"}, {"bob"}]
    assert [len(part) for part in parts(splits)] == [14, 10, 24]
    with pytest.raises(ConfigError, match=r"eve.*ann, bob"):
        fsdd.read(tmp_path, held_out_speaker="eve")


def test_fsdd_reports_files_with_other_names(tmp_path):
    write(make_fsdd(tmp_path) / "recordings/seven.wav")
    [problem] = fsdd.read(tmp_path).problems
    assert problem.where.endswith("seven.wav")


def test_yesno_reads_words_off_names_and_splits_forty_eight_twelve(tmp_path):
    for number in range(60):
        write(tmp_path / f"waves_yesno/{'_'.join(f'{number:08b}')}.wav")
    splits = yesno.read(tmp_path)
    assert [len(part) for part in parts(splits)] == [40, 8, 12]
    assert len({u.id for part in parts(splits) for u in part}) == 60
    assert splits.train[1].id == "0_0_0_0_0_0_0_1" and splits.train[1].text == "lo lo lo lo lo lo lo ken"
    assert yesno.read(tmp_path / "waves_yesno") == splits


def test_yesno_reports_what_is_not_named_by_its_words(tmp_path):
    write(tmp_path / "waves_yesno/0_2.wav")
    write(tmp_path / "waves_yesno/0_1.wav")
    splits = yesno.read(tmp_path)
    assert ids(splits.train) == ["0_1"] and len(splits.problems) == 1
    (tmp_path / "empty/waves_yesno").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no \.wav"):
        yesno.read(tmp_path / "empty")


# ---- LibriSpeech


def make_librispeech(root, part, speakers, chapters=("10", "11"), count=4):
    for speaker in speakers:
        for chapter in chapters:
            folder = root / part / speaker / chapter
            names = [f"{speaker}-{chapter}-{number:04d}" for number in range(count)]
            write(folder / f"{speaker}-{chapter}.trans.txt", "".join(f"{name} WORDS OF {name}\n" for name in names))
            for name in names:
                write(folder / f"{name}.flac")
    return root


def test_librispeech_takes_the_official_parts(tmp_path):
    root = tmp_path / "LibriSpeech"
    for part, speakers in (
        ("train-clean-100", "12"),
        ("train-other-500", "3"),
        ("dev-clean", "4"),
        ("test-clean", "5"),
        ("test-other", "6"),
    ):
        make_librispeech(root, part, speakers)
    splits = librispeech.read(tmp_path)
    assert [{u.speaker for u in part} for part in parts(splits)] == [{"1", "2", "3"}, {"4"}, {"5"}]
    assert splits.train[0].text == "WORDS OF 1-10-0000"
    assert splits.train[0].audio == root / "train-clean-100/1/10/1-10-0000.flac"
    assert not splits.problems and not splits.notes
    chosen = librispeech.read(root, train=["train-clean-100"], test=["test-other"])
    assert [{u.speaker for u in part} for part in parts(chosen)] == [{"1", "2"}, {"4"}, {"6"}]


@pytest.mark.parametrize(("speakers", "torn"), [("123456789", "speaker"), ("12", "chapter")])
def test_librispeech_holds_out_speakers_or_else_chapters(tmp_path, speakers, torn):
    splits = librispeech.read(make_librispeech(tmp_path, "train-clean-100", speakers))
    keys = [{u.speaker if torn == "speaker" else u.id.rpartition("-")[0] for u in part} for part in parts(splits)]
    assert all(keys) and sum(map(len, keys)) == len(set().union(*keys))
    assert len(splits.notes) == 2 and f"whole {torn}s" in splits.notes[0]


@pytest.mark.parametrize("tested", [True, False])
def test_mini_librispeech_is_tested_on_its_own_part_or_else_on_strangers(tmp_path, tested):
    make_librispeech(tmp_path, "train-clean-5", "123456789")
    if tested:
        make_librispeech(tmp_path, "dev-clean-2", "ab")
    splits = mini_librispeech.read(tmp_path)
    speakers = [{u.speaker for u in part} for part in parts(splits)]
    assert all(speakers) and sum(map(len, speakers)) == len(set().union(*speakers))
    assert (speakers[2] == {"a", "b"}) is tested


def test_mini_librispeech_may_be_a_table(tmp_path):
    rows = "".join(f"clips/{n}.opus\tWORDS OF {n}\tls{n // 4}\n" for n in range(80))
    write(tmp_path / "train.tsv", f"path\tsentence\tspeaker\n{rows}")
    for n in range(80):
        write(tmp_path / f"clips/{n}.opus")
    speakers = [{u.speaker for u in part} for part in parts(mini_librispeech.read(tmp_path))]
    assert all(speakers) and sum(map(len, speakers)) == len(set().union(*speakers)) == 20


def test_librispeech_reports_recordings_without_transcript(tmp_path):
    root = make_librispeech(tmp_path, "train-clean-100", "12")
    write(root / "train-clean-100/1/10/1-10-0099.flac")
    [problem] = librispeech.read(root).problems
    assert problem.where.endswith("1-10-0099.flac")


def test_librispeech_refuses_parts_that_do_not_fit(tmp_path):
    with pytest.raises(DataError, match="no part of LibriSpeech"):
        librispeech.read(tmp_path)
    make_librispeech(tmp_path, "train-clean-100", "12")
    for part, what in (("train-100", "is no part"), ("dev-other", "these parts are: train-clean-100")):
        with pytest.raises(ConfigError, match=what):
            librispeech.read(tmp_path, dev=[part])
    with pytest.raises(ConfigError, match="named twice"):
        librispeech.read(tmp_path, train=["train-clean-100"], dev=["train-clean-100"])


# ---- Common Voice

OFFICIAL = "client_id\tpath\tsentence\tup_votes\tlocale\n"


def make_tsv(path, rows):
    """Write Common Voice's table: (client, sentence) for each clip."""
    lines = (f"{client}\t{path.stem}_{n}.mp3\t{sentence}\t2\tcy\n" for n, (client, sentence) in enumerate(rows))
    return write(path, OFFICIAL + "".join(lines))


def test_commonvoice_keeps_the_official_splits(tmp_path):
    for name in ("train", "dev", "test"):
        make_tsv(tmp_path / f"{name}.tsv", [(f"{name} speaker", f'a "{name} sentence')])
    (tmp_path / "clips").mkdir()
    splits = commonvoice.read(tmp_path)
    assert [ids(part) for part in parts(splits)] == [["train_0"], ["dev_0"], ["test_0"]]
    first = splits.train[0]
    assert (first.text, first.speaker, first.language) == ('a "train sentence', "train speaker", "cy")
    assert first.audio == tmp_path / "clips/train_0.mp3" and first.where == f"{tmp_path}/train.tsv:2"
    assert not splits.notes


def test_commonvoice_without_test_tests_on_dev_and_holds_out_speakers_and_their_sentences(tmp_path):
    rows = [(f"client {n % 20}", f"sentence {n - n % 8 // 7}") for n in range(200)]  # an eighth is read twice
    make_tsv(tmp_path / "train.tsv", rows)
    make_tsv(tmp_path / "dev.tsv", [("other", "another")])
    splits = commonvoice.read(tmp_path)
    assert ids(splits.test) == ["dev_0"] and splits.dev
    for key in (by_text, by_speaker):
        assert not {key(u) for u in splits.train} & {key(u) for u in splits.dev}
    assert any("dev.tsv serves as test" in note for note in splits.notes)


def test_commonvoice_splits_by_sentence_where_speakers_read_the_same(tmp_path):
    make_tsv(tmp_path / "train.tsv", [(f"client {n % 20}", f"sentence {n // 3}") for n in range(200)])
    splits = commonvoice.read(tmp_path)
    texts = [{u.text for u in part} for part in parts(splits)]
    assert all(texts) and sum(map(len, texts)) == 67


def test_commonvoice_without_speakers_splits_by_sentence(tmp_path):
    write(tmp_path / "train.tsv", "path\tsentence\n" + "".join(f"{n}.ogg\tSentence {n // 4}\n" for n in range(200)))
    splits = commonvoice.read(tmp_path)
    texts = [{u.text for u in part} for part in parts(splits)]
    assert all(texts) and sum(map(len, texts)) == 50


def test_commonvoice_makes_train_of_validated_without_the_people_and_sentences_of_the_rest(tmp_path):
    rows = [("a", "one"), ("a", "two"), ("d", "three"), ("b", "dev sentence"), ("c", "four")]
    make_tsv(tmp_path / "validated.tsv", rows)
    make_tsv(tmp_path / "dev.tsv", [("d", "dev sentence")])
    make_tsv(tmp_path / "test.tsv", [("t", "five")])
    assert {u.text for u in commonvoice.read(tmp_path).train} == {"one", "two", "four"}


def test_commonvoice_reports_bad_rows_by_line(tmp_path):
    write(tmp_path / "train.tsv", OFFICIAL + "c\tok.mp3\tfine\t2\tcy\n\nc\ttoo few\nc\t\tno path\t1\tcy\n")
    splits = commonvoice.read(tmp_path)
    assert [problem.where for problem in splits.problems] == [f"{tmp_path}/train.tsv:4", f"{tmp_path}/train.tsv:5"]
    write(tmp_path / "train.tsv", "a.mp3\thello\n")
    with pytest.raises(DataError, match=r"train\.tsv:1: the first line must name the columns"):
        commonvoice.read(tmp_path)


# ---- prompts


@pytest.mark.parametrize(
    ("line", "language", "words"),
    [
        (" Call waiting.", "en", "Call waiting."),
        ("dash [-]", "en", "dash"),
        ("spazio []", "it", "spazio"),
        ("[!] punto esclamativo", "it", "punto esclamativo"),
        ('IAX (note: does not say "2")', "en", "IAX"),
        ("Voce disattivata. (You are now muted.)", "it", "Voce disattivata."),
        ("Premere 1 per, 2 per", "it", "Premere uno per, due per"),
        ("3D audio", "en", "three D audio"),
        ("Нажмите 0.", "ru", "Нажмите ноль ."),
        ("Casella di posta?", "it", "Casella di posta?"),
        ("left bracket", "en", "left bracket"),
    ],
)
def test_a_listed_sentence_becomes_the_words_that_are_heard(line, language, words):
    assert prompts.spoken(line, language) == words


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[ascending tones]", "no speech"),
        ("(10 seconds of silence)", "no speech"),
        ("<beep ascending>", "no speech"),
        ("", "no speech"),
        ("...", "no speech"),
        ("Spiacente, [quello] non è un interno", "words in brackets"),
        ("il nostro (enfatico) moderatore", "words in brackets"),
        ("press * to pause", "sign"),
        ("premere per attivare/disattivare", "sign"),
        ("you can dial 500", "several digits"),
        ("28.8 kilobit", "several digits"),
        ("è stato eliminato vm-then-pound: poi premere", "two prompts"),
        ("La conferenza ? piena.", "lost letter"),
        ("pi? tardi", "lost letter"),
    ],
)
def test_what_cannot_be_told_from_the_text_is_left_out(line, reason):
    with pytest.raises(prompts.Unclear, match=reason):
        prompts.spoken(line, "it")


def make_prompts(folder, sounds, compressed, count=60):
    lines = "".join(f"vm-{n}: message {chr(97 + n % 20)} of {'xy'[n // 20 % 2]} and so on\n" for n in range(count))
    text = f"\ufeff; Core sounds\r\n\r\n{lines}vm-0: again\nno colon\nbeep: [tone]\nletters/O: o\n"
    (listing := folder / ("core-sounds-it.txt" + ".gz" * compressed)).parent.mkdir(parents=True, exist_ok=True)
    listing.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    for n in range(count):
        write(sounds / f"vm-{n}.wav")
    write(sounds / "letters/o.wav")
    return listing


@pytest.mark.parametrize("debian", [True, False])
def test_prompts_are_read_from_debians_and_the_publishers_layout(tmp_path, debian):
    sounds = tmp_path / ("usr/share/asterisk/sounds/it_IT_m_Carlo" if debian else "it-wav")
    listing = make_prompts(tmp_path / "usr/share/doc/x" if debian else sounds, sounds, compressed=debian)
    splits = prompts.read(tmp_path, "it")
    everything = {u.id: u for part in parts(splits) for u in part}
    assert len(everything) == 61
    assert everything["letters/O"].audio == sounds / "letters/o.wav"
    assert everything["vm-3"].audio == sounds / "vm-3.wav" and everything["vm-3"].where == f"{listing}:6"
    assert [problem.where for problem in splits.problems] == [f"{listing}:63", f"{listing}:64"]
    assert splits.notes == ("left out 1: no speech (a sound, silence or an empty line)",)
    texts = [{u.text for u in part} for part in parts(splits)]
    assert all(texts) and sum(map(len, texts)) == len(set().union(*texts))


def test_prompts_say_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="en, es, fr, it, ru"):
        prompts.read(tmp_path, "de")
    with pytest.raises(DataError, match=r"core-sounds-it\.txt"):
        prompts.read(tmp_path, "it")
    write(tmp_path / "core-sounds-it.txt", "a: b\n")
    with pytest.raises(DataError, match="asterisk-core-sounds-it-wav"):
        prompts.read(tmp_path, "it")


# ---- by name


def test_names_lead_to_readers_and_misfits_are_refused(tmp_path):
    splits = corpora.read("fsdd", make_fsdd(tmp_path), corpora.Options(held_out_speaker="ann"))
    assert {u.speaker for u in splits.test} == {"ann"}
    with pytest.raises(ConfigError, match="an4, collection, commonvoice, folder"):
        corpora.read("an5", tmp_path, corpora.Options())
    with pytest.raises(ConfigError, match="held_out_speaker is ann, but an4 has no such option"):
        corpora.read("an4", tmp_path, corpora.Options(held_out_speaker="ann"))


@pytest.mark.parametrize("corpus", corpora.NAMES)
def test_every_listed_name_has_a_reader(corpus, tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        corpora.read(corpus, tmp_path, corpora.Options())


@pytest.mark.parametrize(
    ("corpus", "remedy"),
    [("commonvoice", "commonvoice.mozilla.org"), ("folder", "--source"), ("lhotse:ami", "lhotse download")],
)
def test_corpora_that_no_program_can_fetch_say_how_to_get_them(corpus, remedy, tmp_path):
    with pytest.raises(DataError, match=remedy):
        corpora.download(corpus, tmp_path, corpora.Options())
