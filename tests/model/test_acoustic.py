"""The acoustic model's laws: padding, batches, lengths, dropout, precision and settings."""

import math
import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference

import asr.model.acoustic
from asr.errors import ConfigError
from asr.model.acoustic import AcousticModel, Emissions, Subsampling
from asr.model.bptt import ROWS
from asr.model.ctc import ctc_loss
from asr.model.reading import Chunked, Full, Truncated
from asr.model.recurrent import drop, dropout_mask
from asr.model.shape import AcousticConfig
from asr.units import subsampled

CELLS = ("rnn", "gru", "lstm")
FEATURES, TOKENS = 5, 4

CONFIGS = st.builds(
    AcousticConfig,
    subsampling=st.sampled_from([2, 3, 4]),
    channels=st.just(2),
    cell=st.sampled_from(CELLS),
    layers=st.just(2),
    hidden=st.just(4),
    bidirectional=st.booleans(),
    merge=st.sampled_from(["sum", "concat"]),
    projection=st.sampled_from([None, 3, 4]),
    residual=st.booleans(),
    layer_norm=st.booleans(),
    dropout=st.just(0.0),
    intermediate=st.sampled_from([(), (1,)]),
)
BPTT = st.sampled_from([Full(), Truncated(1), Truncated(3), Chunked(1, 0), Chunked(2, 3), Chunked(4, 1)])
GARBAGE = st.sampled_from([0.0, -1e30, math.nan, math.inf])

unhurried = settings(deadline=None, max_examples=40)  # a busy machine is no failure


def build(config, dtype=torch.float64):
    torch.manual_seed(0)
    return AcousticModel(config, num_features=FEATURES, num_tokens=TOKENS).to(dtype)


def small(**fields):
    return AcousticConfig(**{"subsampling": 2, "channels": 2, "layers": 2, "hidden": 4, "dropout": 0.0, **fields})


def utterances(lengths, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, FEATURES, dtype=torch.float64, generator=generator).to(dtype) for length in lengths]


def test_emissions_are_cut_to_each_utterances_length():
    rows = torch.arange(24.0).reshape(3, 4, 2)
    found = Emissions(rows, torch.tensor([4, 0, 1]), ()).utterances()
    assert [log_probs.tolist() for log_probs in found] == [rows[0].tolist(), [], rows[2, :1].tolist()]


def padded(frames, width, value):
    batch = torch.full((len(frames), width, FEATURES), value, dtype=frames[0].dtype)
    for row, utterance in zip(batch, frames, strict=True):
        row[: len(utterance)] = utterance
    return batch, torch.tensor([len(utterance) for utterance in frames])


def outputs(model, frames, width, padding, bptt):
    """The valid log-probs of each utterance: the model's, and those of its intermediate layers."""
    with torch.no_grad():
        emissions = model(*padded(frames, width, padding), bptt)
    return [
        [log_probs[i, :length] for log_probs in (emissions.log_probs, *emissions.intermediate)]
        for i, length in enumerate(emissions.lengths)
    ]


@unhurried
@given(
    config=CONFIGS,
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    extra=st.integers(0, 9),
    padding=GARBAGE,
    bptt=BPTT,
    precision=st.sampled_from([(torch.float64, 1e-12), (torch.float32, 1e-5)]),
)
def test_neither_padding_nor_batch_changes_a_valid_frame(config, lengths, extra, padding, bptt, precision):
    """An utterance's log-probs in any batch and order equal those alone and unpadded.

    Padding may hold anything.
    """
    dtype, tolerance = precision
    model = build(config, dtype)
    frames = utterances(lengths, dtype)
    batch = outputs(model, frames, max(lengths) + extra, padding, bptt)
    for utterance, found in zip(frames, batch, strict=True):
        (alone,) = outputs(model, [utterance], len(utterance), 0.0, bptt)
        torch.testing.assert_close(found, alone, rtol=0, atol=tolerance)


