"""Ranks train, judge and go on as the workers of one process do."""

import dataclasses
import io
import math
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
import torch
from support.listening import Lines
from support.ranks import together
from support.runs import PLAIN, SMALL, batch, parameters, same, trainer, weights
from support.tiny import recogniser
from support.tones import write_corpus

from asr.cli import INTERRUPTED
from asr.data.batches import plan_batches
from asr.data.cuts import load_cuts
from asr.progress import SILENT
from asr.ranks import Ranks
from asr.training.checkpoint import load_newest
from asr.training.logbook import read_metrics
from asr.training.pretrain import pretrain
from asr.training.run import Run
from asr.training.settings import BpttConfig, OptimiserConfig, PretrainConfig, TrainConfig
from asr.training.train import train
from asr.training.trainer import Trainer
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber

ONE = dataclasses.replace(SMALL, threads=1, loaders=0)
"""One worker a rank."""


def trained(count: int, config: TrainConfig, corpus: Path, out: Path) -> str:
    """Train by so many ranks, the first of which alone has the folder; returns what it said."""
    said = out.with_name(f"{out.name}-said")
    said.mkdir()

    def work(ranks: Ranks) -> None:
        with (said / f"told-{ranks.number}").open("w") as told:
            train(config, corpus, out if ranks.first else Path("/nowhere"), Lines(told), ranks)

    assert together(count, work, said) == [(0, "")] * count
    return (said / "told-0").read_text()


def test_two_ranks_give_the_weights_of_two_workers_and_learn_each_utterance_once_an_epoch(
    finished: Path, corpus: Path, tmp_path: Path, monkeypatch
):
    """18 utterances, in batches that two do not always divide."""
    gradient = Trainer._shard_gradient

    def noted(self, shard, *arguments):
        with (tmp_path / f"learnt-{os.getpid()}").open("a") as file:
            file.writelines(f"{self.position.epoch} {name}\n" for name in shard.ids)
        return gradient(self, shard, *arguments)

    monkeypatch.setattr(Trainer, "_shard_gradient", noted)
    told = trained(2, ONE, corpus, tmp_path / "run")
    assert same(weights(finished), weights(tmp_path / "run"))
    assert "on cpu, 2 processes" in told
    learnt = [path.read_text().split("\n")[:-1] for path in tmp_path.glob("learnt-*")]
    assert len(learnt) == 2 and min(map(len, learnt)) > 0
    names = {cut.id for cut in load_cuts(corpus / "train.jsonl.gz")}
    assert Counter(line for lines in learnt for line in lines) == {f"{e} {n}": 1 for e in range(3) for n in names}
    of_ranks, of_one = (read_metrics(run / "metrics.jsonl") for run in (tmp_path / "run", finished))
    times = {"seconds", "audio_per_second"}
    assert [{n: v for n, v in one.items() if n not in times} for one in of_ranks] == [
        {n: v for n, v in one.items() if n not in times} for one in of_one
    ]


@pytest.mark.parametrize("spread", [(4, 1), (2, 2), (3, 1)], ids=str)
def test_a_step_has_the_same_bits_however_its_workers_are_spread(spread: tuple[int, int], tmp_path: Path):
    """One batch has fewer utterances than there are workers; states are carried."""
    count, threads = spread
    batches = [batch(["abc", "b", "a cab", "bc", "c a"]), batch(["ab", "c"])]
    optimiser = OptimiserConfig(accumulate=1)
    config = dataclasses.replace(PLAIN, optimiser=optimiser, bptt=BpttConfig(segment=0.2, carry=True))

    def steps(ranks: Ranks, threads: int) -> tuple:
        subject = trainer(dataclasses.replace(config, threads=threads), ranks)
        found = []
        for whole in (*batches, *batches):
            order = subject.dealt(range(len(whole.ids)))
            found.append(subject.step([part(whole, order)], learning_rate=1e-3))
        subject.workers.close()
        return found, parameters(subject), subject.states

    expected = steps(Ranks(), count * threads)

    def work(ranks: Ranks) -> None:
        found, moved, states = steps(ranks, threads)
        assert found == expected[0]
        assert all(map(torch.equal, moved, expected[1]))
        assert states.keys() == expected[2].keys()
        assert all(torch.equal(states[name], expected[2][name]) for name in states)

    assert together(count, work, tmp_path) == [(0, "")] * count


def part(whole, order):
    """Some utterances of a batch, as a loader would have read them alone."""
    return dataclasses.replace(
        whole,
        ids=tuple(whole.ids[n] for n in order),
        texts=tuple(whole.texts[n] for n in order),
        recordings=tuple(whole.recordings[n] for n in order),
        waveforms=whole.waveforms[order],
        num_samples=whole.num_samples[order],
        tokens=whole.tokens[order],
        num_tokens=whole.num_tokens[order],
    )


