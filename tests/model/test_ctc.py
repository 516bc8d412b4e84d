"""CTC against a sum over all paths, PyTorch's own loss, and its corner cases."""

import math
from itertools import groupby, product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import asr.model.ctc
from asr.model.ctc import ctc_loss, divergence
from asr.model.labels import minimum_frames

unhurried = settings(deadline=None, max_examples=40)


def collapse(path):
    """Merge equal neighbours, then drop blanks (Graves et al. 2006, section 3.1)."""
    return [token for token, _ in groupby(path) if token != 0]


def random_log_probs(batch, frames, tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, frames, tokens, dtype=torch.float64, generator=generator)
    return logits.log_softmax(dim=-1).requires_grad_()


def loss_of_one(log_probs, labels):
    """One utterance, all of whose frames are valid."""
    target = torch.tensor([labels], dtype=torch.long).reshape(1, -1)
    return ctc_loss(log_probs[None], torch.tensor([len(log_probs)]), target, torch.tensor([len(labels)]))


@pytest.fixture(params=["whole", "checkpointed"], scope="module", autouse=True)
def lattice(request):
    """Every law holds for PyTorch's lattice and for ours."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "checkpointed":
            patch.setattr(asr.model.ctc, "LARGEST_LATTICE", 0)
        yield request.param


@pytest.mark.parametrize("labels", [[], [1], [2], [1, 2], [1, 1], [2, 1, 2], [2, 2, 1], [1, 1, 1], [1, 2, 1, 2]])
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_the_loss_is_minus_the_log_of_the_sum_over_all_paths(frames, labels):
    log_probs = random_log_probs(1, frames, 3)[0].detach()
    paths = [path for path in product(range(3), repeat=frames) if collapse(path) == labels]
    loss = loss_of_one(log_probs, labels)
    assert bool(loss.feasible) == bool(paths)
    probability = sum(math.exp(sum(log_probs[t, token] for t, token in enumerate(path))) for path in paths)
    assert loss.values.item() == pytest.approx(-math.log(probability) if paths else 0.0, abs=1e-12)


def test_all_transcripts_that_fit_share_a_probability_of_one():
    log_probs = random_log_probs(1, 4, 3)[0].detach()
    transcripts = {tuple(collapse(path)) for path in product(range(3), repeat=4)}
    total = sum(math.exp(-loss_of_one(log_probs, list(labels)).values.item()) for labels in transcripts)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_minimum_frames_is_the_length_of_the_shortest_path():
    shortest = {}
    for frames in range(8):
        for path in product(range(3), repeat=frames):
            shortest.setdefault(tuple(collapse(path)), frames)
    for labels in (labels for count in range(5) for labels in product((1, 2), repeat=count)):
        assert minimum_frames(labels) == shortest[labels]


@st.composite
def batches(draw):
    """Labels of each utterance, and frames that suffice for each."""
    labels = draw(st.lists(st.lists(st.integers(1, 3), max_size=4), min_size=1, max_size=4))
    return labels, [max(1, minimum_frames(tokens)) + draw(st.integers(0, 4)) for tokens in labels]


def padded(labels, padding=0):
    width = max(map(len, labels))
    return torch.tensor([[*tokens, *[padding] * (width - len(tokens))] for tokens in labels], dtype=torch.long)


@unhurried
@given(batches(), st.integers(0, 99), st.sampled_from([-1, 0, 1, 99]))
def test_loss_and_gradient_equal_those_of_torch_whatever_pads_the_targets(batch, seed, padding):
    labels, frames = batch
    log_probs = random_log_probs(len(labels), max(frames) + 2, 4, seed)
    lengths, target_lengths = torch.tensor(frames), torch.tensor([len(tokens) for tokens in labels])
    loss = ctc_loss(log_probs, lengths, padded(labels, padding), target_lengths)
    flat = torch.tensor([token for tokens in labels for token in tokens], dtype=torch.long)
    expected = F.ctc_loss(log_probs.transpose(0, 1), flat, lengths, target_lengths, reduction="none")
    assert loss.feasible.all()
    torch.testing.assert_close(loss.values, expected, rtol=0, atol=1e-12)
    weights = torch.linspace(1.0, 2.0, len(labels), dtype=torch.float64)
    gradient, expected_gradient = (
        torch.autograd.grad((values * weights).sum(), log_probs)[0] for values in (loss.values, expected)
    )
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)
    for row, valid in zip(gradient, frames, strict=True):
        assert not row[valid:].any()


def test_the_gradient_with_respect_to_logits_is_that_of_finite_differences():
    def loss(logits):
        targets = torch.tensor([[1, 1], [2, 0], [0, 0]])
        return ctc_loss(logits.log_softmax(-1), torch.tensor([4, 3, 2]), targets, torch.tensor([2, 1, 0])).values

    assert torch.autograd.gradcheck(loss, random_log_probs(3, 4, 3).detach().requires_grad_())


@pytest.mark.parametrize(
    ("labels", "frames"),
    [([1, 2, 3], 2), ([1, 1], 2), ([1], 0), ([1, 2], 1), ([2, 2, 2], 4)],
)
def test_an_infeasible_utterance_has_no_loss_no_gradient_and_no_effect_on_its_neighbours(labels, frames):
    neighbours = [[3, 2], labels, [1]]
    lengths, target_lengths = torch.tensor([5, frames, 3]), torch.tensor([2, len(labels), 1])
    log_probs = random_log_probs(3, 5, 4)
    loss = ctc_loss(log_probs, lengths, padded(neighbours), target_lengths)
    assert loss.feasible.tolist() == [True, False, True]
    assert loss.values[1] == 0
    (gradient,) = torch.autograd.grad(loss.values.sum(), log_probs)
    assert torch.equal(gradient[1], torch.zeros(5, 4, dtype=torch.float64))
    for i in (0, 2):
        alone = loss_of_one(log_probs[i, : lengths[i]], neighbours[i]).values.sum()
        torch.testing.assert_close(loss.values[i], alone, rtol=0, atol=1e-12)
        torch.testing.assert_close(gradient[i], torch.autograd.grad(alone, log_probs)[0][i], rtol=0, atol=1e-12)


def test_an_utterance_without_frames_says_nothing_for_sure():
    """The one path through no frames is empty.

    So no tokens have a probability of one, and nothing to learn.
    """
    log_probs = random_log_probs(2, 3, 3)
    loss = ctc_loss(log_probs, torch.tensor([0, 3]), torch.tensor([[0], [1]]), torch.tensor([0, 1]))
    assert loss.feasible.all()
    assert loss.values[0] == 0
    (gradient,) = torch.autograd.grad(loss.values.sum(), log_probs)
    assert not gradient[0].any()
    assert gradient[1].any()


@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
@pytest.mark.parametrize("labels", [[], [1], [1, 2]])
def test_a_frame_without_finite_log_probs_makes_its_utterance_and_no_other_non_finite(value, labels):
    log_probs = random_log_probs(2, 4, 3).detach()
    target, target_lengths = padded([labels, [1, 2]]), torch.tensor([len(labels), 2])
    lengths = torch.tensor([4, 4])
    before = ctc_loss(log_probs, lengths, target, target_lengths).values
    log_probs[0, 2] = value
    loss = ctc_loss(log_probs, lengths, target, target_lengths)
    assert loss.feasible.all()
    assert not loss.values[0].isfinite()
    assert loss.values[1] == before[1]


def test_what_stands_beyond_an_utterance_is_not_read():
    log_probs = random_log_probs(2, 4, 3).detach()
    arguments = torch.tensor([2, 4]), padded([[1], [1, 2]]), torch.tensor([1, 2])
    before = ctc_loss(log_probs, *arguments).values
    log_probs[0, 2:] = math.nan
    assert torch.equal(ctc_loss(log_probs, *arguments).values, before)


def test_a_lattice_above_the_stated_size_is_checkpointed(lattice, monkeypatch):
    """Seen from outside by what is kept for the gradient: columns for a few frames, not all."""
    monkeypatch.setattr(asr.model.ctc, "LARGEST_LATTICE", 2 * 400 * 7 - (lattice == "checkpointed"))
    log_probs = random_log_probs(2, 400, 5)
    loss = ctc_loss(log_probs, torch.tensor([400, 399]), torch.tensor([[1, 2, 2], [3, 0, 0]]), torch.tensor([3, 1]))
    assert ("Checkpointed" in str(loss.values.grad_fn.next_functions)) == (lattice == "checkpointed")
    if lattice == "checkpointed":
        node = loss.values.grad_fn.next_functions[0][0]
        assert len(node.columns) == 20


def test_the_gradient_of_a_long_utterance_is_hardly_rounded_in_float32(monkeypatch):
    """5,000 frames, 600 tokens.

    PyTorch's lattice, float32 like its input, is off by 0.04 of a path here.
    """
    monkeypatch.setattr(asr.model.ctc, "LARGEST_LATTICE", 0)
    generator = torch.Generator().manual_seed(0)
    exact = (2 * torch.randn(1, 5000, 30, dtype=torch.float64, generator=generator)).log_softmax(-1)
    targets = torch.randint(1, 30, (1, 600), generator=generator)

    def gradient(log_probs):
        log_probs = log_probs.clone().requires_grad_()
        loss = ctc_loss(log_probs, torch.tensor([5000]), targets, torch.tensor([600]))
        return torch.autograd.grad(loss.values.sum(), log_probs)[0].double()

    assert (gradient(exact) - gradient(exact.float())).abs().max() < 1e-5


def states_of(path):
    """The lattice's states along a path: 0 before the first token, 1 in it, 2 after it, ..."""
    states, before = [], 0
    for number, token in enumerate(path):
        if token == 0:
            before += before % 2
        elif number == 0 or token != path[number - 1]:
            before += 1 + before % 2
        states.append(before)
    return states


