"""A recording of any length -> pieces between pauses, each complete as soon as it can be.

Log-probs come from a stream, so memory does not grow. A piece ends in a pause that the model itself
shows: a run of blank of 0.8 s. Where nobody pauses for 30 s, it ends at the longest run of blank in
the second half of these. Where a piece ends depends on what came before alone, not on how the
samples come.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.audio.waveform import Waveform
from asr.decoding.flashlight import IMPOSSIBLE
from asr.model.ctc import BLANK
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.recogniser import Recogniser
from asr.units import Frames, Seconds

PAUSE: Seconds = 0.8
"""Blank of this length ends a piece in its middle, if a token came before."""
WORD_PAUSE: Seconds = 0.6
"""Blank of this length parts words, though no token says so."""
LONGEST: Seconds = 30.0
"""No piece is longer."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording."""

    start: Seconds
    waveform: Waveform
    """(N,)."""
    log_probs: Tensor
    """(T, V), on the CPU."""
    is_all: bool = False
    """Whether it is the whole recording."""


def pieces(recogniser: Recogniser, blocks: Iterable[Waveform]) -> Iterator[Piece]:
    """Part a recording at pauses.

    Args:
        recogniser: the model.
        blocks: the samples, (N,) each, at the recogniser's rate.

    Yields:
        Pieces that together are the whole recording; none where it has no sample.
    """
    stream, rate = EmissionStream(recogniser, recogniser.long_reading), recogniser.config.features.sample_rate
    hop = recogniser.config.features.hop_samples * recogniser.config.acoustic.subsampling
    pause, longest = recogniser.config.frames(PAUSE), recogniser.config.frames(LONGEST)
    waveform, log_probs = np.zeros(0, dtype=np.float32), torch.zeros(0, recogniser.tokenizer.size)
    position: Frames = 0
    for block in chain(blocks, [None]):
        if block is None:
            log_probs = torch.cat([log_probs, stream.finish().cpu()])
        else:
            waveform = np.concatenate([waveform, block])
            log_probs = torch.cat([log_probs, stream.accept(torch.from_numpy(block)).cpu()])
        while (cut := find_cut(log_probs.numpy(), pause=pause, longest=longest)) is not None:
            yield Piece(position * hop / rate, waveform[: cut * hop], log_probs[:cut])
            waveform, log_probs, position = waveform[cut * hop :], log_probs[cut:], position + cut
    if len(waveform):
        yield Piece(position * hop / rate, waveform, log_probs, is_all=position == 0)


def find_cut(log_probs: npt.NDArray[np.floating], *, pause: Frames, longest: Frames) -> Frames | None:
    """Where the first piece ends, in frames, if that is certain already.

    Args:
        log_probs: (T, V), what there is by now.
        pause: blank frames in a row that end a piece, after its first token.
        longest: frames of the longest piece.
    """
    best = log_probs[:longest].argmax(axis=1)
    tokens = np.flatnonzero(best != BLANK)
    gaps = np.diff(np.append(tokens, len(best))) - 1  # blank frames after each token
    wide = np.flatnonzero(gaps >= pause)
    if len(wide):
        return int(tokens[wide[0]]) + 1 + pause // 2
    if len(log_probs) < longest:
        return None
    half = longest // 2
    starts = np.maximum(np.append(-1, tokens) + 1, half)
    widths = np.append(tokens, longest) - starts
    widest = int(widths.argmax())
    if widths[widest] <= 0:  # no blank at all: where it is least improbable
        return half + 1 + int(log_probs[half : longest - 1, BLANK].argmax())
    return int(starts[widest] + (widths[widest] + 1) // 2)


def part_words(log_probs: Tensor, separator: int, *, pause: Frames) -> Tensor:
    """Put the token that parts words into long pauses in which the model does not.

    A model of characters that was trained on single sentences gives no space between two of them.

    Args:
        log_probs: (T, V), of a piece.
        separator: the token that parts words.
        pause: blank frames between two other tokens that part words.

    Returns:
        (T, V): in the middle frame of each such pause the separator is certain.
    """
    best = log_probs.argmax(dim=1)
    tokens = (best != BLANK).nonzero().flatten().tolist()
    middles = [
        (one + other) // 2
        for one, other in pairwise(tokens)
        if other - one > pause and separator not in (int(best[one]), int(best[other]))
    ]
    if not middles:
        return log_probs
    parted = log_probs.clone()
    parted[middles] = IMPOSSIBLE
    parted[middles, separator] = 0.0
    return parted
