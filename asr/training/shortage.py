"""Too little memory for a step: which utterance is to blame, and what helps."""

from collections.abc import Sequence

import torch

from asr.data.batches import Batch
from asr.errors import TrainingError
from asr.training.settings import RunConfig

_SIGNS = ("allocate memory", "not enough memory", "bad_alloc")
"""What PyTorch's CPU allocator says, which has no error of its own."""


def lacks_memory(error: Exception) -> bool:
    """Whether memory was exhausted, a device's or this machine's."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
    )


def shortage(config: RunConfig, device: torch.device, group: Sequence[Batch]) -> TrainingError:
    """The error of a step that memory did not suffice for.

    Args:
        config: the run's settings.
        device: whose memory it was.
        group: the step's batches, with an utterance at least.
    """
    samples, name = max(
        (size, name) for batch in group for size, name in zip(batch.num_samples.tolist(), batch.ids, strict=True)
    )
    remedies = []
    if any(len(batch.ids) > 1 for batch in group):
        remedies.append(f"lower --batch-seconds (it is {config.batch_seconds:g})")
    if config.bptt.mode == "truncated" and config.bptt.recompute != "always":
        remedies.append("go on with --bptt.recompute always")
    elif config.bptt.mode == "full":
        remedies.append("take --bptt.mode truncated")
    remedies = remedies or ["leave that utterance out, or prepare it in pieces"]
    return TrainingError(
        f"{device} has too little memory for a step; its longest utterance is {name} "
        f"with {samples / config.features.sample_rate:.1f} s: {', or '.join(remedies)}"
    )