@pytest.mark.parametrize("band", [1, 2, 3, 9])
def test_a_band_leaves_out_the_paths_that_run_ahead_or_behind_and_no_other(band, monkeypatch):
    """Against the sum over all paths of 9 frames that stay within it; the widest allows all."""
    monkeypatch.setattr(asr.model.ctc, "LARGEST_LATTICE", 0)
    labels, frames = [1, 2, 1], 9
    log_probs = random_log_probs(1, frames, 3)[0].detach()
    states = 2 * len(labels) + 1

    def inside(path):
        return all(
            (t + 1 - band) * states // frames - 1 <= state < min(states, (t + 1 + band) * states // frames + 1)
            for t, state in enumerate(states_of(path))
        )

    paths = [path for path in product(range(3), repeat=frames) if collapse(path) == labels]
    kept = [path for path in paths if inside(path)]
    assert kept and (len(kept) == len(paths)) == (band == 9)
    probability = sum(math.exp(sum(log_probs[t, token] for t, token in enumerate(path))) for path in kept)
    leaf = log_probs[None].clone().requires_grad_()
    loss = ctc_loss(leaf, torch.tensor([frames]), torch.tensor([labels]), torch.tensor([3]), band=band)
    assert loss.values.item() == pytest.approx(-math.log(probability), abs=1e-12)
    (gradient,) = torch.autograd.grad(loss.values.sum(), leaf)
    used = sum(math.exp(sum(log_probs[t, token] for t, token in enumerate(path))) for path in kept if path[4] == 2)
    assert gradient[0, 4, 2].item() == pytest.approx(math.exp(log_probs[4, 2]) - used / probability, abs=1e-12)


