"""Log-probs -> the tokens of the best path."""

from torch import Tensor

from asr.model.ctc import BLANK


def collapse(path: list[int]) -> list[int]:
    """Merge repeats, then drop blanks: a path's label sequence (Graves et al. 2006, section 3.1)."""
    return [token for before, token in zip([BLANK, *path], path, strict=False) if token not in (before, BLANK)]


def greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """Best path decoding: the best token of each frame, collapsed (Graves et al. 2006, section 3.2).

    Args:
        log_probs: (B, T, V).
        lengths: (B,), valid frames; 0 gives no tokens.
    """
    paths = log_probs.argmax(dim=-1).tolist()
    return [collapse(path[:length]) for path, length in zip(paths, lengths.tolist(), strict=True)]
