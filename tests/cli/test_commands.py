"""The command line end to end on made-up speech, and one clear line for each of a user's mistakes."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from support.tones import RATE, sentence, waveform, write_corpus

from asr import cli
from asr.cli.recipe import recipe
from asr.model.acoustic import AcousticConfig
from asr.recogniser.model_folder import load_model
from asr.text.tokenizer import TokenizerConfig
from asr.training.settings import OptimiserConfig, TrainConfig

SMALL = [
    "--acoustic.channels",
    "4",
    "--acoustic.layers",
    "1",
    "--acoustic.hidden",
    "16",
    "--threads",
    "1",
    "--loaders",
    "0",
]


class Result:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def asr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capfd.readouterr()
        return Result(stop.value.code, printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: recordings and a text file beside each."""
    folder = tmp_path_factory.mktemp("recordings")
    draw = random.Random(0)
    for split, count in (("train", 24), ("dev", 4), ("test", 6)):
        (folder / split).mkdir()
        for number in range(count):
            text = sentence(draw)
            soundfile.write(folder / split / f"{split}-{number}.wav", waveform(text, draw), RATE)
            (folder / split / f"{split}-{number}.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, hardly trained."""
    from asr.progress import SILENT
    from asr.training.train import train

    folder = tmp_path_factory.mktemp("model")
    config = TrainConfig(acoustic=AcousticConfig(channels=4, layers=1, hidden=8), epochs=1, threads=1, loaders=0)
    return train(config, write_corpus(folder, train=4, dev=2), folder / "run", SILENT)


def test_from_a_folder_of_recordings_to_a_word_error_rate(asr, recordings: Path, tmp_path: Path):
    prepared = asr("prepare", "folder", "--source", recordings, "--out", tmp_path / "data")
    assert prepared.code == 0, prepared.err
    assert re.search(r"train\W+24\b", prepared.out)
    trained = asr("train", tmp_path / "data", "--out", tmp_path / "run", "--epochs", 1, *SMALL)
    assert trained.code == 0, trained.err
    assert "dev WER" in trained.err
    best, test = tmp_path / "run" / "best", tmp_path / "data" / "test.jsonl.gz"
    evaluated = asr("evaluate", test, "--model", best, "--json", "--hypotheses", tmp_path / "heard.txt")
    assert evaluated.code == 0, evaluated.err
    figures = json.loads(evaluated.out)
    assert figures["utterances"] == 6
    assert figures["wer"].keys() == {"value", "low", "high"}
    said = tmp_path / "said.txt"
    lines = [f"{path.stem} {path.read_text()}\n" for path in (recordings / "test").glob("*.txt")]
    ids = {line.split()[0] for line in (tmp_path / "heard.txt").read_text().splitlines()}
    said.write_text(
        "".join(f"{next(i for i in ids if i.endswith(line.split()[0]))} {line.split(maxsplit=1)[1]}" for line in lines)
    )
    scored = asr("score", said, tmp_path / "heard.txt", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out) == figures
    page = tmp_path / "page.html"
    broken_down = asr("evaluate", test, "--model", best, "--by", "duration", "--normalise", "basic", "--html", page)
    assert broken_down.code == 0, broken_down.err
    assert "by duration" in broken_down.out and "basic normalisation" in broken_down.out
    assert "test-0.wav" in page.read_text(encoding="utf-8")
    heard = asr("transcribe", recordings / "test", "--model", best)
    assert heard.code == 0, heard.err
    assert len(heard.out.splitlines()) == 6
    assert heard.out.splitlines()[0].startswith(str(recordings / "test" / "test-0.wav") + "\t")


def test_two_systems_are_compared_in_tables_json_and_a_page(asr, tmp_path: Path):
    said, one, two = (tmp_path / name for name in ("said.trn", "one.txt", "two.txt"))
    said.write_text("".join(f"o k go (u{number})\n" for number in range(20)))
    one.write_text("".join(f"u{number} o k go\n" for number in range(20)))
    two.write_text("".join(f"u{number} o k\n" for number in range(20)))
    page = tmp_path / "page.html"
    shown = asr("score", said, one, two, "--html", page)
    assert shown.code == 0, shown.err
    assert "one.txt is better than two.txt by 33.33 points" in " ".join(shown.out.split())
    assert shown.out.endswith(f"{page}\n")
    assert "33.33 points" in page.read_text(encoding="utf-8")
    printed = asr("score", said, one, two, "--json")
    assert [system["wer"]["value"] for system in json.loads(printed.out)["systems"]] == [0, 1 / 3]
    plain = asr("score", one, two, "--plain", "--json")
    assert json.loads(plain.out)["deletions"] == 20


def test_scoring_does_not_load_pytorch(tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("u hello\n")
    (tmp_path / "other.txt").write_text("u hallo\n")
    code = (
        "import sys; from asr import cli\n"
        f"sys.argv = ['asr', 'score', {str(text)!r}, {str(tmp_path / 'other.txt')!r}, '--html', {str(tmp_path / 'p.html')!r}]\n"
        "try: cli.main()\nexcept SystemExit as stop: sys.exit(stop.code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_from_recordings_without_transcripts_to_weights_that_training_begins_with(
    asr, recordings: Path, tmp_path: Path
):
    heard = asr("pretrain", recordings / "train", "--out", tmp_path / "heard", "--epochs", 1, *SMALL)
    assert heard.code == 0, heard.err
    best = tmp_path / "heard" / "best"
    assert heard.out == f"pretrained model: {best}\n"
    refused = asr("transcribe", recordings / "test", "--model", best)
    assert refused.code == 1
    assert refused.err.endswith(f"train it: asr train DATA --init {best}\n") and refused.err.count("\n") == 1
    assert asr("prepare", "folder", "--source", recordings, "--out", tmp_path / "data").code == 0
    trained = asr("train", tmp_path / "data", "--out", tmp_path / "run", "--init", best, "--epochs", 1, *SMALL)
    assert trained.code == 0, trained.err
    wider = asr("train", tmp_path / "data", "--out", tmp_path / "wider", "--init", best)
    assert wider.code == 2
    assert "asr: init: that model has another shape (acoustic.channels was 4, is 32; acoustic.layers" in wider.err
    assert asr("pretrain", "--out", tmp_path / "none").code == 2


def test_a_recipe_ends_with_one_line_of_its_test_error(monkeypatch, capfd, recordings: Path, tmp_path: Path):
    config = TrainConfig(epochs=1, optimiser=OptimiserConfig(learning_rate=1e-3))
    arguments = ["--source", recordings, "--out", tmp_path, "--acoustic.dropout", "0.0", *SMALL]
    monkeypatch.setattr(sys, "argv", ["recipes/own.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        recipe("folder", config)
    printed = capfd.readouterr()
    assert stop.value.code == 0, printed.err
    assert re.fullmatch(r"test WER \d+\.\d\d % \[\d+\.\d, \d+\.\d\] \(6 utterances, \d+ words\)\n", printed.out)
    assert json.loads((tmp_path / "config.json").read_text())["config"]["acoustic"]["dropout"] == 0.0
    assert {"data", "best", "checkpoints", "curves.png", "metrics.jsonl", "test.json"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_a_recipe_with_a_fast_setting_begins_with_it_on_request(monkeypatch, capfd, recordings: Path, tmp_path: Path):
    config, fast = TrainConfig(epochs=2), TrainConfig(epochs=1)
    arguments = ["--source", recordings, "--out", tmp_path, "--fast", "--acoustic.dropout", "0.0", *SMALL]
    monkeypatch.setattr(sys, "argv", ["recipes/own.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        recipe("folder", config, fast=(fast,))
    assert stop.value.code == 0, capfd.readouterr().err
    capfd.readouterr()
    stored = json.loads((tmp_path / "config.json").read_text())["config"]
    assert (stored["epochs"], stored["acoustic"]["dropout"]) == (1, 0.0)
    with pytest.raises(SystemExit) as stop:
        recipe("folder", config)
    assert stop.value.code == 2
    assert "--fast" in capfd.readouterr().err


def test_each_stage_of_a_recipe_begins_with_the_weights_of_the_one_before(
    monkeypatch, capfd, recordings: Path, tmp_path: Path
):
    characters = TrainConfig(epochs=1)
    words = TrainConfig(
        epochs=2, tokenizer=TokenizerConfig(units="words"), optimiser=OptimiserConfig(learning_rate=1e-12)
    )
    arguments = ["--source", recordings, "--out", tmp_path, "--acoustic.dropout", "0.0", *SMALL]
    monkeypatch.setattr(sys, "argv", ["recipes/own.py", *map(str, arguments)])
    for _ in range(2):  # the second time all is finished
        with pytest.raises(SystemExit) as stop:
            recipe("folder", characters, words)
        printed = capfd.readouterr()
        assert stop.value.code == 0, printed.err
        assert printed.out.count("\n") == 1
    stored = [json.loads((run / "config.json").read_text())["config"] for run in (tmp_path / "stage-1", tmp_path)]
    assert [config["epochs"] for config in stored] == [1, 2]
    assert [config["acoustic"]["dropout"] for config in stored] == [0.0, 0.0]
    assert [config["init"] for config in stored] == [None, str(tmp_path / "stage-1" / "best")]
    first, second = (load_model(run / "best") for run in (tmp_path / "stage-1", tmp_path))
    assert second.tokenizer.size > first.tokenizer.size
    for name, tensor in first.acoustic.layers.state_dict().items():
        torch.testing.assert_close(second.acoustic.layers.state_dict()[name], tensor, rtol=0, atol=1e-8)


def test_a_recipe_does_not_mix_two_corpora_in_one_run(monkeypatch, capfd, recordings: Path, tmp_path: Path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["own.py", "--source", str(recordings), "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as stop:
        recipe("folder", TrainConfig())
    assert stop.value.code == 2
    assert "holds a run on other data" in capfd.readouterr().err


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


def test_known_texts_are_aligned(asr, model: Path, recordings: Path, tmp_path: Path):
    recording, said = recordings / "test" / "test-0.wav", (recordings / "test" / "test-0.txt")
    found = asr("align", recording, said, "--model", model)
    assert found.code == 0, found.err
    lines = [line.split() for line in found.out.splitlines()]
    assert [line[4] for line in lines] == said.read_text().split()
    assert all(line[:2] == ["test-0", "1"] and len(line) == 6 for line in lines)
    assert asr("align", recording, said.read_text(), "--model", model).out == found.out
    dev = model.parent.parent / "dev.jsonl.gz"
    assert asr("align", dev, "--model", model).out.count("dev-00 ") > 0
    grids = asr("align", dev, "--model", model, "--format", "TextGrid", "--out", tmp_path)
    assert sorted(grids.out.splitlines()) == [str(tmp_path / f"dev-0{n}.TextGrid") for n in range(2)]


def test_a_calibration_is_kept_with_its_model(asr, recordings: Path, model: Path, tmp_path: Path):
    copy = shutil.copytree(model, tmp_path / "model")
    assert asr("prepare", "folder", "--source", recordings, "--out", tmp_path / "data").code == 0
    few = asr("calibrate", tmp_path / "data" / "dev.jsonl.gz", "--model", copy)
    assert few.code == 1 and "4 utterances are too few" in few.err
    assert not (copy / "confidence.json").exists()
    found = asr("calibrate", tmp_path / "data" / "train.jsonl.gz", "--model", copy)
    assert found.code == 0, found.err
    assert "train words" in found.out and "train utterances" in found.out
    assert (copy / "reliability.png").stat().st_size > 10_000
    heard = recordings / "test" / "test-0.wav"
    before, after = (asr("transcribe", heard, "--model", m, "--format", "ctm", "--out", "-").out for m in (model, copy))
    assert [line.split()[:5] for line in before.splitlines()] == [line.split()[:5] for line in after.splitlines()]
    assert before != after


def test_gradients_of_fresh_networks_and_of_a_model(asr, model: Path, tmp_path: Path):
    dev = model.parent.parent / "dev.jsonl.gz"
    fresh = asr("gradients", dev, "--out", tmp_path / "fresh", "--layers", 2, "--hidden", 8, "--distance", 0.4)
    assert fresh.code == 0, fresh.err
    described = json.loads((tmp_path / "fresh" / "gradients.json").read_text())
    assert [network["cell"] for network in described] == ["rnn", "gru", "lstm"]
    assert [len(network["layers"]) for network in described] == [4, 4, 4]
    assert (tmp_path / "fresh" / "gradients.png").stat().st_size > 10_000
    gained = asr("gradients", dev, "--out", tmp_path / "gained", "--layers", 2, "--hidden", 8, "--gain", 2)
    assert gained.code == 0, gained.err
    growths = [
        json.loads((tmp_path / name / "gradients.json").read_text())[0]["layers"][0]["growth_per_frame"]
        for name in ("fresh", "gained")
    ]
    assert growths[1] > 1.2 * growths[0]
    trained = asr("gradients", dev, "--out", tmp_path / "trained", "--model", model)
    assert trained.code == 0, trained.err
    (described,) = json.loads((tmp_path / "trained" / "gradients.json").read_text())
    assert described["name"] == str(model)


def test_language_models_are_trained_tuned_and_used(asr, model: Path, recordings: Path, tmp_path: Path):
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
    names = tmp_path / "names.txt"
    names.write_text("cab ab\nbac\t2.5\n")
    hot = asr("transcribe", sound, "--model", folder, "--beam", 5, "--hotwords", names)
    assert hot.code == 0, hot.err


def test_each_command_lists_its_options(asr):
    assert "usage: asr COMMAND" in asr().out
    for name in cli.COMMANDS:
        shown = asr(name, "--help")
        assert shown.code == 0
        assert f"usage: asr {name}" in shown.out


def test_mistakes_end_in_one_clear_line(asr, model: Path, tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("a-1 hello\n")
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not audio at all")
    manifest = tmp_path / "cuts.jsonl"
    manifest.write_text('{"id": "a"\n')
    other = tmp_path / "other.txt"
    other.write_text("b-1 hello\n")
    endless = tmp_path / "endless.txt"
    endless.write_text("hello\tnan\n")
    mistakes = {
        ("sing",): ("no such command: sing", 2),
        ("prepare", "an4", "--source", tmp_path / "none", "--out", tmp_path / "o"): ("none", 1),
        ("prepare", "nothing", "--source", tmp_path, "--out", tmp_path / "o"): ("nothing", 2),
        ("prepare", "folder", "--source", tmp_path / "model", "--out", tmp_path / "o"): ("model", 1),
        ("train", tmp_path / "none", "--out", tmp_path / "o"): ("no such manifest", 1),
        ("train", tmp_path, "--out", tmp_path / "o", "--acoustic.hiden", "3"): ("--acoustic.hiden", 2),
        ("train", tmp_path, "--out", tmp_path / "o", "--acoustic.hidden=-3"): ("acoustic.hidden must be at least 1", 2),
        ("train", tmp_path, "--out", tmp_path / "o", "--acoustic.cell", "cnn"): ("cnn", 2),
        ("train", tmp_path, "--out", tmp_path / "o", "--epochs", "many"): ("many", 2),
        ("evaluate", manifest, "--model", model): ("cuts.jsonl:1: not JSON", 1),
        ("evaluate", tmp_path / "none", "--model", model): ("no such manifest", 1),
        ("evaluate", manifest, "--model", tmp_path): ("not a model folder", 1),
        ("transcribe", noise, "--model", model): ("noise.wav: not readable as audio", 1),
        ("transcribe", tmp_path / "none.wav", "--model", model): ("none.wav: no such audio file", 1),
        ("transcribe", "--model", model): ("no file to transcribe", 2),
        ("transcribe", noise, "--model", model, "--device", "abacus"): ("no device abacus", 2),
        ("transcribe", noise, "--model", model, "--out", tmp_path): ("--out needs --format", 2),
        ("transcribe", noise, "--model", model, "--format", "doc"): ("doc", 2),
        ("transcribe", noise, noise, "--model", model, "--format", "srt", "--out", "-"): (
            "standard output takes one",
            2,
        ),
        ("transcribe", noise, noise, "--model", model, "--format", "srt"): ("two recordings would be written", 2),
        ("align", noise, "abc", "--model", model): ("noise.wav: not readable as audio", 1),
        ("align", noise, "--model", model): ("say what is said in", 2),
        ("align", noise, "missing.txt", "--model", model): ("missing.txt: no such text file", 1),
        ("align", tmp_path / "none.wav", "abc", "--model", model): ("none.wav: no such audio file", 1),
        ("align", manifest, "abc", "--model", model): ("a manifest has its own transcripts", 2),
        ("align", model.parent.parent / "dev-00.wav", "xyz", "--model", model): ("no tokens for 'xyz'", 1),
        ("align", model.parent.parent / "dev-00.wav", "abc " * 99, "--model", model): ("the recording has", 1),
        ("calibrate", tmp_path / "none", "--model", model): ("no such manifest", 1),
        ("transcribe", noise, "--model", model, "--lm", tmp_path / "none.arpa"): ("none.arpa: no language model", 1),
        ("transcribe", noise, "--model", model, "--lm", text): ("text.txt: not an n-gram language model", 1),
        ("transcribe", noise, "--model", model, "--lm"): ("has no language model", 1),
        ("transcribe", noise, "--model", model, "--beam", "0"): ("beam must be at least 1", 2),
        ("transcribe", noise, "--model", model, "--nbest", "3"): ("--nbest 3", 2),
        ("transcribe", noise, "--model", model, "--hotwords", tmp_path / "none"): ("no hot words to read", 2),
        ("transcribe", noise, "--model", model, "--hotwords", endless): ("a bonus is no finite number", 2),
        ("evaluate", manifest, "--model", model, "--lm", tmp_path): ("language model", 1),
        ("lm", "train", tmp_path / "none", "--out", tmp_path / "o"): ("none: cannot be read", 1),
        ("lm", "train", text, "--out", tmp_path / "o", "--order", "12"): ("--order 12", 2),
        ("tune", tmp_path / "none", "--model", model, "--lm", tmp_path / "none.arpa"): ("none.arpa", 1),
        ("score", text, tmp_path / "none.txt"): ("none.txt", 1),
        ("score", text, other): ("", 1),
        ("score", text): ("asr score", 2),
        ("score", text, text, "--by", "room"): ("--by room: no utterance has it", 2),
        ("score", text, other, "--json"): ("no utterance id is in both", 1),
        ("score", text, text, "--samples", "0"): ("samples must be at least 1, got 0", 2),
        ("score", text, text, "--normalise", "klingon"): ("klingon", 2),
        ("gradients", tmp_path / "none"): ("no such manifest", 1),
        ("gradients", manifest, "--model", tmp_path): ("cuts.jsonl:1: not JSON", 1),
        ("gradients", model.parent.parent / "dev.jsonl.gz", "--distance", "0"): ("distance must be positive", 2),
        ("gradients", manifest, "--distance", "nan"): ("distance must be a finite number, got nan", 2),
        ("gradients", manifest, "--gain", "inf"): ("gain must be a finite number, got inf", 2),
    }
    for arguments, (message, code) in mistakes.items():
        result = asr(*arguments)
        complaint = result.err.strip().splitlines()
        assert result.code == code, (arguments, result.err)
        assert "Traceback" not in result.err
        assert all(line.startswith("asr: ") for line in complaint), (arguments, complaint)
        assert len(complaint) == 1, (arguments, complaint)
        assert message in result.err, (arguments, result.err)


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


def test_a_model_folder_works_wherever_it_is_copied(asr, model: Path, recordings: Path, tmp_path: Path):
    copy = shutil.copytree(model, tmp_path / "elsewhere")
    here, there = (asr("transcribe", recordings / "test", "--model", folder) for folder in (model, copy))
    assert here.code == there.code == 0
    assert here.out == there.out
