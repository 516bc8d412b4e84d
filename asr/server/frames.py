"""A stretch of a recording as a model has it: waveform, log-mel frames, token probabilities."""

import base64
from typing import BinaryIO

import numpy as np
from pydantic import BaseModel

from asr.audio.features import Floats
from asr.audio.log_mel_numpy import NumpyLogMel
from asr.audio.reader import Waveform, open_recording
from asr.errors import DataError
from asr.model.labels import BLANK, LogProbs
from asr.server.failure import ApiError
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

LONGEST: Seconds = 30.0
BEST = 4
"""Tokens of a frame that are told."""
LEAST = 0.01
"""Probability of a token that is told."""
DARKEST, BRIGHTEST = 5, 99.8
"""% of log-mel values that are below the darkest and the brightest of the picture."""


class Stretch(BaseModel):
    """What is drawn."""

    start: Seconds
    duration: Seconds
    more: bool
    """Whether the recording goes on."""
    hop: Seconds
    """Between log-mel frames."""
    frame: Seconds
    """Between frames of tokens."""
    peaks: str
    """The largest sample of each hop, a byte each, as base64; 255 is full scale."""
    mels: int
    log_mel: str
    """A byte for each value, frame by frame, as base64; 0 is dark."""
    tokens: list[str]
    """Those that `frames` name."""
    frames: list[list[tuple[int, float]]]
    """The most probable tokens of each frame but the blank, and their probabilities."""
    blank: list[float]
    """The blank's probability in each frame."""


def stretch(transcriber: Transcriber, file: BinaryIO, start: Seconds) -> Stretch:
    """Read a stretch of a recording, as an utterance of its own.

    Args:
        transcriber: whose model reads it.
        file: the recording.
        start: where it begins; it is `LONGEST` at most.

    Raises:
        ApiError: if it is no audio (415), damaged, empty or shorter (422).
    """
    config = transcriber.recogniser.config
    features = config.features
    is_open = False
    try:
        with open_recording(file) as recording:
            is_open = True
            blocks = list(recording.blocks(sample_rate=features.sample_rate, start=start, duration=LONGEST + 0.1))
    except DataError as error:
        status, code = (422, "invalid_audio") if is_open or "is empty" in str(error) else (415, "unsupported_audio")
        raise ApiError(status, str(error), code, param="file") from None
    waveform = np.concatenate([np.zeros(0, np.float32), *blocks])
    longest = round(LONGEST * features.sample_rate)
    more, waveform = len(waveform) > longest, waveform[:longest]
    if not len(waveform):
        raise ApiError(422, f"start: the recording ends before {start:g} s", "invalid_value", param="start")
    (log_probs,) = transcriber.recogniser.log_probs([waveform])
    tokens, frames = _best(log_probs, transcriber.recogniser.tokenizer.pieces)
    return Stretch(
        start=start,
        duration=len(waveform) / features.sample_rate,
        more=more,
        hop=features.exact_hop,
        frame=config.frame,
        peaks=_bytes(_peaks(waveform, features.hop_samples)),
        mels=features.num_mels,
        log_mel=_bytes(_shades(NumpyLogMel(features)(waveform))),
        tokens=tokens,
        frames=frames,
        blank=[round(p, 3) for p in np.exp(log_probs[:, BLANK]).tolist()],
    )


def _peaks(waveform: Waveform, hop: int) -> Floats:
    """The largest sample of each hop, (T,), at most 1."""
    padded = np.pad(np.abs(waveform), (0, -len(waveform) % hop))
    peaks: Floats = np.minimum(padded.reshape(-1, hop).max(axis=1), 1.0)
    return peaks


def _shades(log_mel: Floats) -> Floats:
    """Log-mel frames to shades from 0 to 1."""
    if not log_mel.size:
        return log_mel
    low, high = np.percentile(log_mel, (DARKEST, BRIGHTEST))
    shades: Floats = np.clip((log_mel - low) / max(high - low, 1e-6), 0.0, 1.0)
    return shades


def _bytes(shares: Floats) -> str:
    return base64.b64encode((255 * shares).round().astype(np.uint8).tobytes()).decode()


def _best(log_probs: LogProbs, pieces: tuple[str, ...]) -> tuple[list[str], list[list[tuple[int, float]]]]:
    """The most probable tokens of each frame, by their number in a list of those that occur."""
    probabilities = np.exp(log_probs)
    probabilities[:, BLANK] = 0.0
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :BEST]
    number: dict[int, int] = {}
    frames = []
    for row, best in zip(probabilities, order.tolist(), strict=True):
        told = [(token, round(float(row[token]), 3)) for token in best if row[token] >= LEAST]
        frames.append([(number.setdefault(token, len(number)), p) for token, p in told])
    return [pieces[token - 1] for token in number], frames
