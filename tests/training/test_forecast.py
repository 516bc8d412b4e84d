"""Forecasting: no direction may know what it has yet to read, and padding may not reach a loss."""

import pytest
import torch

from asr.data.batches import collate
from asr.errors import ConfigError
from asr.model.acoustic import AcousticModel
from asr.model.reading import Full, Truncated
from asr.model.shape import CONTEXT, AcousticConfig
from asr.text.tokenizer import CharacterTokenizer
from asr.training.forecast import Forecaster, Forecasting
from asr.training.objective import AugmentedBatch
from asr.training.settings import BpttConfig, PretrainConfig

MELS = 8


def forecaster(**shape):
    torch.manual_seed(0)
    config = AcousticConfig(**{"channels": 2, "layers": 2, "hidden": 6, "dropout": 0.0, **shape})
    return Forecaster(AcousticModel(config, num_features=MELS, num_tokens=1).double(), MELS).double()


def frames(*lengths, seed=0):
    """(B, T, F), 0 at padded frames, and their lengths."""
    generator = torch.Generator().manual_seed(seed)
    log_mel = torch.randn(len(lengths), max(lengths), MELS, dtype=torch.float64, generator=generator)
    lengths = torch.tensor(lengths)
    valid = torch.arange(log_mel.shape[1]) < lengths[:, None]
    return log_mel * valid[..., None], lengths


def heard(log_mel, lengths):
    names = [f"u{n}" for n in range(len(lengths))]
    batch = collate(names, [""] * len(names), [torch.zeros(1)] * len(names), CharacterTokenizer(()))
    return AugmentedBatch(batch, log_mel, lengths, None)


@pytest.mark.parametrize("merge", ["sum", "concat"])
@pytest.mark.parametrize("subsampling", [2, 3, 4])
@pytest.mark.parametrize("direction", [0, 1])
def test_no_direction_hears_what_it_forecasts(direction, subsampling, merge):
    """The gradient of a forecast reaches no frame `ahead` of it or further, in reading order."""
    module = forecaster(subsampling=subsampling, merge=merge, channels=16)
    log_mel, lengths = frames(48)
    log_mel.requires_grad_()
    forecasts, _ = module(log_mel, lengths, Full())[direction]
    count = 48 // subsampling
    for place in (2, 5, count - CONTEXT - 3):
        (gradient,) = torch.autograd.grad(forecasts[0, place].sum(), log_mel, retain_graph=True)
        reached = gradient[0].abs().sum(dim=1) > 0
        if direction:
            reached = reached.flip(0)
        first_forecast = (place + CONTEXT + 1) * subsampling
        assert not reached[first_forecast:].any()
        assert reached[1 : (place + 1) * subsampling - 4].all(), "it does hear all that came before"


def test_what_is_forecast_are_the_frames_some_way_ahead_and_back():
    """Against the definition, frame by frame: 17 frames are four whole blocks and a part."""
    module = forecaster()
    log_mel, lengths = frames(17)
    forecasts = [found for found, _ in module(log_mel, lengths, Full())]
    blocks = [log_mel[0, 4 * n : 4 * n + 4].flatten() for n in range(4)]
    errors = [(forecasts[0][0, 0] - blocks[3]).abs().mean()]  # output frame 0 of 5 says what block 3 is
    # backwards output frames 4 and 3 are read first; they say what blocks 1 and 0 are
    errors += [(forecasts[1][0, 0] - blocks[1]).abs().mean(), (forecasts[1][0, 1] - blocks[0]).abs().mean()]
    loss = Forecasting(module, 3)(heard(log_mel, lengths), Full())
    assert loss.count == 3
    assert loss.value == pytest.approx(sum(errors).item())


@pytest.mark.parametrize("bptt", [Full(), Truncated(3, "never"), Truncated(3, "always")])
def test_padding_and_company_change_no_loss(bptt):
    objective = Forecasting(forecaster(), 3)
    log_mel, lengths = frames(40, 13, 26)
    together = objective(heard(log_mel, lengths), bptt)
    alone = [objective(heard(log_mel[i : i + 1, :n], lengths[i : i + 1]), bptt) for i, n in enumerate((40, 13, 26))]
    assert together.count == sum(one.count for one in alone)
    assert together.value == pytest.approx(sum(one.value for one in alone))
    parameters = list(objective.module.parameters())
    found = torch.autograd.grad(together.objective, parameters)
    wanted = [torch.autograd.grad(one.objective, parameters) for one in alone]
    for gradient, *parts in zip(found, *wanted, strict=True):
        torch.testing.assert_close(gradient, sum(parts), rtol=1e-9, atol=1e-9)


def test_an_utterance_too_short_to_be_forecast_is_named_and_has_no_loss():
    log_mel, lengths = frames(40, 12)
    loss = Forecasting(forecaster(), 3)(heard(log_mel, lengths), Full())
    assert loss.infeasible == ("u1",)
    assert loss.count == 2 * 7
    nothing = Forecasting(forecaster(), 3)(heard(*frames(5)), Full())
    assert (nothing.count, nothing.value) == (0, 0.0)


def test_it_learns_what_can_be_foreseen():
    """A tone in a fixed rhythm: the error falls far below that of a constant."""
    time = torch.arange(160, dtype=torch.float64)
    log_mel = (
        torch.stack([torch.sin(time / 5 + phase) for phase in range(4)])[..., None].expand(4, 160, MELS).contiguous()
    )
    objective = Forecasting(forecaster(hidden=24), 3)
    optimiser = torch.optim.Adam(objective.module.parameters(), lr=1e-2)
    for _ in range(150):
        loss = objective(heard(log_mel, torch.full((4,), 160)), Full())
        optimiser.zero_grad()
        (loss.objective / loss.count).backward()
        optimiser.step()
    assert loss.value / loss.count < 0.2 < float(log_mel.abs().mean()) / 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda: PretrainConfig(ahead=0.08), "ahead must exceed the 0.08 s"),
        (lambda: PretrainConfig(bptt=BpttConfig(mode="chunked")), r"bptt\.mode"),
        (lambda: PretrainConfig(bptt=BpttConfig(carry=True)), r"bptt\.carry"),
        (lambda: PretrainConfig(epochs=0), "epochs"),
    ],
)
def test_a_setting_that_pretraining_cannot_have_is_named(change, field):
    with pytest.raises(ConfigError, match=field):
        change()
