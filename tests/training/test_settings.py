"""The settings of a run."""

import pytest

from asr.errors import ConfigError
from asr.training.settings import BpttConfig, ConsistencyConfig, OptimiserConfig, TrainConfig


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    config = OptimiserConfig(learning_rate=3e-3, warmup=0.2)
    rates = [config.rate(step / 1000) for step in range(1001)]
    assert max(rates) == rates[200] == 3e-3
    assert rates[:201] == sorted(rates[:201]) and rates[200:] == sorted(rates[200:], reverse=True)
    assert rates[-1] == 0.0
    assert OptimiserConfig(warmup=0.0).rate(0.0) == OptimiserConfig().learning_rate


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
        (lambda: TrainConfig(keep_statistics=True), "keep_statistics needs init"),
        (lambda: TrainConfig(rehearsal=0.5), "rehearsal needs init"),
        (lambda: TrainConfig(rehearsal=-0.5, init="x"), "rehearsal"),
        (lambda: BpttConfig(segment=0), r"bptt\.segment"),
        (lambda: BpttConfig(chunk=0), r"bptt\.chunk"),
        (lambda: BpttConfig(lookahead=-1), r"bptt\.lookahead"),
    ],
)
def test_a_setting_out_of_range_is_named(change, field: str):
    with pytest.raises(ConfigError, match=field):
        change()
