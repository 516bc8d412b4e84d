"""Training a recogniser, from manifests to a model folder."""

import dataclasses
import io
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from lhotse import SupervisionSegment
from support.listening import Lines
from support.runs import PLAIN, SMALL, batch
from support.tones import RATE, waveform, write_corpus, write_cut

from asr.audio.augment import LIGHT
from asr.data.cuts import load_cuts, save_cuts
from asr.errors import ConfigError, DataError
from asr.model.reading import Chunked, Full
from asr.model.shape import AcousticConfig
from asr.progress import SILENT
from asr.recogniser.model_folder import load_model
from asr.training.goal import Judgement
from asr.training.logbook import read_metrics
from asr.training.settings import BpttConfig, OptimiserConfig
from asr.training.train import WordErrorGoal, train


def test_a_final_run_trains_on_dev_too_and_keeps_its_last_epoch(corpus: Path, tmp_path: Path):
    config = dataclasses.replace(SMALL, final=True, average=0.0, epochs=2)
    heard = io.StringIO()
    best = load_model(train(config, corpus, tmp_path, Lines(heard)))
    assert "22 utterances" in heard.getvalue()
    assert "dev (trained on) WER" in heard.getvalue()
    epochs = [record for record in read_metrics(tmp_path / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["best"] for record in epochs] == [True, True]
    last = torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)["model"]
    assert all(torch.equal(tensor, last[name]) for name, tensor in best.acoustic.state_dict().items())


def test_a_final_run_needs_no_dev_and_few_utterances(tmp_path: Path):
    data = write_corpus(tmp_path, train=2, dev=1)
    (data / "dev.jsonl.gz").unlink()
    config = dataclasses.replace(SMALL, epochs=1)
    with pytest.raises(DataError, match=r"dev\.jsonl\.gz: no such manifest"):
        train(config, data, tmp_path / "run", SILENT)
    best = train(dataclasses.replace(config, final=True), data, tmp_path / "final", SILENT)
    assert (best / "model.safetensors").is_file()


def test_characters_that_train_lacks_are_told(tmp_path: Path):
    data = write_corpus(tmp_path, train=2, dev=2)
    cuts = [cut.cut() for cut in load_cuts(data / "dev.jsonl.gz")]
    for cut in cuts:
        cut.supervisions[0].text = "żż"
    save_cuts(cuts, data / "dev.jsonl.gz")
    heard = io.StringIO()
    train(dataclasses.replace(SMALL, epochs=1), data, tmp_path / "run", Lines(heard))
    assert "note: dev has characters that train lacks: ż (4); no model of it can write them" in heard.getvalue()


def test_training_that_stops_early_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    metrics = dict.fromkeys(("dev_loss", "wer", "wer_low", "wer_high", "cer", "dropped_share"), 0.5)
    monkeypatch.setattr(WordErrorGoal, "judge", lambda goal: Judgement((0.5, 0.5), 1.0, metrics, "dev"))
    data, heard = write_corpus(tmp_path, train=2, dev=2), io.StringIO()
    train(dataclasses.replace(SMALL, epochs=9, patience=2), data, tmp_path / "run", Lines(heard))
    assert heard.getvalue().count("trained,") == 3, "three epochs"
    assert (
        "training stops early: 2 epochs in a row were no better (--patience 2); the best is epoch 1" in heard.getvalue()
    )


def test_it_learns(tmp_path: Path):
    """From a hundred made-up sentences to a few errors in new ones, with truncated BPTT."""
    data = write_corpus(tmp_path, train=100, dev=10)
    config = dataclasses.replace(
        SMALL,
        augment=LIGHT,
        acoustic=AcousticConfig(channels=8, layers=1, hidden=32, dropout=0.0),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        epochs=12,
        batch_seconds=10.0,
        average=0.9,
        checkpoint_every=60.0,
    )
    train(config, data, tmp_path / "run", SILENT)
    epochs = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "epoch"]
    assert epochs[0]["wer"] > 0.9
    assert epochs[-1]["wer"] < 0.3


def test_a_model_trained_in_chunks_is_evaluated_in_chunks(corpus: Path, tmp_path: Path):
    chunked = dataclasses.replace(SMALL, bptt=BpttConfig(mode="chunked", chunk=0.2, lookahead=0.16), epochs=1)
    best = load_model(train(chunked, corpus, tmp_path / "run", SILENT))
    assert best.reading == Chunked(5, 3)
    assert best.latency == pytest.approx((31 + 4) * 0.01 + 0.025)  # a quarter of the lookahead is the level's
    heard = batch(["abc"])
    log_mel, lengths = best.features(heard.waveforms, heard.num_samples)
    emissions = best.emissions(heard.waveforms, heard.num_samples)
    with torch.no_grad():
        chunked, full = (best.acoustic(log_mel, lengths, bptt).log_probs for bptt in (Chunked(5, 3), Full()))
    torch.testing.assert_close(emissions.log_probs, chunked, rtol=0, atol=1e-5)
    assert (emissions.log_probs - full).abs().max() > 1e-3


