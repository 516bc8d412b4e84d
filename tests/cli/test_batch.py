"""Many recordings with one `asr transcribe`: their files, what is there already, how far it is."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
from support.tiny import RATE, gusts, recogniser
from support.told import Told

from asr.audio.folder import Found
from asr.recogniser.model_folder import save_model
from asr.transcription.archive import Job, Reading, jobs, transcribed
from asr.transcription.journal import Journal
from asr.transcription.transcribe import Transcriber

FORMS = ("txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model that finds letters in gusts of noise."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, recogniser(seed=1), readme="")
    return folder


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # soundfile cannot take every name
        soundfile.write(file, gusts(RATE // 2, seed=seed), RATE, format="WAV")
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folders_are_mirrored(asr, model: Path, tmp_path: Path):
    for number, name in enumerate(("d1/0001", "d2/0001")):
        write(tmp_path / "in" / f"{name}.wav", number)
    ran = asr("transcribe", tmp_path / "in", "--model", model, "--format", "json", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert files(tmp_path / "out") == ["d1/0001.json", "d2/0001.json"]
    both = (tmp_path / "in" / name for name in ("d1", "d2"))
    asr("transcribe", *both, "--model", model, "--format", "ctm", "--out", tmp_path / "out")
    assert files(tmp_path / "out") == ["d1/0001.ctm", "d1/0001.json", "d2/0001.ctm", "d2/0001.json"]


def test_what_has_its_files_is_skipped(asr, refused, model: Path, tmp_path: Path):
    for name in "abc":
        write(tmp_path / "in" / f"{name}.wav")
    command = ("transcribe", tmp_path / "in", "--format", "srt", "txt", "--out", tmp_path / "out", "--skip-existing")
    assert asr(*command, "--model", model).code == 0
    (tmp_path / "out" / "b.txt").unlink()
    again = asr(*command, "--model", model)
    assert again.out.splitlines() == [str(tmp_path / "out" / f"b.{form}") for form in ("srt", "txt")]
    assert again.err.splitlines()[0] == "asr: 2 of 3 recordings have their files already"
    nothing = asr(*command, "--model", tmp_path / "no model is needed")
    assert (nothing.code, nothing.out) == (0, "")
    refused(2, "--skip-existing needs files", "transcribe", tmp_path, "--model", model, "--skip-existing")


def test_what_a_killed_process_left_of_finished_recordings_is_removed(asr, model: Path, tmp_path: Path):
    for name in "ab":
        write(tmp_path / "in" / f"{name}.wav")
    out = tmp_path / "out"
    command = ("transcribe", tmp_path / "in", "--format", "srt", "json", "--out", out, "--skip-existing")
    assert asr(*command, "--model", model).code == 0
    expected = files(out)
    (out / "b.json").unlink()
    left = [out / "a.partial.jsonl", out / "a.partial.safetensors", out / ".b.json.0123abcd.part"]
    others = [out / "c.partial.jsonl", out / ".c.json.0123abcd.part", out / ".a.json.part"]
    for path in (*left, *others):
        path.write_text("{}")
    assert asr(*command, "--model", model).code == 0
    assert files(out) == sorted([*expected, ".b.json.0123abcd.part", *(path.name for path in others)]), "b was not done"
    with Journal(out / "b"):
        asr(*command)
        assert left[2].exists(), "a living process may be writing"
    asr(*command)
    assert files(out) == sorted([*expected, *(path.name for path in others)])


def test_texts_beside_recordings_may_be_an_earlier_runs_if_they_are_skipped(asr, refused, model: Path, tmp_path: Path):
    write(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("what was really said")
    command = ("transcribe", tmp_path, "--model", model, "--format", "txt")
    refused(2, "may be a transcript", *command)
    assert asr(*command, "--skip-existing").code == 0
    assert (tmp_path / "a.txt").read_text() == "what was really said"


def test_another_process_may_do_some_meanwhile(tmp_path: Path):
    """Files are looked for again when a recording's turn comes."""
    waiting = [Job(write(tmp_path / f"{n}.wav"), Path(n), (tmp_path / f"{n}.srt",)) for n in "abc"]
    found = transcribed(Transcriber(recogniser()), waiting, Told(), Reading(skip=True))
    assert next(found).stem == Path("a")
    (tmp_path / "b.srt").touch()
    assert [transcript.stem for transcript in found] == [Path("c")]


def test_standard_input_is_a_recording(asr, refused, model: Path, tmp_path: Path, monkeypatch):
    sound = write(tmp_path / "a.wav")
    command = ("transcribe", "-", "--model", model)

    def piped(*options):
        reader, writer = os.pipe()
        os.write(writer, sound.read_bytes())
        os.close(writer)
        with os.fdopen(reader) as pipe:
            monkeypatch.setattr(sys, "stdin", pipe)
            return asr(*command, *options)

    text = asr("transcribe", sound, "--model", model).out.split("\t")[1]
    assert piped().out == f"-\t{text}"
    assert piped("--format", "srt", "--out", tmp_path / "out").code == 0
    assert files(tmp_path / "out") == ["standard-input.srt"]
    assert piped("--format", "ctm", "--out", "-").out.startswith("standard-input 1 ")
    refused(2, "standard input lies in no folder", *command, "--format", "srt")
    monkeypatch.setattr(sys, "stdin", None)
    refused(1, "standard input: brings no recording", *command)