class StopError(Exception):
    """The end of a run before its time."""


def stopped(out: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers of one process train an epoch and a step."""
    step = Trainer.step

    def stopping(self, *arguments, **options):
        if (self.position.epoch, self.position.batch) == (1, 1):
            raise StopError
        return step(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", stopping)
        with pytest.raises(StopError):
            train(dataclasses.replace(ONE, threads=2), corpus, out, SILENT)


def test_a_run_goes_on_with_other_ranks_and_says_what_that_changes(
    finished: Path, corpus: Path, tmp_path: Path, monkeypatch
):
    """As many workers leave the same bits; others draw other masks, and the user is told."""
    stopped(tmp_path / "same", corpus, monkeypatch)
    shutil.copytree(tmp_path / "same", tmp_path / "other")
    told = trained(2, ONE, corpus, tmp_path / "same")
    assert "going on from epoch 1, batch 1" in told and "will be others" not in told
    assert same(weights(finished), weights(tmp_path / "same"))
    told = trained(3, ONE, corpus, tmp_path / "other")
    assert "was begun by 2 workers and goes on with 3: its weights will be others" in told
    records = read_metrics(tmp_path / "other" / "metrics.jsonl")
    assert [record["epoch"] for record in records if record["kind"] == "epoch"] == [1, 2, 3]


def spoil(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the gradient of one utterance be no number."""
    gradient = Trainer._shard_gradient

    def spoilt(self, shard, *arguments):
        gradients, result = gradient(self, shard, *arguments)
        if name in shard.ids:
            gradients[0][:] = math.nan
        return gradients, result

    monkeypatch.setattr(Trainer, "_shard_gradient", spoilt)


def test_a_gradient_of_one_rank_that_is_not_finite_makes_all_skip_the_step(corpus: Path, tmp_path: Path, monkeypatch):
    """As two workers of one process do; the utterances of both are named."""
    spoil(monkeypatch, "train-05")
    config, told = dataclasses.replace(ONE, epochs=1), io.StringIO()
    train(dataclasses.replace(config, threads=2), corpus, tmp_path / "one", Lines(told))
    [skipped] = [line for line in told.getvalue().splitlines() if "skipped" in line]
    assert "train-05" in skipped
    said = trained(2, config, corpus, tmp_path / "two").splitlines()
    assert said.count(skipped) == 1 and sum("skipped" in line for line in said) == 1
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / "two").values())


def failing_with_one_line(work, tmp_path: Path) -> str:
    """Let two ranks work, which both have to fail; what the one line says."""
    found = together(2, work, tmp_path)
    assert [code for code, _ in found] == [1, 1]
    said = "".join(said for _, said in found)
    assert said.count("\n") == 1
    return said


def test_gradients_of_one_rank_that_stay_not_finite_end_all_with_one_line(corpus: Path, tmp_path: Path, monkeypatch):
    spoil(monkeypatch, "train-05")

    def work(ranks: Ranks) -> None:
        train(dataclasses.replace(ONE, failures=1), corpus, tmp_path / "run", SILENT, ranks)

    said = failing_with_one_line(work, tmp_path)
    assert "in a row had a loss or gradient that is not finite" in said