@unhurried
@given(config=CONFIGS, length=st.integers(1, 20))
def test_log_probs_equal_a_second_implementation(config, length):
    model = build(config)
    (frames,) = utterances([length])
    found = model(frames[None], torch.tensor([length]), Full()).log_probs[0]
    torch.testing.assert_close(found, reference.log_probs(model, frames), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("subsampling", [2, 3, 4])
@pytest.mark.parametrize("padding", [0.0, 1e30, math.nan])
def test_a_gradient_never_reaches_padding_nor_comes_from_it(cell, subsampling, padding):
    """Gradients of the input are exactly zero at padded frames.

    Those of the weights are the same whatever the padding holds.
    """
    model = build(small(cell=cell, subsampling=subsampling))

    def gradients(value):
        log_mel, lengths = padded(utterances([9, 14, 3]), 17, value)
        log_mel.requires_grad_()
        emissions = model(log_mel, lengths, Full())
        targets = torch.tensor([[1, 2], [3, 3], [1, 0]])
        loss = ctc_loss(emissions.log_probs, emissions.lengths, targets, torch.tensor([2, 2, 1]))
        return torch.autograd.grad(loss.values.sum(), [log_mel, *model.parameters()])

    of_input, *of_weights = gradients(padding)
    for row, length in zip(of_input, [9, 14, 3], strict=True):
        assert torch.equal(row[length:], torch.zeros_like(row[length:]))
        assert row[:length].isfinite().all()
        assert row[:length].any()
    for found, expected in zip(of_weights, gradients(0.0)[1:], strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("features", [1, 2, 3, 5, 80])
def test_output_lengths_are_those_that_units_count(factor, features):
    lengths = torch.arange(1, 22)
    hidden, found = Subsampling(features, 2, 3, factor)(torch.zeros(21, 21, features), lengths)
    assert found.tolist() == [subsampled(length, factor) for length in range(1, 22)]
    assert hidden.shape == (21, subsampled(21, factor), 3)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_an_output_frame_sees_the_frames_around_its_own(factor):
    """One to either side in the first convolution, two more in the second.

    The second one's inputs lie two frames apart.
    """
    torch.manual_seed(0)
    subsample = Subsampling(FEATURES, 8, 3, factor).double()
    (frames,) = utterances([25])
    jacobian = torch.autograd.functional.jacobian(lambda x: subsample(x[None], torch.tensor([25]))[0][0], frames)
    seen = jacobian.abs().sum(dim=(1, 3)) != 0  # (output frame, input frame)
    reach = 4 if factor == 3 else 3
    for t, row in enumerate(seen):
        assert row.nonzero().flatten().tolist() == [s for s in range(25) if abs(s - t * factor) <= reach]


@pytest.mark.parametrize("cell", CELLS)
def test_probabilities_of_every_frame_sum_to_one(cell):
    """Of padded frames too, so that nothing there can turn a loss or a gradient into NaN."""
    emissions = build(small(cell=cell, intermediate=(1,)))(*padded(utterances([9, 1, 4]), 12, math.nan), Full())
    for log_probs in (emissions.log_probs, *emissions.intermediate):
        totals = log_probs.exp().sum(dim=-1)
        torch.testing.assert_close(totals, torch.ones_like(totals), rtol=0, atol=1e-12)


@pytest.mark.parametrize("intermediate", [(), (2,), (1, 3)])
@pytest.mark.parametrize("merge", ["sum", "concat"])
def test_intermediate_outputs_are_those_of_a_model_that_ends_there(intermediate, merge):
    """From the bottom, one a named layer, each as if its layer were the last one."""
    model = build(small(layers=4, intermediate=intermediate, merge=merge, residual=True))
    batch = padded(utterances([9, 4]), 9, 0.0)
    emissions = model(*batch, Full())
    assert len(emissions.intermediate) == len(intermediate)
    for layers, found in zip(sorted(intermediate), emissions.intermediate, strict=True):
        shorter = build(small(layers=layers, merge=merge, residual=True))
        shorter.load_state_dict({name: model.state_dict()[name] for name in shorter.state_dict()})
        torch.testing.assert_close(found, shorter(*batch, Full()).log_probs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_whole_model_and_ctc_are_those_of_finite_differences(cell):
    torch.manual_seed(0)
    config = small(cell=cell, channels=1, layers=2, hidden=2, residual=True, intermediate=(1,))
    model = AcousticModel(config, num_features=2, num_tokens=3).double()
    names = [name for name, _ in model.named_parameters()]
    log_mel = torch.randn(2, 6, 2, dtype=torch.float64, requires_grad=True)

    def loss(log_mel, *weights):
        lengths = torch.tensor([6, 3])
        emissions = torch.func.functional_call(
            model, dict(zip(names, weights, strict=True)), (log_mel, lengths, Full())
        )
        targets, target_lengths = torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 1])
        return sum(
            ctc_loss(log_probs, emissions.lengths, targets, target_lengths).values.sum()
            for log_probs in (emissions.log_probs, *emissions.intermediate)
        )

    assert torch.autograd.gradcheck(loss, (log_mel, *model.parameters()), atol=1e-6, fast_mode=True)


def test_dropout_repeats_with_an_equal_generator_and_differs_with_another():
    model = build(small(dropout=0.5))
    batch = padded(utterances([9, 4]), 9, 0.0)

    def log_probs(seed):
        return model(*batch, Full(), generator=torch.Generator().manual_seed(seed)).log_probs

    assert torch.equal(log_probs(1), log_probs(1))
    assert not torch.equal(log_probs(1), log_probs(2))
    torch.manual_seed(1)  # without a generator, PyTorch's own is read
    assert torch.equal(model(*batch, Full()).log_probs, log_probs(1))


def test_dropout_is_off_in_evaluation_and_at_a_share_of_zero():
    batch = padded(utterances([9, 4]), 9, 0.0)
    with_dropout, without = build(small(dropout=0.5)), build(small(dropout=0.0))
    expected = without.eval()(*batch, Full()).log_probs
    assert torch.equal(with_dropout.eval()(*batch, Full()).log_probs, expected)
    assert torch.equal(without.train()(*batch, Full()).log_probs, expected)
    assert not torch.equal(with_dropout.train()(*batch, Full()).log_probs, expected)


def test_dropout_drops_its_share_and_scales_up_what_is_left():
    inputs = torch.arange(1.0, 10001.0, dtype=torch.float64)
    dropped = drop(inputs, dropout_mask(inputs, 0.2, torch.Generator().manual_seed(0)), 0.2)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], inputs[kept] / 0.8)
    assert 0.78 < kept.double().mean() < 0.82  # five standard deviations