def test_a_name_as_long_as_a_file_system_takes_has_all_files(asr, model: Path, tmp_path: Path):
    for name in ("a" * 250 + "b", "a" * 250 + "c", "é" * 125):
        write(tmp_path / "in" / f"{name}.wav")
    ran = asr("transcribe", tmp_path / "in", "--model", model, "--format", *FORMS, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert len(files(tmp_path / "out")) == 3 * len(FORMS)


def test_a_name_of_another_encoding_is_escaped(asr, model: Path, tmp_path: Path):
    odd = write(Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.wav")))
    plain = asr("transcribe", odd, "--model", model)
    assert plain.code == 0, plain.err
    assert plain.out.startswith(f"{tmp_path}/caf\\udce9.wav\t")
    shown = asr("transcribe", odd, "--model", model, "--format", "ctm", "--out", "-")
    assert shown.out.startswith("caf\\udce9 1 ")
    ran = asr("transcribe", odd, "--model", model, "--format", *FORMS)
    assert ran.code == 0, ran.err
    assert odd.with_suffix(".ctm").read_text().startswith("caf\\udce9 1 ")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "été".encode()), ("koi8-r", b"\\xe9t\\xe9")])
def test_what_an_encoding_lacks_is_no_traceback(asr, model: Path, tmp_path: Path, monkeypatch, encoding, shown):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    assert asr("transcribe", write(tmp_path / "été.wav"), "--model", model).code == 0
    assert printed.getvalue().startswith(bytes(tmp_path) + b"/" + shown + b".wav\t")


def test_a_folder_without_permission_is_named_and_the_others_are_read(asr, model: Path, tmp_path: Path, forbidden):
    write(tmp_path / "a" / "1.wav")
    good = write(tmp_path / "b" / "2.wav")
    forbidden(tmp_path / "a")
    ran = asr("transcribe", tmp_path, "--model", model)
    assert ran.code == 1 and ran.out.startswith(f"{good}\t") and ran.out.count("\n") == 1
    assert f"asr: {tmp_path / 'a'}: cannot be read (Permission denied)\n" in ran.err
    assert "1 of 2 files could not be transcribed" in ran.err


def test_one_ctm_of_many_recordings_tells_them_apart(asr, model: Path, tmp_path: Path, monkeypatch):
    for number, name in enumerate(("d1/0001.wav", "d2/0001.wav", "d2/a b.wav", "d2/a_b.wav", "d2/c.wav")):
        write(tmp_path / name, number)
    shutil.copy(tmp_path / "d2/c.wav", tmp_path / "d2/c.au")
    monkeypatch.chdir(tmp_path)
    ran = asr("transcribe", "d1", "d2", "--model", model, "--format", "ctm", "--out", "-")
    assert ran.code == 0, ran.err
    names = list(dict.fromkeys(line.split()[0] for line in ran.out.splitlines()))
    assert names == ["d1/0001", "d2/0001", "d2/a_b", "d2/a_b-2", "d2/c", "d2/c-2"]
    alone = asr("transcribe", "d1", "--model", model, "--format", "ctm", "--out", "-")
    assert {line.split()[0] for line in alone.out.splitlines()} == {"0001"}


def test_progress_is_told_by_bytes_and_within_recordings(tmp_path: Path):
    """It only grows, and ends when all is done."""
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    for path, seconds in zip(paths, (25, 1, 0), strict=True):
        soundfile.write(path, gusts(seconds * RATE), RATE)
    (tmp_path / "c.wav").write_text("not audio")
    told = Told()
    waiting = jobs([Found(path, Path(path.name)) for path in paths], (), None)
    found = list(transcribed(Transcriber(recogniser()), waiting, told, Reading()))
    assert [transcript.error is None for transcript in found] == [True, True, False]
    ((_, total, done),) = told.bars
    sizes = [path.stat().st_size for path in paths]
    assert total == sum(sizes) and done[-1] == total
    assert done == sorted(done) and len([amount for amount in done if amount < sizes[0]]) >= 2
    assert {sizes[0], sum(sizes[:2])} <= set(done)


@pytest.mark.parametrize("options", [(), ("--format", "srt", "--out", "out")])
def test_recordings_read_together_are_written_in_their_order(asr, refused, model, recordings, tmp_path, options):
    options = [tmp_path / one if one == "out" else one for one in options]
    test = recordings / "test"
    shown = [asr("transcribe", test, "--model", model, "--jobs", jobs, *options) for jobs in (1, 3)]
    assert shown[0].code == shown[1].code == 0, shown[1].err
    assert shown[0].out == shown[1].out and len(shown[0].out.splitlines()) == 6
    refused(2, "--jobs 0 is not allowed", "transcribe", test, "--model", model, "--jobs", 0)
