"""From a folder to manifests: what lhotse reads back, and every fault by its line."""

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, SupervisionSegment
from lhotse.audio.backend import LibsndfileBackend, audio_backend
from lhotse.cut import MonoCut, MultiCut
from support.media import write_media

from asr.audio.reader import open_recording
from asr.audio.waveform import AudioInfo, load
from asr.corpora import Options
from asr.corpora.utterance import Utterance
from asr.data import recording as module
from asr.data.prepare import cut_of, prepare
from asr.data.recording import examine
from asr.data.splits import recommended_units
from asr.errors import ConfigError, DataError

RATE = 16_000


def noise(seconds, channels=1, seed=0):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * RATE), channels))
    return samples.astype(np.float32)


def write_sound(path, seconds=1.0, channels=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(seconds, channels), RATE, **options)
    return path


def make_corpus(root, rows, header="path\ttext\tsplit"):
    """Write a table whose lines are given, with the sound of each that does not exist yet."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "list.tsv").write_text("".join(f"{line}\n" for line in (header, *rows)), encoding="utf-8")
    for line in rows:
        if not (root / line.split("\t")[0]).exists():
            write_sound(root / line.split("\t")[0])
    return root


WHOLE = ("a.wav\tYes, yes!\ttrain", "b.wav\tno\tdev", "c.wav\tmaybe\ttest")


def cuts(folder, split="train"):
    return list(CutSet.from_file(folder / f"{split}.jsonl.gz"))


def test_manifests_hold_normalised_text_and_sound_that_can_be_loaded(tmp_path):
    source = make_corpus(tmp_path / "data", [f"{row}\tann\tcy" for row in WHOLE], "path\ttext\tsplit\tspeaker\tlocale")
    prepared = prepare("folder", tmp_path / "out", source=source)
    for split, name, text in (("train", "a", "yes yes"), ("dev", "b", "no"), ("test", "c", "maybe")):
        [cut] = cuts(tmp_path / "out", split)
        assert isinstance(cut, MonoCut) and cut.id == name
        assert (cut.supervisions[0].text, cut.supervisions[0].speaker, cut.supervisions[0].language) == (
            text,
            "ann",
            "cy",
        )
        assert cut.recording.sources[0].source == str(source / f"{name}.wav")
        expected, _ = soundfile.read(source / f"{name}.wav", dtype="float32")
        assert np.array_equal(cut.load_audio()[0], expected)
    row = prepared.splits[0]
    assert (row.name, row.utterances, row.speakers, row.longest, row.alphabet) == ("train", 1, 1, 1.0, "esy")
    assert row.hours == pytest.approx(1 / 3600) and not prepared.problems
    assert (tmp_path / "out/problems.txt").read_text() == ""
    assert prepared.notes == (
        "train has speakers of dev and test: a score there does not tell how strangers are recognised",
        "dev has characters that train lacks: n (1), o (1); no model of it can write them, which costs 100.0 % of "
        "dev's words (WER) and 100.0 % of its characters (CER)",
        "test has characters that train lacks: m (1), a (1), b (1); no model of it can write them, which costs 100.0 % "
        "of test's words (WER) and 60.0 % of its characters (CER)",
    )
    adapted = prepare("folder", tmp_path / "again", source=source, written=set("abmn"))
    assert [note.partition(";")[0] for note in adapted.notes[1:]] == ["dev has characters that train lacks: o (1)"]


def test_verbatim_keeps_case_and_punctuation(tmp_path):
    prepare("folder", tmp_path / "out", source=make_corpus(tmp_path / "data", WHOLE), text_form="verbatim")
    assert cuts(tmp_path / "out")[0].supervisions[0].text == "Yes, yes!"


def test_the_same_corpus_gives_the_same_bytes_and_leaves_no_temporary_files(tmp_path):
    source = make_corpus(tmp_path / "data", WHOLE)
    contents = []
    for _ in range(2):
        prepare("folder", tmp_path / "out", source=source)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]
    assert contents[0]["train.jsonl.gz"][4:8] == bytes(4), "no time in the gzip header"
    assert set(contents[0]) == {"train.jsonl.gz", "dev.jsonl.gz", "test.jsonl.gz", "problems.txt"}


def test_a_split_that_came_to_nothing_leaves_no_file_of_an_earlier_run(tmp_path):
    source = make_corpus(tmp_path / "data", WHOLE)
    prepare("folder", tmp_path / "out", source=source)
    (source / "c.wav").unlink()
    prepared = prepare("folder", tmp_path / "out", source=source)
    assert not (tmp_path / "out/test.jsonl.gz").exists()
    assert "test has no usable utterances, so there is no test.jsonl.gz" in prepared.notes


def test_every_fault_is_reported_by_line_and_the_rest_is_kept(tmp_path):
    source = tmp_path / "data"
    whole = write_sound(source / "whole.wav").read_bytes()
    (source / "torn.wav").write_bytes(whole[: len(whole) * 6 // 10])
    (source / "text.wav").write_text("not sound")
    soundfile.write(source / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(source / "empty.wav", np.zeros(0), RATE)
    soundfile.write(source / "nan.wav", np.array([0.1, np.nan] * 8000), RATE, subtype="FLOAT")
    rows = [
        *WHOLE,
        "torn.wav\tone\ttrain",
        "text.wav\ttwo\ttrain",
        "silent.wav\tthree\ttrain",
        "empty.wav\tfour\ttrain",
        "nan.wav\tfive\ttrain",
        "gone.wav\tsix\ttrain",
        "d.wav\t...\ttrain",
        "a.wav\tagain\tdev",
        "short.ogg\tone field too few",
        f"{'long ' * 60}.wav\tthe columns are swapped\ttrain",
    ]
    make_corpus(source, [row for row in rows if "gone" not in row and "long" not in row])
    (source / "list.tsv").write_text("path\ttext\tsplit\n" + "".join(f"{row}\n" for row in rows))
    prepared = prepare("folder", tmp_path / "out", source=source)
    faults = {int(problem.where.rpartition(":")[2]): problem.what for problem in prepared.problems}
    expected = {
        5: "torn.wav: breaks off after 0.6",
        6: "text.wav: not readable as audio (it is text)",
        7: "silent.wav: is silent from end to end",
        8: "empty.wav: holds no samples",
        9: "nan.wav: holds samples that are not numbers",
        10: "gone.wav: no such audio file",
        11: "the transcript is empty",
        12: f"the id a is used before, at {source}/list.tsv:2; ids must be unique",
        13: "has 2 fields, but the first line names 3 columns",
        14: "File name too long",
    }
    assert sorted(faults) == sorted(expected) and len(prepared.problems) == len(expected)
    for line, what in expected.items():
        assert what in faults[line], line
    assert [cut.id for split in ("train", "dev", "test") for cut in cuts(tmp_path / "out", split)] == ["a", "b", "c"]
    listed = (tmp_path / "out/problems.txt").read_text().splitlines()
    assert listed == [str(problem) for problem in prepared.problems]


def test_transcripts_are_not_held_against_durations(tmp_path):
    """Only training knows how many frames a transcript needs.

    It depends on tokens, rate and subsampling.
    """
    source = tmp_path / "data"
    write_sound(source / "brief.wav", 0.2)
    rows = [*WHOLE, f"brief.wav\t{'word ' * 20}\ttrain"]
    prepared = prepare("folder", tmp_path / "out", source=make_corpus(source, rows))
    assert [cut.id for cut in cuts(tmp_path / "out")] == ["a", "brief"]
    assert not prepared.problems


def make_segments(root, segments):
    write_sound(root / "rec.wav", 2.0)
    (root / "wav.scp").write_text("rec rec.wav\n")
    (root / "segments").write_text("".join(f"utt{n} rec {stretch}\n" for n, stretch in enumerate(segments)))
    (root / "text").write_text("".join(f"utt{n} w\n" for n in range(len(segments))))
    return root


def test_segments_are_cut_at_their_times(tmp_path):
    make_segments(tmp_path / "data", ["0.5 1.25", "1.5 2.02", "1.5 -1"])
    prepare("folder", tmp_path / "out", source=tmp_path / "data")
    found = {cut.id: cut for split in ("train", "dev", "test") for cut in cuts(tmp_path / "out", split)}
    sound = soundfile.read(tmp_path / "data/rec.wav", dtype="float32")[0]
    for name, first, last in (("utt0", 0.5, 1.25), ("utt1", 1.5, 2.0), ("utt2", 1.5, 2.0)):
        expected = sound[round(first * RATE) : round(last * RATE)]
        assert np.array_equal(found[name].load_audio()[0], expected), name
        assert found[name].supervisions[0].duration == found[name].duration


def test_segments_outside_their_file_are_problems(tmp_path):
    make_segments(tmp_path / "data", ["0 1", "1.5 2.5", "3 4", "-1 1", "1 1", "nan 1", "0 inf"])
    prepared = prepare("folder", tmp_path / "out", source=tmp_path / "data")
    lines = sorted(int(problem.where.rpartition(":")[2]) for problem in prepared.problems)
    assert lines == [2, 3, 4, 5, 6, 7]
    assert all("is not inside" in problem.what and "which has 2 s" in problem.what for problem in prepared.problems)


def test_several_channels_are_a_multicut(tmp_path):
    write_sound(tmp_path / "data/a.wav", channels=2)
    prepare("folder", tmp_path / "out", source=make_corpus(tmp_path / "data", WHOLE))
    [cut] = cuts(tmp_path / "out")
    assert isinstance(cut, MultiCut) and cut.channel == [0, 1] and cut.load_audio().shape == (2, RATE)


def test_a_file_keeps_its_own_rate(tmp_path):
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data/a.wav", noise(0.5)[::2], RATE // 2)
    prepare(
        "folder", tmp_path / "out", source=make_corpus(tmp_path / "data", ["a.wav\tabcdefghijkl\ttrain", *WHOLE[1:]])
    )
    [cut] = cuts(tmp_path / "out")
    assert cut.sampling_rate == RATE // 2 and cut.duration == 0.5


def test_nothing_to_train_on_is_an_error_that_names_the_first_fault(tmp_path):
    source = make_corpus(tmp_path / "data", WHOLE)
    (source / "a.wav").unlink()
    with pytest.raises(DataError, match=r"no usable utterance to train on.*list\.tsv:2: .*a\.wav: no such audio file"):
        prepare("folder", tmp_path / "out", source=source)
    assert (tmp_path / "out/problems.txt").read_text().count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="out: cannot be written"):
        prepare("folder", tmp_path / "out", source=make_corpus(tmp_path / "data", WHOLE))


def test_what_libsndfile_does_not_read_becomes_flac_once(tmp_path, monkeypatch):
    """Whatever the file is called: this one is AAC, which libsndfile does not know."""
    opened = []
    monkeypatch.setattr(module, "open_recording", lambda path: opened.append(path) or open_recording(path))
    source = tmp_path / "data"
    write_media(source / "a.wav", noise(1.0)[:, 0], RATE, "aac", "ipod")
    (source / "list.jsonl").write_text(
        "".join(
            f'{{"audio_filepath": "a.wav", "text": "w{n}", "offset": {n / 4}, "duration": 0.25}}\n' for n in range(4)
        )
    )
    prepare("folder", tmp_path / "out", source=source)
    assert len(opened) == 1
    [rewritten] = (tmp_path / "out/audio").iterdir()
    cut = cuts(tmp_path / "out")[0]
    assert cut.recording.sources[0].source == str(rewritten) and rewritten.suffix == ".flac"
    assert cut.load_audio().shape == (1, RATE // 4)


def test_options_must_fit(tmp_path):
    with pytest.raises(ConfigError, match="language is en, but an4"):
        prepare("an4", tmp_path / "out", source=tmp_path, options=Options(language="en"))


# ---- recordings


def sphere(samples, announced=None):
    """Write NIST Sphere as AN4 has it: a 1024-byte text header, then 16-bit samples."""
    header = (
        f"NIST_1A\n   1024\nsample_count -i {announced or len(samples)}\nsample_rate -i {RATE}\nchannel_count -i 1\n"
        "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\nend_head\n"
    )
    return header.encode().ljust(1024) + samples.astype("<i2").tobytes()


def look(path, check="decode"):
    return examine(path, check=check, rewritten=path.parent, sample_rate=RATE)


def test_sphere_files_load_with_libsndfile(tmp_path):
    samples = (noise(1.0)[:, 0] * 32767).astype("<i2")
    (tmp_path / "an4/etc").mkdir(parents=True)
    for part, name, speaker in (("train", "an1-fash-b", "fash"), ("test", "an2-mmxg-b", "mmxg")):
        folder = tmp_path / f"an4/wav/x/{speaker}"
        folder.mkdir(parents=True)
        (folder / f"{name}.sph").write_bytes(sphere(samples))
        (tmp_path / f"an4/etc/an4_{part}.fileids").write_text(f"x/{speaker}/{name}\n")
        (tmp_path / f"an4/etc/an4_{part}.transcription").write_text(f"<s> YES </s> ({name})\n")
    prepare("an4", tmp_path / "out", source=tmp_path / "an4")
    with audio_backend(LibsndfileBackend()):
        assert np.array_equal(cuts(tmp_path / "out")[0].load_audio()[0] * 32768, samples)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "w64", "flac", "mp3", "sph"])
def test_a_recording_that_breaks_off_is_found_by_decoding(tmp_path, suffix):
    path = tmp_path / f"whole.{suffix}"
    if suffix == "sph":
        path.write_bytes(sphere(noise(1.0)[:, 0] * 32767))
    else:
        write_sound(path)
    assert look(path).info.num_samples == RATE
    torn = tmp_path / f"torn.{suffix}"
    torn.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(DataError, match=r"torn.*breaks off after 0\.[0-9]+ s of 1\.00 s"):
        look(torn)


def test_a_stream_whose_header_never_learned_its_length_is_whole(tmp_path):
    data = bytearray(write_sound(tmp_path / "a.wav").read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert look(tmp_path / "a.wav").info.num_samples == RATE


def test_a_header_check_believes_the_header(tmp_path):
    path = write_sound(tmp_path / "a.flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert look(path, check="header").info.num_samples == RATE


def make_kind(folder, kind):
    """Two seconds that training by libsndfile would not read rightly from here."""
    path, sound = folder / f"{kind}.wav", noise(2.0)[:, 0] / 2
    if kind == "chained":
        for name in ("1.ogg", "2.ogg"):
            soundfile.write(folder / name, sound[:RATE], RATE)
        path.write_bytes((folder / "1.ogg").read_bytes() + (folder / "2.ogg").read_bytes())
    elif kind == "piped":
        soundfile.write(path, sound, RATE, format="FLAC")
        data = bytearray(path.read_bytes())
        data[22:26] = bytes(4)  # the count of samples
        path.write_bytes(data)
    elif kind in ("sized 0", "sized 1000"):
        soundfile.write(path, sound, RATE)
        data = bytearray(path.read_bytes())
        at = data.index(b"data") + 4
        data[at : at + 4] = int(kind.split()[1]).to_bytes(4, "little")
        path.write_bytes(data)
    elif kind == "gsm":
        soundfile.write(path, sound[::2], RATE // 2, subtype="GSM610")
    elif kind == "raw":
        path = path.with_suffix(".raw")
        soundfile.write(folder / "a.wav", sound, RATE)
        (folder / "a.wav").rename(path)
    else:
        path = folder / ("ä" * 115 + ".m4a")
        write_media(path, sound, RATE, "aac", "ipod")
    return path


@pytest.mark.parametrize("check", ["decode", "header"])
@pytest.mark.parametrize("kind", ["chained", "piped", "sized 0", "sized 1000", "gsm", "raw", "long name"])
def test_what_is_accepted_is_what_training_reads(tmp_path, kind, check):
    path = make_kind(tmp_path, kind)
    sound = look(path, check)
    assert sound.path.suffix == ".flac" and sound.info.duration == pytest.approx(2.0, abs=0.06)
    cut = cut_of(Utterance("a", path, "yes", where="here"), sound)
    with audio_backend(LibsndfileBackend()):
        trained = cut.load_audio()
    assert trained.shape == (1, sound.info.num_samples)
    np.testing.assert_allclose(trained[0], load(path, sample_rate=RATE), atol=1e-4)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_what_libsndfile_reads_wholly_stays_where_it_is(tmp_path, form):
    soundfile.write(tmp_path / "a", noise(2.0, channels=2), RATE, format=form)
    sound = look(tmp_path / "a")
    assert (sound.path, sound.info) == (tmp_path / "a", AudioInfo(RATE, 2 * RATE, 2))


def test_an_mp3_that_libsndfile_reads_in_part_is_rewritten_whole(tmp_path):
    for name in ("a.mp3", "b.mp3"):
        soundfile.write(tmp_path / name, noise(3.0), RATE)
    (tmp_path / "ab.mp3").write_bytes((tmp_path / "a.mp3").read_bytes() + (tmp_path / "b.mp3").read_bytes())
    sound = look(tmp_path / "ab.mp3")
    assert sound.path.suffix == ".flac" and sound.info.duration == pytest.approx(6.0, abs=0.3)


def test_a_rewritten_file_that_breaks_off_leaves_nothing(tmp_path):
    write_media(tmp_path / "a.mp4", noise(5.0)[:, 0], RATE, "aac", muxer={"movflags": "faststart"})
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a.mp4: breaks off after 2\.\d+ s of 5\.\d+ s"):
        look(tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_one_bad_sample_among_many_is_found(tmp_path):
    samples = noise(10.0)[:, 0]
    samples[0] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    samples[0], samples[3] = 0.1, np.nan
    soundfile.write(tmp_path / "b.wav", samples, RATE, subtype="FLOAT")
    for name in ("a.wav", "b.wav"):
        with pytest.raises(DataError, match="not numbers"):
            look(tmp_path / name)


def test_text_is_normalised_by_its_language(tmp_path):
    source = make_corpus(tmp_path / "data", ["a.wav\tİSTANBUL'DA IŞIK\ttrain", *WHOLE[1:]])
    prepare("folder", tmp_path / "tr", source=source, options=Options(language="tr"))
    prepare("folder", tmp_path / "any", source=source)
    assert [cut.supervisions[0].text for cut in cuts(tmp_path / "tr")] == ["istanbul'da ışık"]
    assert [cut.supervisions[0].text for cut in cuts(tmp_path / "any")] == ["istanbul'da işik"]


REMARKS = (
    "a.wav\tyes <unk> [noise] no\ttrain",
    "b.wav\tyes (laughs) <UNK> (yes)\ttrain",
    "c.wav\t[Music]\ttrain",
    "d.wav\tno\tdev",
    "e.wav\tyes\ttest",
)


def test_remarks_are_no_words_and_are_counted(tmp_path):
    prepared = prepare("folder", tmp_path / "out", source=make_corpus(tmp_path / "data", REMARKS))
    assert [cut.supervisions[0].text for cut in cuts(tmp_path / "out")] == ["yes no", "yes yes"]
    assert (
        "5 remarks in transcripts are left out, since nobody says them: <unk> (2), [noise] (1), (laughs) (1)"
        in (prepared.notes[0])
    )
    [problem] = prepared.problems
    assert problem.where.endswith("list.tsv:4") and "empty" in problem.what


def test_verbatim_keeps_remarks_and_warns(tmp_path):
    source = make_corpus(tmp_path / "data", REMARKS)
    prepared = prepare("folder", tmp_path / "out", source=source, text_form="verbatim")
    assert cuts(tmp_path / "out")[0].supervisions[0].text == "yes <unk> [noise] no"
    assert "transcripts hold remarks, which a model will spell: <unk> (2)" in prepared.notes[0]


def test_what_train_shares_with_dev_and_test_is_told(tmp_path):
    rows = [
        "a.wav\tone two\ttrain",
        "b.wav\tthree\ttrain",
        "copy.wav\tOne, two!\tdev",  # the same bytes under another name
        "other.wav\tthree\tdev",
        "sub/../a.wav\tone two\ttest",
        "new.wav\tone\ttest",
    ]
    source = make_corpus(tmp_path / "data", rows)
    soundfile.write(source / "other.wav", noise(1.0, seed=9), RATE)
    prepared = prepare("folder", tmp_path / "out", source=source)
    assert prepared.notes == (
        "train has of dev 1 recordings with their text, and the sentences of 2 of its 2 utterances; of test 1 recordings "
        "with their text, and the sentences of 1 of its 2 utterances: a score there does not tell how new ones are "
        "recognised",
    )


def test_stretches_of_one_recording_are_not_the_same(tmp_path):
    write_sound(tmp_path / "data/call.wav", 3.0)
    row = '{{"audio_filepath": "call.wav", "text": "{}", "offset": {}, "duration": 1, "id": "{}", "split": "{}"}}\n'
    rows = [row.format("yes", 0, "a", "train"), row.format("yes", 1, "b", "dev"), row.format("yes", 0, "c", "test")]
    (tmp_path / "data/list.jsonl").write_text("".join(rows))
    [note] = prepare("folder", tmp_path / "out", source=tmp_path / "data").notes
    assert note.startswith("train has of dev the sentences of 1 of its 1 utterances; of test 1 recordings")


@pytest.mark.parametrize(
    ("alphabet", "hours", "rate", "units"),
    [
        (26, 0.5, 12, "--tokenizer.units characters (26 characters in 0.5 hours"),
        (26, 50, 12, "--tokenizer.units sentencepiece --tokenizer.size 256"),
        (26, 500, 12, "--tokenizer.units sentencepiece --tokenizer.size 1000"),
        (2000, 500, 4, "--tokenizer.units characters (2000 characters"),
        (
            40,
            2,
            30,
            "--tokenizer.units sentencepiece --tokenizer.size 100 (2 utterances have more characters than frames)",
        ),
    ],
)
def test_units_suit_the_data(alphabet, hours, rate, units):
    letters = "".join(chr(0x4E00 + n) for n in range(alphabet))
    seconds = hours * 3600 / 2
    text = (letters * (int(rate * seconds) // alphabet + 1))[: max(alphabet, int(rate * seconds))]
    made = []
    for name in "ab":
        cut = MonoCut(name, 0.0, seconds, 0)
        cut.supervisions.append(SupervisionSegment(name, name, 0.0, seconds, text=text))
        made.append(cut)
    assert recommended_units(made).startswith(units)