@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_autocast_gives_float32_log_probs_close_to_those_of_float32(cell):
    model = build(small(cell=cell, hidden=16, intermediate=(1,)), torch.float32)
    batch = padded(utterances([20, 9], torch.float32), 20, 0.0)
    exact = model(*batch, Full())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(*batch, Full())
    assert not torch.equal(rounded.log_probs, exact.log_probs)
    for found, expected in zip(
        (rounded.log_probs, *rounded.intermediate), (exact.log_probs, *exact.intermediate), strict=True
    ):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
    rounded.log_probs.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 0),
        ("layers", 0),
        ("hidden", -1),
        ("subsampling", 5),
        ("projection", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", math.nan),
        ("intermediate", (3,)),
        ("intermediate", (1, 0)),
        ("intermediate", (1, 1)),
        ("cell", "cnn"),
        ("merge", "mean"),
    ],
)
def test_a_setting_outside_its_range_is_named(field, value):
    with pytest.raises(ConfigError, match=rf"^acoustic\.{field} .*got {re.escape(str(value))}$"):
        AcousticConfig(**{field: value})


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_convolutions_in_pieces_equal_those_of_the_whole(factor, piece, monkeypatch):
    monkeypatch.setattr(asr.model.acoustic, "PIECE", piece)
    torch.manual_seed(0)
    subsampling = Subsampling(6, 3, 4, factor).double()
    log_mel = torch.randn(4, 41, 6, dtype=torch.float64)
    lengths = torch.tensor([41, 24, 3, 1])
    whole, pieces = subsampling(log_mel, lengths), subsampling.recomputed(log_mel, lengths)
    assert torch.equal(whole[1], pieces[1])
    weights = torch.randn_like(whole[0]) * (torch.arange(whole[0].shape[1]) < whole[1][:, None]).unsqueeze(-1)
    torch.testing.assert_close(pieces[0] * (weights != 0), whole[0] * (weights != 0), rtol=0, atol=1e-12)
    for found, expected in zip(
        *(
            torch.autograd.grad((hidden * weights).sum(), list(subsampling.parameters()))
            for hidden, _ in (pieces, whole)
        ),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


CHUNKED = st.builds(Chunked, chunk=st.integers(1, 5), lookahead=st.integers(0, 4))


@unhurried
@given(config=CONFIGS, length=st.integers(1, 40), bptt=CHUNKED, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_a_stream_and_the_whole_utterance_give_the_same_log_probs(config, length, bptt, cuts):
    """However the frames come in, and whatever the utterance's length."""
    model = build(config).eval()
    (frames,) = utterances([length])
    expected = model(frames[None], torch.tensor([length]), bptt).log_probs[0]
    stream, found = None, []
    borders = [0, *sorted(min(cut, length) for cut in cuts), length]
    for number, (start, stop) in enumerate(pairwise(borders), start=2):
        log_probs, stream = model.step(frames[None, start:stop], stream, bptt, last=number == len(borders))
        found.append(log_probs[0])
    torch.testing.assert_close(torch.cat(found), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("subsampling", [2, 3, 4])
def test_a_stream_waits_for_a_chunk_and_its_lookahead_and_keeps_little(subsampling):
    """Frame by frame: log-probs come in chunks.

    A chunk comes as soon as the convolutions have all of chunk and lookahead.
    """
    model, bptt = build(small(subsampling=subsampling)), Chunked(chunk=3, lookahead=2)
    (frames,) = utterances([100])
    stream, scored = None, 0
    for count in range(1, 101):
        log_probs, stream = model.step(frames[None, count - 1 : count], stream, bptt)
        ready = max(0, (count - model.subsample.overhang) // subsampling - 2) // 3 * 3
        scored += log_probs.shape[1]
        assert scored == ready
        assert stream.log_mel.shape[1] <= (3 + 2 + 2) * subsampling + model.subsample.overhang


@pytest.mark.parametrize("cell", CELLS)
def test_a_lookahead_over_the_whole_utterance_in_one_chunk_is_full(cell):
    model = build(small(cell=cell, residual=True))
    batch = padded(utterances([20, 9, 1]), 24, 0.0)
    full = model(*batch, Full()).log_probs
    for bptt in (Chunked(10, 0), Chunked(12, 4)):
        found = model(*batch, bptt).log_probs
        for row, expected, length in zip(found, full, (10, 5, 1), strict=True):
            torch.testing.assert_close(row[:length], expected[:length], rtol=0, atol=1e-12)


@unhurried
@given(
    config=CONFIGS,
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    bptt=CHUNKED,
    at_once=st.sampled_from([1, 4, ROWS]),
)
def test_all_chunks_at_once_have_the_gradients_of_one_after_the_other(config, lengths, bptt, at_once):
    """Values and gradients, of inputs and weights, against windows that hand their state on.

    However many rows are recomputed at a time.
    """
    model, valid = build(config).eval(), torch.tensor(lengths)
    hidden = torch.randn(len(lengths), max(lengths), config.hidden, dtype=torch.float64, requires_grad=True)

    def one_by_one():
        states, chunks = (None,) * config.layers, []
        for start in range(0, max(lengths), bptt.chunk):
            window = hidden[:, start : start + bptt.chunk + bptt.lookahead]
            left = (valid - start).clamp(0, window.shape[1])
            found, states = model._window(window, left, bptt.chunk, states, None)
            chunks.append(found[-1][:, : bptt.chunk])
        return torch.cat(chunks, dim=1)

    kept = (torch.arange(max(lengths)) < valid[:, None])[:, :, None]
    found, expected = (top * kept for top in (model._in_chunks(hidden, valid, bptt, None)[-1], one_by_one()))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    inputs = [hidden, *model.layers.parameters()]
    weights = torch.randn_like(found)
    for one, other in zip(
        *(gradients((top * weights).sum(), inputs, at_once) for top in (found, expected)),
        strict=True,
    ):
        if one is not None or other is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def gradients(loss, inputs, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asr.model.bptt.ROWS", at_once)
        return torch.autograd.grad(loss, inputs, allow_unused=True)


@pytest.mark.parametrize("cell", CELLS)
def test_a_chunk_sees_all_before_it_and_its_lookahead_and_nothing_more(cell):
    """Values depend on every earlier frame, and on none beyond the lookahead.

    Gradients stop at the chunk's start.
    """
    model = build(small(cell=cell, layers=2))
    hidden = torch.randn(1, 9, 4, dtype=torch.float64)
    lengths = torch.tensor([9])

    def top(inputs):
        return model._in_chunks(inputs, lengths, Chunked(3, 1), None)[-1]

    jacobian = torch.autograd.functional.jacobian(top, hidden)[0].abs().sum(dim=(1, 2, 4))
    for t in range(9):
        start = t // 3 * 3
        for s in range(9):
            moved = hidden.clone()
            moved[0, s, 0] += 1.0
            seen = not torch.equal(top(moved)[0, t], top(hidden)[0, t])
            assert seen == (s < min(9, start + 4))
            assert bool(jacobian[t, s] != 0) == (start <= s < start + 4)
