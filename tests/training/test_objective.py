"""What a step minimises: two views, and utterances of no text or too few frames."""

import copy
import dataclasses
import math

import pytest
import torch
from support.runs import PLAIN, SMALL, TOKENIZER, batch, parameters, trainer

from asr.model.ctc import ctc_loss
from asr.model.reading import Full
from asr.recogniser.recogniser import Recogniser
from asr.text.pronunciation import Pronunciations
from asr.training.objective import AugmentedBatch, Transcription, departure
from asr.training.settings import BpttConfig, ConsistencyConfig, OptimiserConfig


def test_two_equal_views_are_one_and_two_different_ones_are_drawn_together():
    """Without dropout, masks and warps both views are the same.

    They agree, and their mean is either of them.
    """
    consistency = ConsistencyConfig(weight=0.5, begin=0.25)
    told = batch(["abc abc", "b", "ca"])
    plain = trainer(dataclasses.replace(PLAIN, consistency=consistency))
    one, two = (plain.step([told], learning_rate=0.0, views=views) for views in (1, 2))
    assert two.loss == pytest.approx(one.loss, rel=1e-5)
    assert two.tokens == one.tokens
    assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    assert [plain.objective.views(progress) for progress in (0.0, 0.24, 0.25, 1.0)] == [1, 1, 2, 2]
    assert trainer(PLAIN).objective.views(1.0) == 1
    norms = []
    for weight in (1e-9, 0.5, 50.0):
        config = dataclasses.replace(SMALL, consistency=ConsistencyConfig(weight=weight))
        norms.append(trainer(config).step([told], learning_rate=0.0, views=2).gradient_norm)
    assert len(set(norms)) == 3, "views that differ are drawn towards each other"


def test_an_utterance_too_short_for_its_text_has_no_part_in_the_step():
    """The others move the weights exactly as they do without it.

    Only the mean's number of tokens is larger.
    """
    unclipped = dataclasses.replace(PLAIN, optimiser=OptimiserConfig(clip=1e9))
    both, alone = trainer(unclipped), trainer(unclipped)
    result = both.step([batch(["abc", "abcabcabc abc"], seconds=[9, 0.1])], learning_rate=1e-3)
    alone.step([batch(["abc"])], learning_rate=1e-3)
    assert result.infeasible == ("utterance-1",)
    assert not result.skipped
    for ours, theirs in zip(both.parameters, alone.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("texts", "seconds"), [([""], [0.05]), (["a", ""], [0.04, 0.3]), (["", ""], [0.5, 0.5])])
def test_empty_transcripts_and_single_frames_take_an_ordinary_step(texts: list[str], seconds: list[float]):
    subject = trainer(PLAIN)
    before = parameters(subject)
    result = subject.step([batch(texts, seconds)], learning_rate=1e-3)
    assert not result.skipped
    assert result.infeasible == ()
    assert math.isfinite(result.loss) and result.loss > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, subject.parameters, strict=True))


def test_lower_layers_learn_sounds_and_nothing_from_words_that_nobody_can_pronounce():
    """Their loss is CTC of the sounds, read out by a layer of their own.

    The utterance with an unknown word has the gradient that it has without lower layers.
    """
    told = Pronunciations({"abc": ("x", "y"), "b": ("z",)})
    config = dataclasses.replace(PLAIN, intermediate_weight=0.4, optimiser=OptimiserConfig(clip=1e9))
    torch.manual_seed(0)
    recogniser = Recogniser(config.recogniser, TOKENIZER)
    objective = Transcription(config, recogniser.acoustic, told)
    assert {name.split(".")[0] for name, _ in objective.module.named_parameters()} == {"acoustic", "sounds"}

    def loss(texts):
        utterances = batch(texts)
        log_mel, lengths = recogniser.features(utterances.waveforms, utterances.num_samples)
        augmented = AugmentedBatch(utterances, log_mel, lengths, None)
        found = objective(augmented, Full(), torch.Generator())
        emissions = objective.module(log_mel, lengths, Full())
        return found, emissions, torch.autograd.grad(found.objective, objective.module.sounds.weight)[0]

    found, emissions, gradient = loss(["abc b"])
    (lower,) = emissions.intermediate
    assert lower.shape[-1] == told.size == 4
    sounds = ctc_loss(lower, emissions.lengths, torch.tensor([[1, 2, 3]]), torch.tensor([3])).values.sum()
    assert float(found.objective.detach()) == pytest.approx(0.6 * found.value + 0.4 * float(sounds.detach()), rel=1e-5)
    assert gradient.abs().max() > 0
    found, _, gradient = loss(["abc ca"])
    assert float(found.objective.detach()) == pytest.approx(0.6 * found.value, rel=1e-5)
    assert gradient.abs().max() == 0


def test_a_teacher_holds_what_it_knows():
    """The divergence from it, over valid frames only; none from itself."""
    config = dataclasses.replace(PLAIN, init="somewhere", rehearsal=2.0)
    plain, taught = trainer(PLAIN), trainer(PLAIN)
    teacher = copy.deepcopy(taught.recogniser.acoustic)
    with torch.no_grad():
        teacher.output.bias[1] += 1.0
    known = taught.recogniser.with_acoustic(teacher)
    taught.objective = Transcription(config, taught.recogniser.acoustic, teacher=known)
    given = batch(["ab", "a cab"])
    views, losses = 1, []
    for one in (plain, taught):
        augmented = one._augment(given, {}, views, torch.Generator().manual_seed(0))
        losses.append(one.objective(augmented, one.bptt, torch.Generator()))
    emissions = plain.recogniser.acoustic(augmented.log_mel, augmented.lengths, plain.bptt)
    other = teacher(augmented.log_mel, augmented.lengths, plain.bptt)
    expected = sum(
        torch.nn.functional.kl_div(torch.from_numpy(a), torch.from_numpy(b), log_target=True, reduction="sum")
        for a, b in zip(emissions.utterances(), other.utterances(), strict=True)
    )
    torch.testing.assert_close(losses[1].objective - losses[0].objective, 2 * expected, rtol=1e-4, atol=1e-4)
    assert losses[1].value == pytest.approx(losses[0].value) and expected > 0.1
    assert departure(emissions, emissions) == 0
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_a_teacher_that_was_trained_whole_teaches_chunks_what_it_hears_whole():
    chunked = dataclasses.replace(PLAIN, bptt=BpttConfig("chunked", chunk=0.1, lookahead=0.1), init="x", rehearsal=1.0)
    pupil, whole = trainer(chunked), trainer(PLAIN).recogniser
    whole.acoustic.load_state_dict(pupil.recogniser.acoustic.state_dict())
    augmented = pupil._augment(batch(["abc", "cab a"]), {}, 1, torch.Generator().manual_seed(0))

    def learnt(teacher: Recogniser | None) -> torch.Tensor:
        objective = Transcription(chunked, pupil.recogniser.acoustic, teacher=teacher)
        return objective(augmented, pupil.bptt, torch.Generator()).objective

    given = augmented.log_mel, augmented.lengths
    live, full = (pupil.recogniser.acoustic(*given, how) for how in (pupil.bptt, Full()))
    expected = departure(live, full)
    assert expected > 1e-3, "a chunk does not hear what comes after it"
    torch.testing.assert_close(learnt(whole) - learnt(None), expected, rtol=1e-4, atol=1e-4)
    own = pupil.recogniser.with_acoustic(whole.acoustic)
    torch.testing.assert_close(learnt(own), learnt(None), msg="a teacher in chunks hears the same")
