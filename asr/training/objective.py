"""What training minimises, of a worker's utterances: normalised frames -> a differentiable loss."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from asr.data.batches import Batch
from asr.model.acoustic import AcousticModel, Emissions
from asr.model.ctc import ctc_loss, divergence
from asr.model.reading import Bptt, Full
from asr.recogniser.recogniser import Recogniser
from asr.text.pronunciation import Pronunciations
from asr.training.settings import TrainConfig


@dataclass(frozen=True)
class AugmentedBatch:
    """Utterances as the model gets them.

    Where each has two views, the first views of all come before the second ones.
    """

    batch: Batch
    """The utterances, on the model's device."""
    log_mel: Tensor
    """(views x B, T, F), augmented."""
    lengths: Tensor
    """(views x B,), valid frames."""
    states: Tensor | None
    """As `AcousticModel.initial_states`, of the views: where they begin, if not at zeros."""


@dataclass(frozen=True)
class Loss:
    """What was made of them."""

    objective: Tensor
    """Scalar, summed over utterances; its gradient moves the weights."""
    value: float
    """What is told of it: summed over `count` units, views averaged."""
    count: int
    """Tokens, or whatever the loss is a mean over."""
    infeasible: tuple[str, ...] = ()
    """Utterances that can have no loss."""
    states: Tensor | None = None
    """States at the utterances' ends, (layers, 1 or 2, views x B, H).

    None if it was given no beginning.
    """


class Objective(Protocol):
    """A module in training, and what is asked of it."""

    @property
    def module(self) -> nn.Module:
        """Whose parameters are trained."""

    def views(self, progress: float) -> int:
        """How often each utterance is read in a step, after a share of training: once or twice."""

    def __call__(self, augmented: AugmentedBatch, bptt: Bptt, generator: torch.Generator) -> Loss:
        """Run the module; dropout draws from the generator."""


class Pronouncer(nn.Module):
    """An acoustic model whose intermediate layers learn sounds, by an output layer of their own.

    Only training needs that layer. See Krishna et al. 2018, "Hierarchical multitask learning for
    CTC".

    Args:
        acoustic: the model, whose modules are shared.
        num_sounds: size of the output, blank included.
    """

    def __init__(self, acoustic: AcousticModel, num_sounds: int) -> None:
        super().__init__()
        self.acoustic = acoustic
        self.sounds = nn.Linear(acoustic.output.in_features, num_sounds)

    def forward(self, log_mel: Tensor, lengths: Tensor, bptt: Bptt, **given: Any) -> Emissions:
        """As `AcousticModel.forward`; intermediate log-probs are of sounds."""
        emissions: Emissions = self.acoustic(log_mel, lengths, bptt, lower=self.sounds, **given)
        return emissions


def acoustic_of(module: nn.Module) -> AcousticModel:
    """The acoustic model in a module that transcribes, such as the averaged one of a trainer."""
    acoustic = module.acoustic if isinstance(module, Pronouncer) else module
    assert isinstance(acoustic, AcousticModel)
    return acoustic


class Transcription:
    """CTC of the acoustic model's output and of its intermediate layers (Lee & Watanabe 2021).

    With pronunciations these layers learn sounds instead of tokens. An utterance with a word that
    nobody can pronounce teaches them nothing. With two views, the loss is also how far they
    disagree (Yao et al. 2024). With a teacher, it is also how far the output departs from the
    teacher's: pseudo-rehearsal of what that one knows (Li & Hoiem 2016; Yu et al. 2013). A teacher
    that was trained whole reads whole, also if its pupil reads in chunks.
    """

    def __init__(
        self,
        config: TrainConfig,
        acoustic: AcousticModel,
        pronunciations: Pronunciations | None = None,
        teacher: Recogniser | None = None,
    ) -> None:
        self.config = config
        self.teacher = teacher
        if teacher is not None:
            teacher.acoustic.eval().requires_grad_(False)
        self.pronunciations = pronunciations
        self.module = acoustic if pronunciations is None else Pronouncer(acoustic, pronunciations.size)

    def views(self, progress: float) -> int:
        consistency = self.config.consistency
        return 2 if consistency.weight and progress >= consistency.begin else 1

    def __call__(self, augmented: AugmentedBatch, bptt: Bptt, generator: torch.Generator) -> Loss:
        config, batch = self.config, augmented.batch
        views = len(augmented.lengths) // len(batch.ids)
        emissions = self.module(
            augmented.log_mel, augmented.lengths, bptt, generator=generator, states=augmented.states
        )
        tokens, num_tokens = batch.tokens.repeat(views, 1), batch.num_tokens.repeat(views)
        band = None if config.ctc_band is None else config.recogniser.frames(config.ctc_band)
        final = ctc_loss(emissions.log_probs, emissions.lengths, tokens, num_tokens, band=band)
        targets = (tokens, num_tokens) if self.pronunciations is None else self._sounds(batch, views)
        lower = [ctc_loss(log_probs, emissions.lengths, *targets, band=band) for log_probs in emissions.intermediate]
        value = objective = final.values.sum() / views
        if lower:
            intermediate = torch.stack([one.values.sum() for one in lower]).mean() / views
            objective = torch.lerp(value, intermediate, config.intermediate_weight)
        if views == 2:
            objective = objective + config.consistency.weight * divergence(emissions.log_probs, emissions.lengths)
        if self.teacher is not None:
            reading = Full() if self.teacher.config.chunk is None else bptt
            taught = self.teacher.acoustic(augmented.log_mel, augmented.lengths, reading, states=augmented.states)
            objective = objective + config.rehearsal / views * departure(emissions, taught)
        feasible = final.feasible[: len(batch.ids)]
        infeasible = tuple(name for name, fits in zip(batch.ids, feasible.tolist(), strict=True) if not fits)
        return Loss(objective, value.item(), int(batch.num_tokens[feasible].sum()), infeasible, emissions.states)

    def _sounds(self, batch: Batch, views: int) -> tuple[Tensor, Tensor]:
        """(views x B, S) and (views x B,): the sounds of each text, and how many.

        More than there are frames, for no loss, where a word has none.
        """
        assert self.pronunciations is not None
        found = [self.pronunciations.encode(text) for text in batch.texts]
        most = batch.waveforms.shape[1]
        num_sounds = [most if sounds is None else len(sounds) for sounds in found]
        rows = [torch.tensor(sounds or [0]) for sounds in found]
        device = batch.tokens.device
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        return padded.repeat(views, 1), torch.tensor(num_sounds, device=device).repeat(views)


def departure(emissions: Emissions, taught: Emissions) -> Tensor:
    """Measure how far outputs are from a teacher's.

    Args:
        emissions: of the pupil, (B, T, V).
        taught: of the teacher, of the same utterances.

    Returns:
        Kullback-Leibler divergence from the teacher's distributions, in nats, summed over
        utterances and frames.
    """
    log_probs, wanted = emissions.log_probs, taught.log_probs
    valid = torch.arange(log_probs.shape[1], device=log_probs.device) < emissions.lengths[:, None]
    return (wanted.exp() * (wanted - log_probs)).sum(dim=2)[valid].sum()