def test_a_band_leaves_lattices_that_are_not_checkpointed_whole(lattice):
    log_probs = random_log_probs(1, 30, 3).detach()
    arguments = (torch.tensor([30]), torch.tensor([[1, 2, 2, 1]]), torch.tensor([4]))
    exact, banded = (ctc_loss(log_probs, *arguments, band=band).values.item() for band in (None, 2))
    assert (banded == exact) == (lattice == "whole")
    assert banded >= exact


def test_two_views_diverge_as_the_mean_of_both_kullback_leibler_divergences():
    """Each against the other taken as given; frames that are padded have no part in it."""
    log_probs = random_log_probs(4, 6, 3)
    one, other = log_probs.chunk(2)
    lengths = torch.tensor([6, 4, 6, 4])
    found = divergence(log_probs, lengths)
    expected = 0.0
    for pupil, teacher in ((one, other), (other, one)):
        for row, length in enumerate((6, 4)):
            given_teacher = teacher[row, :length].detach()
            expected += F.kl_div(pupil[row, :length], given_teacher, log_target=True, reduction="sum") / 2
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, log_probs, retain_graph=True)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, log_probs)[0])
    assert (gradient[1::2, 4:] == 0).all()
    assert divergence(torch.cat([one, one]), lengths).item() == 0
