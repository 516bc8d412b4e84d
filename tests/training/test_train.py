"""The trainer: a run is a function of its settings and data, whatever kills it; and its corner cases."""

import copy
import dataclasses
import io
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from lhotse import SupervisionSegment
from support.listening import Lines
from support.tones import RATE, waveform, write_corpus, write_cut

from asr.audio.augment import LIGHT
from asr.audio.log_mel import FeatureConfig
from asr.config import to_dict
from asr.data.batches import Batch, collate
from asr.data.cuts import save_cuts
from asr.errors import AsrError, ConfigError, DataError, ModelError, TrainingError
from asr.model.acoustic import AcousticConfig
from asr.model.bptt import Chunked, Full
from asr.model.recurrent import Cell
from asr.progress import SILENT, Progress
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig
from asr.training.logbook import read_metrics
from asr.training.objective import Transcription
from asr.training.settings import BpttConfig, ConsistencyConfig, OptimiserConfig, TrainConfig
from asr.training.train import train
from asr.training.trainer import Trainer
from asr.training.transfer import adopt

SMALL = TrainConfig(
    acoustic=AcousticConfig(channels=4, layers=2, hidden=12, intermediate=(1,)),
    bptt=BpttConfig(segment=0.4),
    epochs=3,
    batch_seconds=4.0,
    threads=2,
    checkpoint_every=0.0,
)
PLAIN = dataclasses.replace(
    SMALL,
    acoustic=dataclasses.replace(SMALL.acoustic, dropout=0.0),
    augment=dataclasses.replace(LIGHT, speeds=(1.0,), time_masks_per_second=0.0, frequency_masks=0),
)
TOKENIZER = CharacterTokenizer(" abc")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=18, dev=4)


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished")
    train(SMALL, corpus, out, quiet())
    return out


def quiet() -> Progress:
    return SILENT


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    best = safetensors.torch.load_file(run / "best" / "model.safetensors")
    return {
        **state["model"],
        **{f"averaged.{n}": t for n, t in state["averaged"].items()},
        **{f"best.{n}": t for n, t in best.items()},
    }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def batch(texts: list[str], seconds: list[float] | None = None) -> Batch:
    draw = random.Random(1)
    samples = [waveform(text, draw) for text in texts]
    if seconds is not None:
        samples = [s[: int(length * RATE)] for s, length in zip(samples, seconds, strict=True)]
    names = [f"utterance-{n}" for n in range(len(texts))]
    return collate(names, texts, [torch.from_numpy(s).float() for s in samples], TOKENIZER)


def trainer(config: TrainConfig) -> Trainer:
    torch.manual_seed(0)
    recogniser = Recogniser(config.recogniser, TOKENIZER)
    return Trainer(config, recogniser, Transcription(config, recogniser.acoustic))


def parameters(trainer: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.parameters]


def test_the_same_call_gives_the_same_weights_and_another_seed_others(finished: Path, corpus: Path, tmp_path: Path):
    train(SMALL, corpus, tmp_path / "again", quiet())
    assert same(weights(finished), weights(tmp_path / "again"))
    train(dataclasses.replace(SMALL, seed=1), corpus, tmp_path / "other", quiet())
    assert not same(weights(finished), weights(tmp_path / "other"))


