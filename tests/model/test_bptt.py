"""Where gradients stop, against a recurrence unrolled by hand (tests/reference.py)."""

from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference

import asr.model.bptt
from asr.errors import ConfigError
from asr.model.acoustic import AcousticModel
from asr.model.bptt import unroll
from asr.model.ctc import ctc_loss
from asr.model.reading import Full, Truncated
from asr.model.recurrent import RecurrentLayer
from asr.model.shape import AcousticConfig

CELLS = ("rnn", "gru", "lstm")
T = 7  # frames of the longest utterance after subsampling by 2
LENGTHS = torch.tensor([11, 14, 1])  # 6, 7 and 1 frames
TARGETS = torch.tensor([[1, 2, 0], [3, 3, 1], [0, 0, 0]])
TARGET_LENGTHS = torch.tensor([2, 3, 0])

STACKS = {  # what the layers are made of, beside the cell
    "one direction": {"bidirectional": False, "layer_norm": False},
    "sum": {"merge": "sum", "residual": True},
    "concat": {"merge": "concat", "projection": 4, "residual": True},
}


@pytest.fixture(params=CELLS)
def cell(request):
    return request.param


@pytest.fixture(params=STACKS)
def stack(request):
    return request.param


def build(cell, stack, dropout=0.0):
    torch.manual_seed(0)
    config = AcousticConfig(subsampling=2, channels=2, cell=cell, layers=2, hidden=4, dropout=dropout, **STACKS[stack])
    return AcousticModel(config, num_features=4, num_tokens=4).double()