def test_a_run_on_pieces_of_recordings_hands_their_states_on(tmp_path: Path):
    """Two recordings of four utterances each, in the manifest in any order.

    Each utterance begins where the one before it ended.
    """
    draw, told = random.Random(0), []
    for recording in range(2):
        texts = ["abc", "b", "ca", "abb"]
        sounds = [waveform(text, draw) for text in texts]
        whole = write_cut(tmp_path, f"r{recording}", " ".join(texts), np.concatenate(sounds)).cut()
        ends = np.cumsum([len(sound) for sound in sounds]) / RATE
        for number, (end, sound) in enumerate(zip(ends, sounds, strict=True)):
            piece = whole.truncate(offset=round(end - len(sound) / RATE, 4), duration=len(sound) / RATE)
            piece.supervisions = [
                SupervisionSegment(f"s{number}", whole.recording_id, 0.0, piece.duration, text=texts[number])
            ]
            told.append(piece.with_id(f"r{recording} {number}"))
    for split, cuts in (("train", told[::-1]), ("dev", told[:2])):
        save_cuts(cuts, tmp_path / f"{split}.jsonl.gz")
    config = dataclasses.replace(SMALL, bptt=BpttConfig(segment=0.4, carry=True), epochs=2)
    train(config, tmp_path, tmp_path / "run", SILENT)
    (first, *_, last) = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    assert last["train_loss"] < first["train_loss"]
    assert last["step"] == 2 * 4


def test_recordings_shorter_than_a_window_are_left_out_and_none_left_is_an_error(tmp_path: Path, corpus: Path):
    save_cuts([write_cut(tmp_path, "click", "a", np.zeros(100))], tmp_path / "train.jsonl.gz")
    (tmp_path / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    with pytest.raises(DataError, match="as long as an analysis window"):
        train(PLAIN, tmp_path, tmp_path / "run", SILENT)


def test_float16_on_a_cpu_is_refused(corpus: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="float16 needs a CUDA device"):
        train(dataclasses.replace(SMALL, precision="float16", device="cpu"), corpus, tmp_path, SILENT)


def test_the_model_card_names_no_utterance_transcript_or_path(finished: Path, corpus: Path):
    """A model may be published, and its training data may not."""
    card = (finished / "best" / "README.md").read_text()
    assert "trained on 18 utterances" in card
    assert "dev WER" in card
    for cut in load_cuts(corpus / "train.jsonl.gz"):
        assert cut.id not in card
        assert f'"{cut.text}"' not in card
    assert str(corpus) not in card


def test_what_is_too_short_for_its_text_is_left_out_before_the_first_epoch_and_dev_stays_whole(
    corpus: Path, tmp_path: Path
):
    tight = write_cut(tmp_path, "tight", "abc" * 20, np.zeros(RATE // 2))
    for split in ("train", "dev"):
        save_cuts([*load_cuts(corpus / f"{split}.jsonl.gz"), tight], tmp_path / f"{split}.jsonl.gz")
    told = io.StringIO()
    config = dataclasses.replace(SMALL, epochs=1)
    train(config, tmp_path, tmp_path / "run", Lines(told))
    first, second, third = told.getvalue().splitlines()
    assert first == "1 utterances too short for their text are left out of training: tight"
    assert "18 utterances of" in second
    assert "(5 utterances," in third
    train(config, tmp_path, tmp_path / "run", SILENT)  # the run knows its data again


def test_lower_layers_that_learn_sounds_leave_no_trace_in_the_model(corpus: Path, tmp_path: Path):
    """Only training has their output layer. A run that was interrupted goes on with it."""
    dictionary = tmp_path / "sounds.txt"
    dictionary.write_text("".join(f"{c * n} {' '.join(c * n)}\n" for c in "abc" for n in (1, 2)))
    config = dataclasses.replace(SMALL, pronunciations=str(dictionary), epochs=1)
    folder = train(config, corpus, tmp_path / "run", SILENT)
    best = load_model(folder)
    state = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["model"]
    assert {name.removeprefix("acoustic.") for name in state} - set(best.acoustic.state_dict()) == {
        "sounds.weight",
        "sounds.bias",
    }
    assert train(config, corpus, tmp_path / "run", SILENT) == folder
    started = dataclasses.replace(config, init=str(folder))
    train(started, corpus, tmp_path / "second", SILENT)


def test_pronunciations_need_a_layer_that_learns_them():
    with pytest.raises(ConfigError, match=r"acoustic\.intermediate"):
        dataclasses.replace(SMALL, pronunciations="x", acoustic=AcousticConfig(layers=2))