def test_ranks_with_other_settings_or_data_are_refused_and_named(corpus: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    other = write_corpus(tmp_path / "other", train=5, dev=2)

    def data(ranks: Ranks) -> None:
        train(ONE, corpus if ranks.first else other, tmp_path / "run", SILENT, ranks)

    def settings(ranks: Ranks) -> None:
        train(dataclasses.replace(ONE, seed=ranks.number), corpus, tmp_path / "run", SILENT, ranks)

    for work, says in ((data, "the manifests hold other utterances"), (settings, "seed was 0, is 1")):
        found = together(2, work, tmp_path)
        assert [code for code, _ in found] == [2, 2]
        said = "".join(said for _, said in found)
        assert said.count("\n") == 1 and f"process 1 of 2 differs from the first ({says})" in said
        assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(("number", "asked"), [(signal.SIGTERM, [0, 1]), (signal.SIGTERM, [1]), (signal.SIGINT, [0])])
def test_ranks_that_are_asked_to_stop_end_after_the_same_step_and_lose_nothing(
    finished: Path, corpus: Path, tmp_path: Path, monkeypatch, number: int, asked: list[int]
):
    """All of them, or one: the first one saves, all end by the signal's code, told once."""
    backpropagate, out = Trainer._backpropagate, tmp_path / "run"

    def signalled(self, *arguments):
        if self.position.step == 3 and self.ranks.number in asked:
            os.kill(os.getpid(), number)
        return backpropagate(self, *arguments)

    def work(ranks: Ranks) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        config = dataclasses.replace(ONE, checkpoint_every=1e9)
        train(config, corpus, out if ranks.first else Path("/nowhere"), SILENT, ranks)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_backpropagate", signalled)
        found = together(2, work, tmp_path)
    assert [code for code, _ in found] == [128 + number] * 2
    assert "".join(said for _, said in found) == f"{INTERRUPTED}\n"
    assert load_newest(out / "checkpoints", SILENT)["position"]["step"] == 4
    trained(2, ONE, corpus, out)
    assert same(weights(finished), weights(out))


@pytest.fixture
def losing(tmp_path: Path, monkeypatch) -> Path:
    """A corpus that has lost ten of twelve recordings when the second epoch begins."""
    (tmp_path / "data").mkdir()
    data, plan = write_corpus(tmp_path / "data", train=12, dev=2), Run._plan_epoch

    def planned(self):
        if self.position.epoch == 1:
            for number in range(2, 12):
                (data / f"train-{number:02d}.wav").unlink(missing_ok=True)
        return plan(self)

    monkeypatch.setattr(Run, "_plan_epoch", planned)
    return data


def test_recordings_that_are_lost_are_left_out_and_counted_by_all_ranks(losing: Path, tmp_path: Path):
    """Some steps are left to one rank, others to none."""
    optimiser = dataclasses.replace(ONE.optimiser, accumulate=1)
    told = trained(2, dataclasses.replace(ONE, optimiser=optimiser), losing, tmp_path / "run").splitlines()
    for number in range(2, 12):
        name = f"utterance train-{number:02d}: "
        assert sum(line.startswith(name) and line.endswith("; it is left out") for line in told) == 2
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [record["unreadable"] for record in records if record["kind"] == "epoch"] == [0, 10, 10]


def test_ranks_end_together_when_too_many_recordings_are_lost(losing: Path, tmp_path: Path):
    def work(ranks: Ranks) -> None:
        train(dataclasses.replace(ONE, unreadable=3), losing, tmp_path / "run", SILENT, ranks)

    said = failing_with_one_line(work, tmp_path)
    assert " utterances of this epoch cannot be read, the last: utterance train-" in said


@pytest.mark.parametrize("count", [2, 3])
def test_evaluation_by_ranks_is_that_of_one_process(count: int, corpus: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("asr.recogniser.emissions.BATCH_SECONDS", 3.0)
    cuts = load_cuts(corpus / "train.jsonl.gz")
    transcriber = Transcriber(recogniser(layers=2, seed=7))  # says much
    expected = evaluate(transcriber, cuts, loaders=0)
    assert len({*expected.hypotheses.values()}) > 3

    def work(ranks: Ranks) -> None:
        found = evaluate(transcriber, cuts, loaders=0, ranks=ranks)
        assert found == expected and list(found.hypotheses) == list(expected.hypotheses)

    assert together(count, work, tmp_path) == [(0, "")] * count


@pytest.mark.parametrize("place", [0, 1])
def test_audio_that_one_rank_alone_reads_and_cannot_ends_all_with_one_line(place: int, tmp_path: Path, monkeypatch):
    """Batches of one utterance are dealt in turn; one is damaged after it was prepared."""
    monkeypatch.setattr("asr.recogniser.emissions.BATCH_SECONDS", 0.1)
    folder = write_corpus(tmp_path, train=6, dev=1)
    cuts = load_cuts(folder / "train.jsonl.gz")
    [damaged] = plan_batches(cuts, 0.1, seed=None)[2 + place]
    Path(damaged.cut().recording.sources[0].source).write_bytes(b"nothing")
    transcriber = Transcriber(recogniser())

    def work(ranks: Ranks) -> None:
        evaluate(transcriber, cuts, loaders=0, ranks=ranks)

    found = together(2, work, tmp_path)
    assert [code for code, _ in found] == [1, 1]
    assert found[1 - place][1] == "" and found[place][1].count("\n") == 1
    assert f"utterance {damaged.id}: its audio cannot be read" in found[place][1]


def test_pretraining_by_ranks_is_that_of_one_process(corpus: Path, tmp_path: Path):
    config = PretrainConfig(
        acoustic=SMALL.acoustic, bptt=SMALL.bptt, epochs=1, batch_seconds=6.0, threads=2, loaders=0, device="cpu"
    )
    sources, dev = [corpus / "train.jsonl.gz"], [corpus / "dev.jsonl.gz"]
    pretrain(config, sources, dev, tmp_path / "one", SILENT)

    def work(ranks: Ranks) -> None:
        pretrain(dataclasses.replace(config, threads=1), sources, dev, tmp_path / "ranks", SILENT, ranks)

    assert together(2, work, tmp_path) == [(0, "")] * 2
    assert same(weights(tmp_path / "one"), weights(tmp_path / "ranks"))
    losses = [read_metrics(tmp_path / run / "metrics.jsonl")[-1]["dev_loss"] for run in ("one", "ranks")]
    assert losses[0] == losses[1]