@pytest.fixture
def log_mel():
    return torch.randn(3, 14, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradients(model, loss, log_mel):
    """Of the input, then of every parameter."""
    return torch.autograd.grad(loss, [log_mel, *model.parameters()])


def gradients_under_test(model, log_mel, bptt):
    log_mel = log_mel.clone().requires_grad_()
    emissions = model(log_mel, LENGTHS, bptt)
    loss = ctc_loss(emissions.log_probs, emissions.lengths, TARGETS, TARGET_LENGTHS)
    return gradients(model, loss.values.sum(), log_mel)


def gradients_by_hand(model, log_mel, cuts):
    """Each utterance alone and unpadded; `cuts` maps its number of frames to its cuts."""
    log_mel = log_mel.clone().requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    for features, length, target, tokens in zip(log_mel, LENGTHS, TARGETS, TARGET_LENGTHS, strict=True):
        log_probs = reference.log_probs(model, features[:length], cuts(-(-int(length) // 2)))
        loss = loss + F.ctc_loss(
            log_probs, target[:tokens], torch.tensor(len(log_probs)), tokens, blank=0, reduction="sum"
        )
    return gradients(model, loss, log_mel)


def farthest(some, others):
    """The largest difference between two lists of gradients."""
    return max(float((a - b).abs().max()) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("recompute", ["never", "always"])
@pytest.mark.parametrize(("segment", "offset"), [(1, 0), (3, 0), (3, 1), (3, 2), (T - 1, 0), (T + 2, T - 1)])
def test_gradients_of_ctc_equal_a_hand_unrolled_reference_with_the_same_cuts(
    cell, stack, log_mel, segment, offset, recompute
):
    model = build(cell, stack)
    found = gradients_under_test(model, log_mel, Truncated(segment, recompute, offset))
    expected = gradients_by_hand(model, log_mel, lambda frames: reference.cuts_every(segment, frames, offset))
    assert farthest(found, expected) < 1e-9


def test_gradients_where_no_segment_ends_equal_a_reference_without_cuts(cell, stack, log_mel):
    model = build(cell, stack)
    expected = gradients_by_hand(model, log_mel, lambda _: ())
    for bptt in (Full(), Truncated(T), Truncated(T + 5), Truncated(T, "always"), Truncated(T + 5, "always")):
        assert farthest(gradients_under_test(model, log_mel, bptt), expected) < 1e-9


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param(lambda _: (), id="no cut"),
        pytest.param(lambda frames: {cut + 1 for cut in reference.cuts_every(3, frames)}, id="every cut a frame late"),
        pytest.param(lambda frames: {cut - 1 for cut in reference.cuts_every(3, frames)}, id="every cut a frame early"),
        pytest.param(lambda frames: reference.cuts_every(3, frames) | {1}, id="one cut too many"),
        pytest.param(lambda frames: {cut for cut in range(frames) if (frames - cut) % 3 == 0}, id="from the far end"),
    ],
)
def test_a_reference_cut_elsewhere_disagrees(cell, log_mel, cuts):
    model = build(cell, "sum")
    assert farthest(gradients_under_test(model, log_mel, Truncated(3)), gradients_by_hand(model, log_mel, cuts)) > 1e-6


def test_gradients_of_a_segment_are_those_of_full_exactly_where_it_covers_the_utterance(cell, stack, log_mel):
    model = build(cell, stack)
    full = gradients_under_test(model, log_mel, Full())
    for segment in (T, T + 5):
        found = gradients_under_test(model, log_mel, Truncated(segment))
        assert all(torch.equal(a, b) for a, b in zip(found, full, strict=True))
    for segment in (1, 3, T - 1):
        assert farthest(gradients_under_test(model, log_mel, Truncated(segment)), full) > 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("grad", [True, False])
def test_forward_values_equal_those_of_full(cell, log_mel, dtype, tolerance, grad):
    """Not bit for bit: a kernel may multiply the inputs of all frames at once.

    It rounds by their number.
    """
    model, log_mel = build(cell, "concat").to(dtype), log_mel.to(dtype)
    with torch.set_grad_enabled(grad):
        full = model(log_mel, LENGTHS, Full())
        for segment in (1, 3, T - 1):
            cut = model(log_mel, LENGTHS, Truncated(segment))
            torch.testing.assert_close(cut.log_probs, full.log_probs, rtol=0, atol=tolerance)


def test_the_loss_is_never_cut(cell, log_mel):
    """CTC's gradient at the log-probs spans segment borders.

    With one-frame segments it is that of Full.
    """
    model = build(cell, "sum")

    def at_log_probs(bptt):
        emissions = model(log_mel, LENGTHS, bptt)
        loss = ctc_loss(emissions.log_probs, emissions.lengths, TARGETS, TARGET_LENGTHS)
        return torch.autograd.grad(loss.values.sum(), emissions.log_probs)[0]

    torch.testing.assert_close(at_log_probs(Truncated(1)), at_log_probs(Full()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("segment", [1, 2, 3, None])
def test_a_gradient_reaches_the_frames_of_its_own_segment_and_no_other(cell, segment):
    """Exactly zero across a border, and not zero within, in each direction.

    No gradient reaches padding.
    """
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 2, 2, bidirectional=True, merge="concat").double()
    frames, length = 6, 5
    span = segment or frames
    bptt = Truncated(segment) if segment else Full()
    inputs = torch.randn(1, frames, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x, torch.tensor([length]), bptt)[0], inputs)
    reached = jacobian[0, :, :, 0].sum(dim=-1) != 0  # (output frame, unit, input frame)
    for t in range(length):
        for s in range(frames):
            forwards = s <= t and s // span == t // span
            backwards = t <= s < length and (length - 1 - s) // span == (length - 1 - t) // span
            assert reached[t, :2, s].all() if forwards else not reached[t, :2, s].any()
            assert reached[t, 2:, s].all() if backwards else not reached[t, 2:, s].any()


@settings(deadline=None, max_examples=25)
@given(frames=st.integers(1, 8), segment=st.integers(1, 9), cell=st.sampled_from(["RNN", "GRU", "LSTM"]))
def test_one_direction_equals_its_reference_for_any_length_and_segment(frames, segment, cell):
    torch.manual_seed(frames)
    rnn = getattr(torch.nn, cell)(2, 3, batch_first=True).double()
    inputs = torch.randn(1, frames, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(frames, 3, dtype=torch.float64)
    outputs = unroll(rnn, inputs, Truncated(segment))[0]
    expected = reference.direction(rnn, inputs[0], reference.cuts_every(segment, frames))
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    wanted = [inputs, *rnn.parameters()]
    found = torch.autograd.grad((outputs * weights).sum(), wanted)
    assert farthest(found, torch.autograd.grad((expected * weights).sum(), wanted)) < 1e-9


@pytest.mark.parametrize("segment", [0, -1])
def test_a_segment_without_frames_is_refused(segment):
    with pytest.raises(ConfigError, match=rf"segment has at least one frame, got {segment}$"):
        Truncated(segment)


@pytest.mark.parametrize("offset", [-1, 3, 4])
def test_an_offset_of_a_whole_segment_is_refused(offset):
    with pytest.raises(ConfigError, match=rf"offset lies in 0 to 2 frames, got {offset}$"):
        Truncated(3, offset=offset)


def trained_gradients(model, log_mel, bptt, seed=3):
    """In training, with dropout between layers whose masks come from a seed."""
    emissions = model.train()(log_mel, LENGTHS, bptt, generator=torch.Generator().manual_seed(seed))
    loss = ctc_loss(emissions.log_probs, emissions.lengths, TARGETS, TARGET_LENGTHS).values.sum()
    return emissions.log_probs.detach(), torch.autograd.grad(loss, list(model.parameters()))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("rows", "offset"), [(1, 0), (3, 1), (6, 1), (6, 0), (64, 0), (64, 1)])
def test_recomputation_changes_no_value_and_no_gradient(
    cell, stack, log_mel, dtype, tolerance, rows, offset, monkeypatch
):
    """However many segments are recomputed at once, with the forward pass's dropout masks."""
    monkeypatch.setattr(asr.model.bptt, "ROWS", rows)
    model, log_mel = build(cell, stack, dropout=0.4).to(dtype), log_mel.to(dtype)
    kept, expected = trained_gradients(model, log_mel, Truncated(2, "never", offset))
    values, found = trained_gradients(model, log_mel, Truncated(2, "always", offset))
    torch.testing.assert_close(values, kept, rtol=0, atol=tolerance / 100)
    assert farthest(found, expected) < tolerance
    assert farthest(trained_gradients(model, log_mel, Truncated(2, "never", offset), seed=4)[1], expected) > 1e-3


def test_gradients_of_full_are_those_of_finite_differences(cell, stack, log_mel):
    """The whole model and CTC, along three random directions of all weights at once."""
    model, step = build(cell, stack), 1e-5
    expected = gradients_under_test(model, log_mel, Full())[1:]
    weights = [parameter.detach().clone() for parameter in model.parameters()]

    def loss_at(shifts):
        with torch.no_grad():
            for parameter, weight, shift in zip(model.parameters(), weights, shifts, strict=True):
                parameter.copy_(weight + shift)
            emissions = model(log_mel, LENGTHS, Full())
            return ctc_loss(emissions.log_probs, emissions.lengths, TARGETS, TARGET_LENGTHS).values.sum()

    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        along = [torch.randn(weight.shape, dtype=weight.dtype, generator=draw) for weight in weights]
        difference = (loss_at([step * d for d in along]) - loss_at([-step * d for d in along])) / (2 * step)
        slope = sum(float((gradient * d).sum()) for gradient, d in zip(expected, along, strict=True))
        assert abs(slope) > 0.1
        assert float(difference) == pytest.approx(slope, rel=1e-6)


def in_parallel(rank, folder, bptt):
    """One of two processes: its utterance's loss, and the gradient of the mean loss of both."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(build("lstm", "concat", dropout=0.4).train())
    own = slice(rank, rank + 1)
    log_mel = torch.randn(2, 14, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    emissions = model(log_mel[own], LENGTHS[:2][own], bptt, generator=torch.Generator().manual_seed(rank))
    loss = ctc_loss(emissions.log_probs, emissions.lengths, TARGETS[:2][own], TARGET_LENGTHS[:2][own]).values.sum()
    loss.backward()
    torch.distributed.destroy_process_group()
    return loss.item(), [parameter.grad.numpy() for parameter in model.parameters()]


@pytest.mark.parametrize("bptt", [Truncated(2, "never"), Truncated(2, "always")], ids=str)
def test_data_parallel_processes_agree_on_the_mean_gradient(tmp_path, bptt):
    with ProcessPoolExecutor(2, mp_context=torch.multiprocessing.get_context("spawn")) as processes:
        found = list(processes.map(in_parallel, range(2), [tmp_path] * 2, [bptt] * 2))
    model = build("lstm", "concat", dropout=0.4).train()
    log_mel = torch.randn(2, 14, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for rank in range(2):
        own = slice(rank, rank + 1)
        emissions = model(log_mel[own], LENGTHS[:2][own], bptt, generator=torch.Generator().manual_seed(rank))
        loss = ctc_loss(emissions.log_probs, emissions.lengths, TARGETS[:2][own], TARGET_LENGTHS[:2][own]).values.sum()
        assert found[rank][0] == pytest.approx(loss.item())
        (loss / 2).backward()
    for rank in range(2):
        ours = [torch.from_numpy(gradient) for gradient in found[rank][1]]
        assert farthest(ours, [parameter.grad for parameter in model.parameters()]) < 1e-12


def test_recomputation_leaves_frozen_weights_alone(log_mel):
    model = build("lstm", "sum")
    model.layers[0].recurrent.rnns[1].weight_hh_l0.requires_grad_(False)
    emissions = model(log_mel, LENGTHS, Truncated(2, recompute="always"))
    ctc_loss(emissions.log_probs, emissions.lengths, TARGETS, TARGET_LENGTHS).values.sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name == "layers.0.recurrent.rnns.1.weight_hh_l0")


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_recomputation_under_autocast_computes_in_the_same_precision(cell):
    """Not for LSTM: oneDNN has no bfloat16 kernel for it on every CPU."""
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 8, 8, bidirectional=True, merge="sum", layer_norm=True)
    inputs = torch.randn(2, 12, 8, requires_grad=True)
    lengths = torch.tensor([12, 9])
    with torch.autocast("cpu", torch.bfloat16):
        kept, again = (layer(inputs, lengths, Truncated(4, recompute))[0] for recompute in ("never", "always"))
    assert kept.dtype == again.dtype
    torch.testing.assert_close(again, kept, rtol=0, atol=0)
    wanted = [inputs, *layer.parameters()]
    valid = (torch.arange(12) < lengths[:, None]).unsqueeze(-1)
    found, expected = (torch.autograd.grad((outputs.float() * valid).sum(), wanted) for outputs in (again, kept))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.05)


def kept_bytes(model, frames, bptt):
    """What autograd keeps of a forward pass: each storage once, weights not counted."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    log_mel = torch.randn(2, frames, 4, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        emissions = model(log_mel, torch.tensor([frames, frames]), bptt)
    assert emissions.log_probs.requires_grad
    return sum(storages.values())


def test_recomputation_keeps_a_layers_inputs_and_no_gates(cell):
    """For each frame more: an input of each layer and a mask of one byte a feature.

    Truncation alone keeps gates too.
    """
    torch.manual_seed(0)
    config = AcousticConfig(subsampling=2, channels=2, cell=cell, layers=3, hidden=32, dropout=0.3, merge="sum")
    model = AcousticModel(config, num_features=4, num_tokens=4).double()
    grown = {
        bptt: kept_bytes(model, 640, bptt) - kept_bytes(model, 320, bptt)
        for bptt in (Truncated(10, "never"), Truncated(10, recompute="always"))
    }
    frames = 2 * 160  # more output frames, of two utterances
    layer = 32 * (8 + 1)  # of float64 and bool
    reading = 8  # the order in which the backward direction reads
    top = 32 * (8 + 8 + 1) + 4 * 8 + 2 * 8  # the output's mask, norm and linear layer, log-probs, and what a norm keeps
    boundary = 3 * 2 * 2 * 32 * 8 / 10 * (2 if cell == "lstm" else 1)
    inputs = 2 * 4 * 8
    assert grown[Truncated(10, "always")] <= 1.1 * frames * (3 * (layer + 2 * reading) + top + boundary + inputs)
    assert grown[Truncated(10, "never")] > 2 * grown[Truncated(10, "always")]


@pytest.mark.parametrize(
    ("utterances", "frames", "expected"),
    [(1, 10, False), (1, 11, True), (3, 30, True), (4, 30, False), (4, 31, True), (1, 0, False)],
)
def test_gates_are_recomputed_where_utterances_are_no_more_than_their_segments(utterances, frames, expected):
    assert Truncated(10).recomputes(utterances, frames) is expected
    assert Truncated(10, "always").recomputes(utterances, frames)
    assert not Truncated(10, "never").recomputes(utterances, frames)


def test_one_long_utterance_keeps_no_gates_by_itself(cell):
    torch.manual_seed(0)
    config = AcousticConfig(subsampling=2, channels=2, cell=cell, layers=2, hidden=32, merge="sum")
    model = AcousticModel(config, num_features=4, num_tokens=4).double()
    kept = [kept_bytes(model, 640, bptt) for bptt in (Truncated(10), Truncated(10, "always"), Truncated(10, "never"))]
    assert kept[0] == kept[1] < kept[2] / 2
