"""One recogniser's weights as the beginning of another one's training (`--init`)."""

import dataclasses

import torch

from asr.config import differences
from asr.errors import ConfigError
from asr.recogniser.recogniser import STATISTICS, Recogniser

SHOWN = 30
"""Tokens that begin anew and are named."""


@torch.no_grad()
def adopt(recogniser: Recogniser, other: Recogniser, *, statistics: bool = False) -> str:
    """Give a recogniser another one's weights, from which it goes on learning.

    The output layer's are taken over for the tokens that both know. The statistics of the features
    stay its own. So another microphone's average becomes the average that the weights know.

    Args:
        recogniser: the one that goes on.
        other: the one that was trained.
        statistics: take the features' statistics over, too.

    Returns:
        What was taken over and what begins anew, in a sentence.

    Raises:
        ConfigError: if the two have other shapes; names what differs.
    """
    theirs, ours = other.config, recogniser.config
    shape = dataclasses.replace(theirs.acoustic, dropout=ours.acoustic.dropout, intermediate=ours.acoustic.intermediate)
    differing = [f"acoustic.{line}" for line in differences(shape, ours.acoustic)]
    differing += [f"features.{line}" for line in differences(theirs.features, ours.features)]
    if differing:
        raise ConfigError(
            f"init: that model has another shape ({'; '.join(differing)}); give these settings its values"
        )
    weights = other.acoustic.state_dict()
    known = {piece: token for token, piece in enumerate((None, *other.tokenizer.pieces))}
    rows = [(token, known[piece]) for token, piece in enumerate((None, *recogniser.tokenizer.pieces)) if piece in known]
    to, of = torch.tensor(rows, device=recogniser.device).T
    for name, tensor in recogniser.acoustic.state_dict().items():
        if name.startswith("output."):
            tensor[to] = weights[name].to(recogniser.device)[of]
        else:
            tensor.copy_(weights[name])
    if statistics:
        for name in STATISTICS:
            getattr(recogniser.features, name).copy_(getattr(other.features, name))
    return _account(recogniser, {token for token, _ in rows})


def _account(recogniser: Recogniser, known: set[int]) -> str:
    """Say how much of a recogniser another one's weights are."""
    pieces = recogniser.tokenizer.pieces
    new = [piece for token, piece in enumerate(pieces, start=1) if token not in known]
    layers = recogniser.config.acoustic.layers
    said = f"all {layers} layers and {len(pieces) - len(new)} of {len(pieces)} tokens are taken over"
    if not new:
        return said
    more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
    return f"{said}; begin anew: {' '.join(new[:SHOWN])}{more}"