def test_a_run_killed_at_any_point_ends_with_the_same_weights(finished: Path, corpus: Path, tmp_path: Path):
    """SIGKILL to a real process, several times, at moments that fall inside steps, evaluations and writes alike."""
    out = tmp_path / "killed"
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(to_dict(SMALL)))
    program = """
import json, pathlib, sys
from asr.cli.output import TerminalProgress
from asr.config import from_dict
from asr.training.train import train
from asr.training.settings import TrainConfig
settings, data, out = map(pathlib.Path, sys.argv[1:])
config = from_dict(TrainConfig, json.loads(settings.read_text()), where="settings")
train(config, data, out, TerminalProgress())
"""
    command = [sys.executable, "-c", program, str(settings), str(corpus), str(out)]
    draw = random.Random(0)
    checkpoint = out / "checkpoints" / "last.pt"
    steps_at_kill = []
    for _ in range(4):
        wanted, seen = draw.randint(1, 4), set()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline and len(seen) <= wanted:
                seen.add(checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0)
                time.sleep(0.001)
            time.sleep(draw.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
        steps_at_kill.append(torch.load(checkpoint, weights_only=True)["position"]["step"])
        assert process.returncode == -signal.SIGKILL, "the run ended before it was killed: nothing was tested"
    assert steps_at_kill == sorted(steps_at_kill)
    assert steps_at_kill[0] > 0
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stderr
    assert same(weights(finished), weights(out))
    steps = [record["step"] for record in read_metrics(out / "metrics.jsonl") if record["kind"] == "epoch"]
    assert steps == [record["step"] for record in read_metrics(finished / "metrics.jsonl") if record["kind"] == "epoch"]


def test_a_finished_run_is_not_trained_again(finished: Path, corpus: Path):
    before = weights(finished)
    assert train(SMALL, corpus, finished, quiet()) == finished / "best"
    assert same(before, weights(finished))


def test_a_run_leaves_metrics_curves_and_a_described_model(finished: Path):
    epochs = [record for record in read_metrics(finished / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert all(0 < record["dropped_share"] < 0.5 for record in epochs)
    assert (finished / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert list((finished / "tensorboard").glob("events*"))
    assert "dev WER" in (finished / "best" / "README.md").read_text()
    assert weights(finished)["best.features.mean"].max() < -1, "no statistics were taken, or lost"


def test_a_first_attempt_that_failed_does_not_bind_the_run_folder(corpus: Path, tmp_path: Path):
    short = dataclasses.replace(SMALL, epochs=1)
    with pytest.raises(ConfigError, match=r"tokenizer\.size 500 does not fit"):
        train(dataclasses.replace(short, tokenizer=TokenizerConfig("sentencepiece", 500)), corpus, tmp_path, quiet())
    assert train(short, corpus, tmp_path, quiet()) == tmp_path / "best"


def test_two_processes_do_not_train_into_one_folder(corpus: Path, tmp_path: Path):
    holder = "import pathlib, sys, asr.files\nwith asr.files.locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    command = [sys.executable, "-c", holder, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(AsrError, match="another process is at work there"):
            train(SMALL, corpus, tmp_path, quiet())
        process.kill()


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


def test_other_settings_or_data_are_refused_and_named(finished: Path, corpus: Path, tmp_path: Path):
    other = dataclasses.replace(SMALL, optimiser=OptimiserConfig(learning_rate=1e-4))
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate was 0\.002, is 0\.0001"):
        train(other, corpus, finished, quiet())
    with pytest.raises(ConfigError, match="hold other utterances"):
        train(SMALL, write_corpus(tmp_path, train=5, dev=2), finished, quiet())


def test_a_run_that_goes_on_with_other_workers_says_so(finished: Path, corpus: Path, tmp_path: Path):
    """Its sums are rounded in another order."""
    out = tmp_path / "moved"
    shutil.copytree(finished, out)
    settings = json.loads((out / "config.json").read_text())
    assert settings["workers"] == 2
    (out / "config.json").write_text(json.dumps({**settings, "workers": 7}))
    for _ in range(2):  # and the run's own number stays on record
        heard = io.StringIO()
        train(SMALL, corpus, out, Lines(heard))
        assert "was begun by 7 CPU workers and goes on with 2" in heard.getvalue()
    heard = io.StringIO()
    train(SMALL, corpus, finished, Lines(heard))
    assert "workers" not in heard.getvalue()


def test_it_learns(tmp_path: Path):
    """From a hundred made-up sentences to a few errors in new ones, with truncated BPTT."""
    data = write_corpus(tmp_path, train=100, dev=10)
    config = dataclasses.replace(
        SMALL,
        acoustic=AcousticConfig(channels=8, layers=1, hidden=32, dropout=0.0),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        epochs=12,
        batch_seconds=10.0,
        average=0.9,
        checkpoint_every=60.0,
    )
    train(config, data, tmp_path / "run", quiet())
    epochs = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "epoch"]
    assert epochs[0]["wer"] > 0.9
    assert epochs[-1]["wer"] < 0.3


def test_shards_and_accumulation_do_not_change_a_step():
    """Without dropout and masks, one worker or three, one batch or two: the same gradient."""
    whole = batch(["a", "bc a", "abc", "b b c", "cab"])
    results = {}
    for name, threads, batches in (("one", 1, [whole]), ("three", 3, [whole]), ("accumulated", 2, whole.split(3))):
        subject = trainer(dataclasses.replace(PLAIN, threads=threads))
        subject.recogniser.features.fit([(whole.waveforms, whole.num_samples)])  # after its workers were forked
        result = subject.step(batches, learning_rate=1e-3)
        results[name] = (result.loss, result.gradient_norm, parameters(subject))
    for loss, norm, moved in results.values():
        assert math.isclose(loss, results["one"][0], rel_tol=1e-5)
        assert math.isclose(norm, results["one"][1], rel_tol=1e-4)
        for ours, theirs in zip(moved, results["one"][2], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_model_trained_in_chunks_is_evaluated_in_chunks(corpus: Path, tmp_path: Path):
    chunked = dataclasses.replace(SMALL, bptt=BpttConfig(mode="chunked", chunk=0.2, lookahead=0.08), epochs=1)
    best = load_model(train(chunked, corpus, tmp_path / "run", quiet()))
    assert best.reading == Chunked(5, 2)
    assert best.latency == pytest.approx(27 * 0.01 + 0.025)
    heard = batch(["abc"])
    log_mel, lengths = best.features(heard.waveforms, heard.num_samples)
    emissions = best.emissions(heard.waveforms, heard.num_samples)
    with torch.no_grad():
        chunked, full = (best.acoustic(log_mel, lengths, bptt).log_probs for bptt in (Chunked(5, 2), Full()))
    torch.testing.assert_close(emissions.log_probs, chunked, rtol=0, atol=1e-5)
    assert (emissions.log_probs - full).abs().max() > 1e-3


def test_random_cuts_differ_from_step_to_step_and_are_repeated_exactly():
    """Without dropout and masks, only the cuts tell two steps at the same weights apart."""
    norms = {}
    for random_cuts in (False, True):
        subject = trainer(dataclasses.replace(PLAIN, bptt=BpttConfig(segment=0.2, random_cuts=random_cuts)))
        for step in (0, 1, 2, 0):
            subject.position.step = step
            result = subject.step([batch(["abc abc", "b"])], learning_rate=0.0)
            norms.setdefault(random_cuts, []).append(result.gradient_norm)
    assert len(set(norms[False])) == 1
    assert len(set(norms[True])) == 3
    assert norms[True][0] == norms[True][3]


def pieces(first: str, second: str) -> Batch:
    """Pieces of two recordings."""
    return dataclasses.replace(batch([first, second]), recordings=("one", "two"))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_piece_begins_where_the_piece_before_ended(threads: int, cell: Cell):
    """Known from the states that are handed on, whatever worker had the piece, and from a run that went on from a checkpoint."""
    config = dataclasses.replace(
        PLAIN,
        acoustic=dataclasses.replace(PLAIN.acoustic, cell=cell),
        bptt=BpttConfig(segment=0.2, carry=True),
        threads=threads,
    )
    told = [pieces("abc", "b"), pieces("a", "cab abc"), pieces("bb", "c")]
    subject = trainer(config)
    norms = [subject.step([told[0]], learning_rate=0.0).gradient_norm]
    model, features = subject.recogniser.acoustic, subject.recogniser.features
    log_mel, lengths = features(told[0].waveforms, told[0].num_samples)
    ended = model(log_mel, lengths, Full(), states=model.initial_states(2)).states
    assert ended.shape == (2, 2 if cell == "lstm" else 1, 2, config.acoustic.hidden)
    for row, name in enumerate(("one", "two")):
        torch.testing.assert_close(subject.states[name], ended[:, :, row], rtol=0, atol=1e-5)
    saved = copy.deepcopy(subject.state())
    norms += [subject.step([one], learning_rate=1e-3).gradient_norm for one in told[1:]]
    resumed = trainer(config)
    resumed.load_state(saved)
    assert [resumed.step([one], learning_rate=1e-3).gradient_norm for one in told[1:]] == norms[1:]
    subject.begin_epoch()
    assert subject.states == {}
    forgetful = trainer(config)
    forgetful.load_state({**saved, "states": {}})
    assert forgetful.step([told[1]], learning_rate=1e-3).gradient_norm != norms[1]


def test_a_run_on_pieces_of_recordings_hands_their_states_on(tmp_path: Path):
    """Two recordings of four utterances each, in the manifest in any order: each begins where the one before it ended."""
    draw, told = random.Random(0), []
    for recording in range(2):
        texts = ["abc", "b", "ca", "abb"]
        sounds = [waveform(text, draw) for text in texts]
        whole = write_cut(tmp_path, f"r{recording}", " ".join(texts), np.concatenate(sounds))
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
    train(config, tmp_path, tmp_path / "run", quiet())
    (first, *_, last) = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    assert last["train_loss"] < first["train_loss"]
    assert last["step"] == 2 * 4


def test_recomputation_changes_nothing_in_a_step():
    steps = []
    for recompute in (False, True):
        subject = trainer(dataclasses.replace(SMALL, bptt=BpttConfig(segment=0.2, recompute=recompute)))
        result = subject.step([batch(["abc abc", "b"])], learning_rate=1e-3)
        steps.append((result.loss, result.gradient_norm))
    assert steps[1] == pytest.approx(steps[0], rel=1e-4)


def test_two_equal_views_are_one_and_two_different_ones_are_drawn_together():
    """Without dropout, masks and warps both views are the same: they agree, and their mean is either of them."""
    consistency = ConsistencyConfig(weight=0.5, begin=0.25)
    told = batch(["abc abc", "b", "ca"])
    plain = trainer(dataclasses.replace(PLAIN, consistency=consistency))
    one, two = (plain.step([told], learning_rate=0.0, views=views) for views in (1, 2))
    assert two.loss == pytest.approx(one.loss, rel=1e-5)
    assert two.tokens == one.tokens
    assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    assert [plain.objective.views(progress) for progress in (0.0, 0.24, 0.25, 1.0)] == [1, 1, 2, 2]
    assert trainer(PLAIN).objective.views(1.0) == 1
    norms = []
    for weight in (1e-9, 0.5, 50.0):
        config = dataclasses.replace(SMALL, consistency=ConsistencyConfig(weight=weight))
        norms.append(trainer(config).step([told], learning_rate=0.0, views=2).gradient_norm)
    assert len(set(norms)) == 3, "views that differ are drawn towards each other"


def test_weights_that_training_begins_with_go_to_the_tokens_that_both_models_know():
    torch.manual_seed(1)
    other = Recogniser(PLAIN.recogniser, CharacterTokenizer("bcxz"))
    ours = Recogniser(SMALL.recogniser, CharacterTokenizer(" abc"))
    before = ours.acoustic.output.weight.detach().clone()
    ours.features.mean.fill_(-3.0)
    adopt(ours, other)
    theirs, found = other.acoustic.output.weight, ours.acoustic.output.weight
    for token, origin in ((0, theirs[0]), (1, before[1]), (2, before[2]), (3, theirs[1]), (4, theirs[2])):
        assert torch.equal(found[token], origin)
    for name, tensor in other.acoustic.state_dict().items():
        if not name.startswith("output."):
            assert torch.equal(ours.acoustic.state_dict()[name], tensor)
    assert (ours.features.mean == -3.0).all()
    wide = Recogniser(dataclasses.replace(PLAIN.recogniser, features=FeatureConfig(num_mels=40)), TOKENIZER)
    with pytest.raises(ConfigError, match=r"^init: .*another shape \(features\.num_mels was 40, is 80\)"):
        adopt(ours, wide)


def test_a_run_begins_with_the_weights_of_another_and_refuses_what_is_no_model(
    finished: Path, corpus: Path, tmp_path: Path
):
    config = dataclasses.replace(
        SMALL, epochs=1, init=str(finished / "best"), optimiser=OptimiserConfig(learning_rate=1e-12)
    )
    best = load_model(train(config, corpus, tmp_path / "run", quiet()))
    for name, tensor in load_model(finished / "best").state().items():
        torch.testing.assert_close(best.state()[name], tensor, rtol=0, atol=1e-6)
    with pytest.raises(ModelError, match="not a model folder"):
        train(dataclasses.replace(config, init=str(tmp_path)), corpus, tmp_path / "other", quiet())


def test_gradients_are_clipped_to_the_norm_and_the_unclipped_norm_is_told():
    subject = trainer(dataclasses.replace(PLAIN, optimiser=OptimiserConfig(clip=0.01)))
    result = subject.step([batch(["abc", "b"])], learning_rate=1e-3)
    norm = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in subject.parameters if p.grad is not None]))
    assert result.gradient_norm > 0.02
    assert math.isclose(float(norm), 0.01, rel_tol=1e-3)
    assert list(result.part_norms) == ["convolutions", "layer_1", "layer_2", "output"]
    assert math.hypot(*result.part_norms.values()) == pytest.approx(result.gradient_norm)
    scale = 0.01 / result.gradient_norm
    layer = torch.cat([p.grad.flatten() for p in subject.recogniser.acoustic.layers[1].parameters()])
    assert float(layer.norm()) == pytest.approx(scale * result.part_norms["layer_2"], rel=1e-3)


def test_single_derivatives_are_clipped_too():
    subject = trainer(dataclasses.replace(PLAIN, optimiser=OptimiserConfig(clip=1e9, clip_value=0.003)))
    result = subject.step([batch(["abc", "b"])], learning_rate=1e-3)
    largest = max(float(p.grad.abs().max()) for p in subject.parameters if p.grad is not None)
    assert largest == pytest.approx(0.003)
    assert result.gradient_norm > 0.02


def test_an_utterance_too_short_for_its_text_has_no_part_in_the_step():
    """The others move the weights exactly as they do without it, but for the mean's larger number of tokens."""
    unclipped = dataclasses.replace(PLAIN, optimiser=OptimiserConfig(clip=1e9))
    both, alone = trainer(unclipped), trainer(unclipped)
    result = both.step([batch(["abc", "abcabcabc abc"], seconds=[9, 0.1])], learning_rate=1e-3)
    alone.step([batch(["abc"])], learning_rate=1e-3)
    assert result.infeasible == ("utterance-1",)
    assert not result.skipped
    for ours, theirs in zip(both.parameters, alone.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("texts", "seconds"), [([""], [0.05]), (["a", ""], [0.04, 0.3]), (["", ""], [0.5, 0.5])])
def test_empty_transcripts_and_single_frames_take_an_ordinary_step(texts: list[str], seconds: list[float]):
    subject = trainer(PLAIN)
    before = parameters(subject)
    result = subject.step([batch(texts, seconds)], learning_rate=1e-3)
    assert not result.skipped
    assert result.infeasible == ()
    assert math.isfinite(result.loss) and result.loss > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, subject.parameters, strict=True))


