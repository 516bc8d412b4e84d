"""How far gradients reach, where the answer is known by construction."""

import json

import pytest
import torch

from asr.model.acoustic import AcousticModel
from asr.model.reading import Full
from asr.model.shape import AcousticConfig
from asr.training.reach import Reach, draw_reach, measure_reach, recommended_segment, to_json

CELLS = ("rnn", "gru", "lstm")
LENGTHS = torch.tensor([80, 63, 20])


def build(cell, *, layers=1, hidden=8, bidirectional=True):
    torch.manual_seed(0)
    config = AcousticConfig(
        subsampling=2, channels=2, cell=cell, layers=layers, hidden=hidden, bidirectional=bidirectional, dropout=0.3
    )
    return AcousticModel(config, num_features=4, num_tokens=4).double()


def log_mel():
    return torch.randn(3, 80, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def recurrence_of(model, radius):
    """Every direction's recurrence becomes `radius` times a rotation.

    Its inputs are too small for tanh to bend.
    """
    with torch.no_grad():
        for layer in model.layers:
            for rnn in layer.recurrent.rnns:
                rnn.weight_hh_l0.copy_(radius * torch.linalg.qr(rnn.weight_hh_l0)[0])
                rnn.weight_ih_l0.copy_(1e-6 * torch.linalg.qr(rnn.weight_ih_l0)[0])
                rnn.bias_ih_l0.zero_()
                rnn.bias_hh_l0.zero_()
    return model


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.1])
def test_strength_follows_the_spectral_radius_of_the_recurrence(radius):
    """Below one it vanishes, at one it stays, above it explodes: by exactly that factor a frame."""
    for reach in measure_reach(recurrence_of(build("rnn"), radius), log_mel(), LENGTHS, distance=30):
        expected = reach.strength[0] * radius ** torch.arange(31.0, dtype=torch.float64)
        torch.testing.assert_close(reach.strength, expected, rtol=1e-6, atol=0)
        assert reach.growth == pytest.approx(radius)


def test_every_layer_and_direction_is_measured_in_order():
    found = measure_reach(build("gru", layers=2), log_mel(), LENGTHS, distance=5)
    assert [(r.layer, r.direction) for r in found] == [(1, "forward"), (1, "backward"), (2, "forward"), (2, "backward")]
    found = measure_reach(build("gru", bidirectional=False), log_mel(), LENGTHS, distance=5)
    assert [(r.layer, r.direction) for r in found] == [(1, "forward")]


@pytest.mark.parametrize("cell", CELLS)
def test_strength_is_the_norm_of_a_derivative_along_a_unit_vector(cell):
    """With one unit there is one unit vector, and with one possible frame one probe.

    So strengths are the Jacobian's entries themselves.
    """
    model = build(cell, hidden=1)
    frames = log_mel()[:1, :12]  # 6 output frames
    found = measure_reach(model, frames, torch.tensor([12]), distance=99, probes=3)
    layer = model.layers[0].recurrent
    read = layer.norm(model.subsample(frames, torch.tensor([12]))[0]).detach()
    for reach, rnn, ordered in zip(found, layer.rnns, (read, read.flip(1)), strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x, rnn=rnn: rnn(x)[0][0, -1], ordered)
        torch.testing.assert_close(reach.strength, jacobian[0, 0].norm(dim=-1).flip(0), rtol=1e-9, atol=1e-15)
        assert len(reach.strength) == 6


def test_no_frame_beyond_an_utterance_is_looked_at():
    garbage = log_mel()
    for row, length in zip(garbage, LENGTHS, strict=True):
        row[length:] = 1e30
    for found, expected in zip(
        measure_reach(build("lstm"), garbage, LENGTHS, distance=30),
        measure_reach(build("lstm"), log_mel(), LENGTHS, distance=30),
        strict=True,
    ):
        torch.testing.assert_close(found.strength, expected.strength)


def test_measuring_leaves_the_model_as_it_was():
    model = build("lstm").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measure_reach(model, log_mel(), LENGTHS, distance=5)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert model(log_mel(), LENGTHS, Full()).log_probs.requires_grad


def test_a_fresh_lstm_reaches_farther_than_a_gru_and_that_than_a_tanh_rnn():
    reached = {}
    for cell in CELLS:
        found = measure_reach(build(cell, hidden=32), log_mel(), LENGTHS, distance=30)
        reached[cell] = min(float(1 - reach.share_within[10]) for reach in found)
    assert reached["rnn"] < reached["gru"] < reached["lstm"]


def test_what_a_segment_drops_is_the_mean_over_its_frames():
    """Strength 1, 1, 1, 1: four equal parts.

    The first frame of a segment keeps one, the second two, ...
    """
    even = Reach(1, "forward", torch.ones(4, dtype=torch.float64))
    assert even.share_within.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert [even.dropped(segment) for segment in (1, 2, 3, 4, 8)] == [0.75, 0.625, 0.5, 0.375, 0.1875]
    assert even.recommended() is None
    assert even.growth == 1.0


@pytest.mark.parametrize("decay", [0.3, 0.5, 0.8])
def test_the_recommended_segment_is_the_shortest_that_drops_a_tenth(decay):
    reach = Reach(1, "backward", decay ** torch.arange(200.0, dtype=torch.float64))
    segment = reach.recommended()
    assert reach.dropped(segment) <= 0.1 < reach.dropped(segment - 1)


def test_a_model_needs_the_longest_of_its_layers_segments():
    short, long = (Reach(n, "forward", d ** torch.arange(200.0, dtype=torch.float64)) for n, d in ((1, 0.5), (2, 0.9)))
    endless = Reach(3, "forward", torch.ones(200, dtype=torch.float64) * 1.1 ** torch.arange(200))
    assert recommended_segment([short, long]) == long.recommended() > short.recommended()
    assert recommended_segment([short, endless]) is None


def test_json_and_picture(tmp_path):
    found = measure_reach(build("lstm", layers=2), log_mel(), LENGTHS, distance=12)
    described = json.loads(json.dumps(to_json(found, frame=0.02)))
    assert described[0]["strength"] == pytest.approx(found[0].strength.tolist())
    assert described[3] | {"layer": 2, "direction": "backward", "frame_seconds": 0.02} == described[3]
    draw_reach([("one", 0.02, found), ("two", 0.02, found)], tmp_path / "reach.png")
    assert (tmp_path / "reach.png").read_bytes()[:4] == b"\x89PNG"
