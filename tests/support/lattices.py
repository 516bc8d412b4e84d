"""Small random log-probs, and what can be known of them by counting."""

import math
from itertools import groupby, product

import torch


def lattice(frames, tokens, seed, spread=1.5):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(frames, tokens, generator=generator, dtype=torch.float64)).log_softmax(dim=-1)


def sums_over_all_paths(log_probs):
    """Probability of every token sequence, path by path."""
    frames, tokens = log_probs.shape
    probabilities = {}
    for path in product(range(tokens), repeat=frames):
        sequence = tuple(token for token, _ in groupby(path) if token != 0)
        likelihood = math.exp(sum(float(log_probs[frame, token]) for frame, token in enumerate(path)))
        probabilities[sequence] = probabilities.get(sequence, 0.0) + likelihood
    return probabilities