def test_a_step_that_is_not_finite_leaves_the_weights_alone():
    subject = trainer(PLAIN)
    spoilt = batch(["abc", "b"])
    spoilt.waveforms[0, 3000] = math.nan
    before = parameters(subject)
    result = subject.step([spoilt], learning_rate=1e-3)
    assert result.skipped
    assert all(torch.equal(a, b) for a, b in zip(before, subject.parameters, strict=True))
    assert not subject.step([batch(["abc", "b"])], learning_rate=1e-3).skipped


def test_too_many_failures_in_a_row_stop_the_run_and_name_the_utterances(tmp_path: Path, corpus: Path):
    spoilt = np.full(RATE, np.nan, dtype=np.float32)
    cuts = [write_cut(tmp_path, f"bad-{n}", "abc", spoilt, subtype="FLOAT") for n in range(6)]
    save_cuts(cuts, tmp_path / "train.jsonl.gz")
    (tmp_path / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    config = dataclasses.replace(PLAIN, failures=2, batch_seconds=2.0)
    with pytest.raises(TrainingError, match=r"2 steps in a row .* bad-\d"):
        train(config, tmp_path, tmp_path / "run", quiet())
    skipped = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "skipped"]
    assert len(skipped) == 2
    assert skipped[0]["utterances"][0].startswith("bad-")


