"""The step: what it is made of, and what leaves it alone."""

import copy
import dataclasses
import math

import pytest
import torch
from support.runs import PLAIN, SMALL, batch, parameters, trainer

from asr.data.batches import Batch
from asr.model.reading import Full
from asr.model.shape import Cell
from asr.training.settings import BpttConfig, OptimiserConfig
from asr.training.trainer import Trainer


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
    """Known from the states that are handed on, whatever worker had the piece.

    So it is after a run that went on from a checkpoint.
    """
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


def test_recomputation_changes_nothing_in_a_step():
    steps = []
    for recompute in ("never", "always"):
        subject = trainer(dataclasses.replace(SMALL, bptt=BpttConfig(segment=0.2, recompute=recompute)))
        result = subject.step([batch(["abc abc", "b"])], learning_rate=1e-3)
        steps.append((result.loss, result.gradient_norm))
    assert steps[1] == pytest.approx(steps[0], rel=1e-4)


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


def test_a_step_that_is_not_finite_leaves_the_weights_alone():
    subject = trainer(PLAIN)
    spoilt = batch(["abc", "b"])
    spoilt.waveforms[0, 3000] = math.nan
    before = parameters(subject)
    result = subject.step([spoilt], learning_rate=1e-3)
    assert result.skipped
    assert all(torch.equal(a, b) for a, b in zip(before, subject.parameters, strict=True))
    assert not subject.step([batch(["abc", "b"])], learning_rate=1e-3).skipped


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


class Scaled:
    """Gradients are infinite as long as the loss is scaled by more than it bears."""

    def __init__(self, trainer: Trainer, bears: float) -> None:
        self.trainer, self.bears, self.inner = trainer, bears, trainer.objective
        self.module = trainer.objective.module

    def views(self, progress: float) -> int:
        return 1

    def __call__(self, *arguments):
        loss = self.inner(*arguments)
        infinite = self.trainer.scaler.get_scale() > self.bears
        return dataclasses.replace(loss, objective=loss.objective * (math.inf if infinite else 1.0))


def half_precision(bears: float) -> Trainer:
    """A trainer with the scaler that float16 has, which works on a CPU too."""
    subject = trainer(dataclasses.replace(PLAIN, threads=1))
    subject.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    subject.objective = Scaled(subject, bears)
    return subject


def test_float16_lowers_its_scale_until_gradients_fit():
    subject = half_precision(bears=2.0)
    before = parameters(subject)
    found = []
    for _ in range(3):
        result = subject.step([batch(["abc", "b"])], learning_rate=1e-3)
        found.append((result.skipped, result.overflow, subject.scaler.get_scale()))
        unmoved = all(torch.equal(a, b) for a, b in zip(before, subject.parameters, strict=True))
        assert unmoved == result.skipped
    assert found == [(True, True, 4.0), (True, True, 2.0), (False, False, 2.0)]


def test_gradients_that_no_scale_makes_finite_are_failures_and_the_scale_stays_at_one():
    subject = half_precision(bears=0.0)
    found = []
    for _ in range(5):
        result = subject.step([batch(["abc", "b"])], learning_rate=1e-3)
        found.append((result.skipped, result.overflow, subject.scaler.get_scale()))
    assert found == [(True, True, 4.0), (True, True, 2.0), (True, True, 1.0), (True, False, 1.0), (True, False, 1.0)]
