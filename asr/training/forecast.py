"""Autoregressive predictive coding: recurrent layers learn from audio alone, by forecasting it.

See Chung et al. 2019. Each direction is a stack of its own here. The forward one reads an utterance
up to a frame and forecasts the frames some way ahead. The backward one likewise reads it from its
end, and forecasts what came before.

They share convolutions and layer norms, but neither sees what the other has read. Through a layer
that merges both directions, a forecast would know its answer. Training with CTC then merges them,
as the model does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.model.acoustic import AcousticModel
from asr.model.reading import Bptt, Chunked
from asr.model.recurrent import reverse_within
from asr.training.objective import AugmentedBatch, Loss
from asr.units import Frames


class Forecaster(nn.Module):
    """An acoustic model's convolutions and recurrent layers, each direction with a linear output.

    Args:
        acoustic: the model, whose modules are shared.
        num_features: mel bins of an input frame.
    """

    def __init__(self, acoustic: AcousticModel, num_features: int) -> None:
        super().__init__()
        self.subsample = acoustic.subsample
        self.layers = acoustic.layers
        directions = 2 if acoustic.config.bidirectional else 1
        size, self.block = acoustic.output.in_features, acoustic.subsample.factor * num_features
        self.heads = nn.ModuleList(nn.Linear(size, self.block) for _ in range(directions))

    def forward(
        self, log_mel: Tensor, lengths: Tensor, bptt: Bptt, generator: torch.Generator | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Forecast, in each direction.

        Args:
            log_mel: (B, T, F), 0 at padded frames.
            lengths: (B,), valid frames.
            bptt: where gradients stop; not `Chunked`.
            generator: source of the dropout masks in training.

        Returns:
            For each direction, in its reading order: its forecast at each output frame, (B, T',
            factor * F). Beside it, likewise, the input frames that the output frames stand for. The
            forecast is compared with those some frames later.
        """
        assert not isinstance(bptt, Chunked)
        hidden, ends = self.subsample(log_mel, lengths)
        padding = hidden.shape[1] * self.subsample.factor - log_mel.shape[1]
        read = F.pad(log_mel, (0, 0, 0, padding)).reshape(*hidden.shape[:2], self.block)
        found = []
        for direction, head in enumerate(self.heads):
            frames, blocks = (hidden, read) if direction == 0 else (reverse_within(x, ends) for x in (hidden, read))
            for layer in self.layers:
                frames = layer.one_way(frames, direction, bptt, generator)  # type: ignore[operator]
            found.append((head(frames), blocks))
        return found


class Forecasting:
    """How far forecasts are off: mean absolute difference from the features.

    It is in the features' standard deviations.

    Args:
        module: what forecasts.
        ahead: output frames from the last one read to the one forecast; more than
            `acoustic.CONTEXT`.
    """

    def __init__(self, module: Forecaster, ahead: Frames) -> None:
        self.module = module
        self.ahead = ahead

    def views(self, progress: float) -> int:
        """Once."""
        return 1

    def __call__(self, augmented: AugmentedBatch, bptt: Bptt, generator: torch.Generator | None = None) -> Loss:
        """Sum over the frames that are forecast.

        An utterance with none, being too short, is named as infeasible.
        """
        factor = self.module.subsample.factor
        ends = (augmented.lengths + factor - 1) // factor
        whole = augmented.lengths // factor  # a last block that is not all there is not forecast
        found = self.module(augmented.log_mel, augmented.lengths, bptt, generator)
        objective, count = augmented.log_mel.new_zeros(()), 0
        for direction, (forecasts, blocks) in enumerate(found):
            time = torch.arange(blocks.shape[1], device=blocks.device)[self.ahead :]
            first = (ends - whole)[:, None] if direction else torch.zeros_like(ends)[:, None]
            last = ends[:, None] if direction else whole[:, None]
            valid = (time >= first) & (time < last)
            errors = (forecasts[:, : -self.ahead] - blocks[:, self.ahead :]).abs().mean(dim=2)
            objective = objective + errors[valid].sum()
            count += int(valid.sum())
        short = (ends <= self.ahead).tolist()
        infeasible = tuple(name for name, is_short in zip(augmented.batch.ids, short, strict=True) if is_short)
        return Loss(objective, objective.item(), count, infeasible)
