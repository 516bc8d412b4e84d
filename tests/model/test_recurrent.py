"""Recurrent layers, against PyTorch's own on packed sequences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.model.reading import Full, Truncated
from asr.model.recurrent import RecurrentLayer, reverse_within

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
LENGTHS = torch.tensor([3, 7, 1, 6])
VALID = torch.arange(7) < LENGTHS[:, None]


def random_frames(batch=4, frames=7, features=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
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
    outputs, _ = layer(inputs, LENGTHS, Full())
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
    """Known by construction: with no input, a cell of one is sigmoid(1) a step later.

    The candidate is zero, so nothing is added.
    """
    (rnn,) = RecurrentLayer("lstm", 3, 5, bidirectional=False, merge="sum").rnns
    with torch.no_grad():
        rnn.weight_ih_l0.zero_()
        rnn.weight_hh_l0.zero_()
        rnn.bias_ih_l0[10:15] = 0  # the candidate: nothing new is added
        rnn.bias_hh_l0[10:15] = 0
        _, (_, cell) = rnn(torch.zeros(1, 1, 3), (torch.zeros(1, 1, 5), torch.ones(1, 1, 5)))
    torch.testing.assert_close(cell, torch.full_like(cell, torch.sigmoid(torch.tensor(1.0)).item()))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bptt", [Full(), Truncated(2, "never"), Truncated(2, "always"), Truncated(3, "always", 1)])
def test_pieces_that_hand_on_their_state_are_one_sequence(cell, bptt):
    """Two sequences in two pieces of unequal lengths, one direction.

    Values are those of the whole. Gradients are cut between the pieces.
    """
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 5, bidirectional=False, merge="sum", layer_norm=True).double()
    first, second, ends = random_frames(2, 6), random_frames(2, 5, seed=2), ((6, 3), (2, 5))
    zeros = torch.zeros(1, 2, 5, dtype=torch.float64)
    outputs, state = layer(first, torch.tensor(ends[0]), bptt, state=(zeros, zeros) if cell == "lstm" else zeros)
    assert not any(part.requires_grad for part in (state if cell == "lstm" else (state,)))
    following, _ = layer(second, torch.tensor(ends[1]), bptt, state=state)
    for row in range(2):
        pieces = (first[row, : ends[0][row]], second[row, : ends[1][row]])
        whole, _ = layer(torch.cat(pieces)[None], torch.tensor([sum(map(len, pieces))]), Full())
        found = torch.cat([outputs[row, : ends[0][row]], following[row, : ends[1][row]]])
        torch.testing.assert_close(found, whole[0], rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(following.sum(), first, allow_unused=True)
    assert gradient is None


def test_the_backward_direction_of_a_piece_begins_anew():
    torch.manual_seed(0)
    layer = RecurrentLayer("gru", 3, 5, bidirectional=True, merge="concat").double()
    inputs, lengths = random_frames().detach(), LENGTHS
    for bptt in (Full(), Truncated(2, recompute="always")):
        zeros, ones = (layer(inputs, lengths, bptt, state=torch.full((1, 4, 5), value).double())[0] for value in (0, 1))
        assert torch.equal(zeros[VALID][:, 5:], ones[VALID][:, 5:])
        assert ((zeros - ones)[VALID][:, :5].abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("bptt", [Full(), Truncated(2, "never"), Truncated(2, "always")])
@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("direction", [0, 1])
def test_one_way_is_what_the_layer_gives_when_the_other_direction_is_silent(direction, merge, bptt):
    torch.manual_seed(0)
    layer = RecurrentLayer("lstm", 3, 5, bidirectional=True, merge=merge, layer_norm=True).double()
    with torch.no_grad():
        for weight in layer.rnns[1 - direction].parameters():
            weight.zero_()  # an LSTM without weights gives zero
    inputs = random_frames()
    expected, _ = layer(inputs, LENGTHS, bptt)
    in_order = reverse_within(inputs, LENGTHS) if direction else inputs
    outputs = layer.one_way(in_order, direction, bptt)
    outputs = reverse_within(outputs, LENGTHS) if direction else outputs
    torch.testing.assert_close(outputs[VALID], expected[VALID], rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(x[VALID].square().sum(), inputs)[0] for x in (outputs, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)
