"""Recurrent layers, against PyTorch's own on packed sequences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.bptt import Full
from asr.recurrent import RecurrentLayer, reverse_within

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
LENGTHS = torch.tensor([3, 7, 1, 6])
VALID = torch.arange(7) < LENGTHS[:, None]


def random_frames(batch=4, frames=7, features=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, frames, features, dtype=torch.float64, generator=generator, requires_grad=True)


def torch_layer_of(layer, cell):
    """PyTorch's layer with the same weights, in one direction or both."""
    twin = CELLS[cell](3, 5, batch_first=True, bidirectional=len(layer.rnns) == 2).double()
    with torch.no_grad():
        for weight, copied in zip(twin.parameters(), layer.rnns.parameters(), strict=True):
            weight.copy_(copied)
    return twin


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("bidirectional", "merge"), [(False, "concat"), (False, "sum"), (True, "concat"), (True, "sum")]
)
def test_outputs_and_gradients_equal_those_of_packed_sequences(cell, bidirectional, merge):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 5, bidirectional=bidirectional, merge=merge).double()
    twin = torch_layer_of(layer, cell)
    inputs = random_frames()
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(twin(packed)[0], batch_first=True)
    if bidirectional and merge == "sum":
        expected = expected[..., :5] + expected[..., 5:]
    outputs = layer(inputs, LENGTHS, Full())
    assert outputs.shape[-1] == layer.output_size
    torch.testing.assert_close(outputs[VALID], expected[VALID], rtol=0, atol=1e-12)

    weights = torch.randn_like(expected[VALID])
    found = torch.autograd.grad((outputs[VALID] * weights).sum(), [inputs, *layer.parameters()])
    wanted = torch.autograd.grad((expected[VALID] * weights).sum(), [inputs, *twin.parameters()])
    for gradient, packed_gradient in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, packed_gradient, rtol=0, atol=1e-12)


@settings(deadline=None)  # a busy machine is no failure
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), padding=st.integers(0, 3))
def test_reverse_within_reverses_valid_frames_and_leaves_padding(lengths, padding):
    inputs = random_frames(len(lengths), max(lengths) + padding).detach()
    reversed_inputs = reverse_within(inputs, torch.tensor(lengths))
    for before, after, length in zip(inputs, reversed_inputs, lengths, strict=True):
        assert torch.equal(after[:length], before[:length].flip(0))
        assert torch.equal(after[length:], before[length:])
    assert torch.equal(reverse_within(reversed_inputs, torch.tensor(lengths)), inputs)


def test_reverse_within_has_the_gradients_of_its_differences():
    def reverse(inputs):
        return reverse_within(inputs, LENGTHS)

    assert torch.autograd.gradcheck(reverse, random_frames(features=2))
    assert torch.autograd.gradgradcheck(reverse, random_frames(features=1))


def test_every_forget_gate_starts_with_a_bias_of_one():
    for rnn in RecurrentLayer("lstm", 3, 5, bidirectional=True, merge="sum").rnns:
        _, forget, _, _ = (rnn.bias_ih_l0 + rnn.bias_hh_l0).chunk(4)
        assert torch.equal(forget, torch.ones(5))


def test_a_new_lstm_forgets_little():
    """Known by construction: with no input and nothing to write, a cell of one is sigmoid(1) a step later."""
    (rnn,) = RecurrentLayer("lstm", 3, 5, bidirectional=False, merge="sum").rnns
    with torch.no_grad():
        rnn.weight_ih_l0.zero_()
        rnn.weight_hh_l0.zero_()
        rnn.bias_ih_l0[10:15] = 0  # the candidate: nothing new is written
        rnn.bias_hh_l0[10:15] = 0
        _, (_, cell) = rnn(torch.zeros(1, 1, 3), (torch.zeros(1, 1, 5), torch.ones(1, 1, 5)))
    torch.testing.assert_close(cell, torch.full_like(cell, torch.sigmoid(torch.tensor(1.0)).item()))
