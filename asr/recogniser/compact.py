"""Weights in a quarter of their size: matrices of 8-bit integers, each row with its scale."""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".scale"
"""Ends the name of the tensor that holds a matrix's scales."""
LARGEST = 127


def compacted(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices to 255 steps a row; vectors and numbers stay as they are.

    A row's largest weight keeps its size, so that rounding twice changes nothing more. No weight
    moves by more than half a step, the row's largest weight / 254. The kernels of convolutions
    count as matrices, a row for each channel that comes out.
    """
    small: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.ndim < 2 or not tensor.is_floating_point():
            small[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        scales = rows.abs().amax(dim=1) / LARGEST
        steps = rows / scales.where(scales > 0, 1.0)[:, None]
        small[name], small[f"{name}{SCALE}"] = steps.round().to(torch.int8).view(tensor.shape), scales
    return small


def expanded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `compacted` but for the rounding; other weights stay as they are.

    Raises:
        RuntimeError: if scales are missing or do not fit their matrix; names the tensor.
    """
    whole = {name: tensor for name, tensor in weights.items() if not name.endswith(SCALE)}
    for name, tensor in whole.items():
        if tensor.dtype == torch.int8:
            scales = weights.get(f"{name}{SCALE}")
            if scales is None or scales.shape != tensor.shape[:1]:
                raise RuntimeError(f"{name}{SCALE} is missing or of another shape")
            whole[name] = (tensor.flatten(1) * scales[:, None]).view(tensor.shape)
    return whole
