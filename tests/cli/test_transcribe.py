"""`asr transcribe`."""

import json
import os
import shutil
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soundfile

from asr.cli.options import read_hotwords
from asr.decoding.commands import Rejection, save_rejection
from asr.errors import ConfigError


def test_transcripts_with_times_as_files_and_on_standard_output(asr, model: Path, recordings: Path, tmp_path: Path):
    test = recordings / "test"
    written = asr("transcribe", test, "--model", model, "--format", "srt", "json", "--out", tmp_path / "o")
    assert written.code == 0, written.err
    assert written.out.splitlines()[:2] == [str(tmp_path / "o" / f"test-0.{form}") for form in ("srt", "json")]
    assert len(list((tmp_path / "o").iterdir())) == 12
    copy = shutil.copy(test / "test-0.wav", tmp_path)
    assert asr("transcribe", copy, "--model", model, "--format", "TextGrid").code == 0
    assert (tmp_path / "test-0.TextGrid").is_file()
    shown = asr("transcribe", copy, "--model", model, "--format", "json", "--out", "-")
    assert shown.out == (tmp_path / "o" / "test-0.json").read_text()


def test_one_bad_file_does_not_keep_the_others_from_being_transcribed(
    asr, model: Path, recordings: Path, tmp_path: Path
):
    good = recordings / "test" / "test-0.wav"
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    result = asr("transcribe", bad, good, "--model", model)
    assert result.code == 1
    assert result.out.startswith(f"{good}\t")
    assert "1 of 2 files could not be transcribed" in result.err


def test_standard_input_is_transcribed(asr, model: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch):
    path = recordings / "test" / "test-0.wav"
    file = asr("transcribe", path, "--model", model)
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(path.read_bytes())

    writer = Thread(target=write)
    writer.start()
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        piped = asr("transcribe", "-", "--model", model)
    writer.join()
    assert piped.code == 0, piped.err
    assert piped.out.split("\t")[1] == file.out.split("\t")[1] and piped.out.startswith("-\t")


def test_a_channel_or_track_is_chosen_and_what_is_amiss_is_told(asr, refused, model: Path, tmp_path: Path):
    path, sound = tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 16_000)
    soundfile.write(path, np.stack([sound, -sound], axis=1), 16_000)
    amiss = asr("transcribe", path, "--model", model)
    assert amiss.code == 0 and amiss.out.startswith(f"{path}\t")
    told, covered = amiss.err.splitlines()
    assert told == f"asr: {path}: its channels cancel each other at 0.00 s; from there on channel 0 is read"
    assert covered.startswith(f"asr: {path}: 1.0 s: ") and " s with sound but no text" in covered
    chosen = asr("transcribe", path, "--model", model, "--channel", 0)
    assert (chosen.out, chosen.err) == (amiss.out, covered + "\n")
    refused(1, "has no channel 2; it has 2", "transcribe", path, "--model", model, "--channel", 2)
    refused(1, "has no sound track 1; it has 1", "transcribe", path, "--model", model, "--track", 1)


def test_a_model_folder_works_wherever_it_is_copied(asr, model: Path, recordings: Path, tmp_path: Path):
    copy = shutil.copytree(model, tmp_path / "elsewhere")
    here, there = (asr("transcribe", recordings / "test", "--model", folder) for folder in (model, copy))
    assert here.code == there.code == 0
    assert here.out == there.out


def test_nbest_is_checked_before_a_model_is_loaded(refused, noise: Path, tmp_path: Path):
    for options in (["--nbest", 3], ["--nbest", 0, "--beam", 4], ["--nbest", 2, "--beam", 4, "--format", "srt"]):
        refused(2, f"--nbest {options[1]} is not allowed", "transcribe", noise, "--model", tmp_path, *options)


def test_hot_words_have_their_bonus_or_the_usual_one(tmp_path: Path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffcab ab\n\n bac \t2.5\n", encoding="utf-8")
    assert read_hotwords(path) == {"cab ab": 6.0, "bac": 2.5}
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no hot words to read"):
        read_hotwords(path)


def test_mistakes_end_in_one_clear_line(refused, model: Path, noise: Path, text: Path, tmp_path: Path):
    endless = tmp_path / "endless.txt"
    endless.write_text("hello\tnan\n")
    of_noise = ("transcribe", noise, "--model", model)
    refused(1, "noise.wav: not readable as audio", *of_noise)
    refused(1, "none.wav: no such audio file", "transcribe", tmp_path / "none.wav", "--model", model)
    (tmp_path / "empty").mkdir()
    refused(1, "no audio file in this folder", "transcribe", tmp_path / "empty", "--model", model)
    refused(2, "no file to transcribe", "transcribe", "--model", model)
    refused(1, "text.txt", "transcribe", noise, "--model", text)
    refused(2, "no device abacus", *of_noise, "--device", "abacus")
    refused(2, "--out needs --format", *of_noise, "--out", tmp_path)
    refused(2, "doc", *of_noise, "--format", "doc")
    refused(2, "standard output takes one", "transcribe", noise, *of_noise[1:], "--format", "srt", "--out", "-")
    refused(2, "two recordings would be written", "transcribe", noise, *of_noise[1:], "--format", "srt")
    refused(1, "none.arpa: no language model", *of_noise, "--lm", tmp_path / "none.arpa")
    refused(1, "text.txt: not an n-gram language model", *of_noise, "--lm", text)
    refused(1, "has no language model", *of_noise, "--lm")
    refused(2, "--second needs --lm", *of_noise, "--second", model)
    refused(2, "beam must lie in [1, 100000]", *of_noise, "--beam", "0")
    refused(2, "no hot words to read", *of_noise, "--hotwords", tmp_path / "none")
    refused(2, "a bonus is no finite number", *of_noise, "--hotwords", endless)


def test_commands_are_printed_with_name_and_slots_or_rejected(
    asr, refused, model: Path, recordings: Path, tmp_path: Path
):
    copy, grammar, heard = shutil.copytree(model, tmp_path / "model"), tmp_path / "c.txt", recordings / "test"
    grammar.write_text("letters: {first: a | b | c} [b]\n")
    command = ("transcribe", heard, "--model", copy, "--commands", grammar)
    save_rejection(copy, Rejection(-1000.0))
    lines = [line.split("\t") for line in asr(*command).out.splitlines()]
    assert len(lines) == 6
    for _file, text, name, slots in lines:
        assert (name, slots) == ("letters", f"first={text.split()[0]}")
    found = json.loads(asr("transcribe", heard / "test-0.wav", *command[2:], "--format", "json", "--out", "-").out)
    (segment,) = found["segments"]
    assert segment["text"] == lines[0][1] and segment["command"]["slots"] == {"first": lines[0][1][0]}
    assert segment["command"]["name"] == "letters" and -1000 < segment["command"]["score"] < 0
    ranked = [line.split("\t") for line in asr(*command, "--nbest", 2).out.splitlines()]
    assert len(ranked) == 12 and [row[2] for row in ranked[::2]] == [line[1] for line in lines]
    assert all(float(one[1]) >= float(other[1]) for one, other in zip(ranked[::2], ranked[1::2], strict=True))
    save_rejection(copy, Rejection(0.0))
    assert [line.split("\t")[1:] for line in asr(*command).out.splitlines()] == [[""]] * 6
    refused(2, "commands take the place of a search", *command, "--beam", 5)
    grammar.write_text("turn (on | off\n")
    refused(2, "c.txt:1: a ) is missing", *command)
    grammar.write_text("turn off\n")
    refused(2, "command 'turn off': the model has no tokens for 'turn', 'off'", *command)
