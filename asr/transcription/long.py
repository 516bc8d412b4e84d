"""A recording of any length -> pieces between pauses, each complete as soon as it can be.

Log-probs come from a stream, so memory does not grow. A piece ends in a pause that the model itself
shows: a run of blank of 1.5 s. Where nobody pauses for 30 s, it ends at the longest run of blank in
the second half of these. Where a piece ends depends on what came before alone, not on how the
samples come.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.audio.waveform import Waveform
from asr.model.ctc import BLANK
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.recogniser import Recogniser
from asr.units import Frames, Seconds

PAUSE: Seconds = 1.5
"""Blank of this length ends a piece in its middle, if a token came before."""
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
        yield Piece(position * hop / rate, waveform, log_probs)


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