def test_recordings_shorter_than_a_window_are_left_out_and_none_left_is_an_error(tmp_path: Path, corpus: Path):
    save_cuts([write_cut(tmp_path, "click", "a", np.zeros(100))], tmp_path / "train.jsonl.gz")
    (tmp_path / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    with pytest.raises(DataError, match="as long as an analysis window"):
        train(PLAIN, tmp_path, tmp_path / "run", quiet())


def test_training_stops_early_when_the_dev_error_no_longer_falls(corpus: Path, tmp_path: Path):
    config = dataclasses.replace(SMALL, epochs=9, patience=2, optimiser=OptimiserConfig(learning_rate=1e-9))
    train(config, corpus, tmp_path, quiet())
    epochs = [record for record in read_metrics(tmp_path / "metrics.jsonl") if record["kind"] == "epoch"]
    assert len(epochs) == 3


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    config = OptimiserConfig(learning_rate=3e-3, warmup=0.2)
    rates = [config.rate(step / 1000) for step in range(1001)]
    assert max(rates) == rates[200] == 3e-3
    assert rates[:201] == sorted(rates[:201]) and rates[200:] == sorted(rates[200:], reverse=True)
    assert rates[-1] == 0.0
    assert OptimiserConfig(warmup=0.0).rate(0.0) == OptimiserConfig().learning_rate


def test_averaging_by_zero_keeps_the_weights_as_they_are():
    subject = trainer(dataclasses.replace(SMALL, average=0.0))
    subject.step([batch(["abc"])], learning_rate=1e-2)
    for ours, theirs in zip(subject.parameters, subject.averaged.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    slow = trainer(dataclasses.replace(SMALL, average=0.999))
    start = parameters(slow)
    slow.position.step = 100_000
    slow.step([batch(["abc"])], learning_rate=1e-2)
    for begun, now, mean in zip(start, slow.parameters, slow.averaged.parameters(), strict=True):
        torch.testing.assert_close(mean, begun + 0.001 * (now - begun), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda: TrainConfig(epochs=0), "epochs"),
        (lambda: TrainConfig(batch_seconds=0), "batch_seconds"),
        (lambda: TrainConfig(average=1.0), "average"),
        (lambda: TrainConfig(threads=0), "threads"),
        (lambda: TrainConfig(loaders=-1), "loaders"),
        (lambda: OptimiserConfig(clip=0), r"optimiser\.clip"),
        (lambda: OptimiserConfig(clip_value=0), r"optimiser\.clip_value"),
        (lambda: ConsistencyConfig(weight=-1), r"consistency\.weight"),
        (lambda: ConsistencyConfig(begin=1.5), r"consistency\.begin"),
        (lambda: TrainConfig(intermediate_weight=-1), "intermediate_weight"),
        (lambda: OptimiserConfig(warmup=1), r"optimiser\.warmup"),
        (lambda: OptimiserConfig(accumulate=0), r"optimiser\.accumulate"),
        (lambda: BpttConfig(mode="chunked", carry=True), r"bptt\.carry"),
        (lambda: TrainConfig(bptt=BpttConfig(carry=True), optimiser=OptimiserConfig(accumulate=2)), r"bptt\.carry"),
        (lambda: TrainConfig(ctc_band=0.0), "ctc_band"),
        (lambda: BpttConfig(segment=0), r"bptt\.segment"),
        (lambda: BpttConfig(chunk=0), r"bptt\.chunk"),
        (lambda: BpttConfig(lookahead=-1), r"bptt\.lookahead"),
    ],
)
def test_a_setting_out_of_range_is_named(change, field: str):
    with pytest.raises(ConfigError, match=field):
        change()


def test_float16_on_a_cpu_is_refused(corpus: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="float16 needs a CUDA device"):
        train(dataclasses.replace(SMALL, precision="float16", device="cpu"), corpus, tmp_path, quiet())
