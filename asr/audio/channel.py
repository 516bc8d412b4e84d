"""What lies between a mouth and a recording: rooms, noise, hum, inputs, codecs, telephone lines.

Training sends a share of the utterances through such channels, so that the model knows them. All of
it is made here. Rooms are decaying noise (Polack's model). Noises are drawn, or put together from
the utterance itself. Codecs are libsndfile's. Every draw comes from a seed that names the epoch and
the utterance.
"""

import io
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import soundfile

from asr.audio.waveform import Waveform, resample
from asr.units import seconds_to_samples

TELEPHONE = 8_000
"""Sample rate of a telephone line, in Hz."""
MU = 255.0
"""Of mu-law (ITU-T G.711)."""
A = 87.6
"""Of A-law (the same)."""
TALKERS = 6
"""Voices of babble."""

Draw = np.random.Generator
Channel = Callable[[Waveform, int, Draw], Waveform]
"""(N,), its rate in Hz, a source of draws -> (N,)."""


def distort(waveform: Waveform, sample_rate: int, *, share: float, seed: int, epoch: int, utterance: str) -> Waveform:
    """Send an utterance through some channels, or through none.

    Each channel has its chance in `CHANNELS`; where none is drawn it is a line.

    Args:
        waveform: (N,).
        sample_rate: in Hz.
        share: of the utterances that are distorted, 0 to 1.
        seed: of the run.
        epoch: number of the epoch; each draws anew.
        utterance: the utterance's id.

    Returns:
        (N,): the same array where nothing happens, as it does to digital silence.
    """
    draw = np.random.default_rng(zlib.crc32(f"channel {seed} {epoch} {utterance}".encode()))
    if draw.random() >= share or not waveform.any():
        return waveform
    drawn = [channel for channel, chance in CHANNELS.items() if draw.random() < chance]
    for channel in drawn or [line]:
        waveform = channel(waveform, sample_rate, draw)
    return waveform


def room(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Add a room of 0.1 to 0.7 s reverberation time, 0 to 15 dB below the direct sound."""
    time = np.arange(seconds_to_samples(0.4, sample_rate)) / sample_rate
    decay = np.log(1000) / draw.uniform(0.1, 0.7)  # 60 dB
    echoes = draw.standard_normal(len(time)) * np.exp(-decay * time)
    echoes *= 10 ** (-draw.uniform(0, 15) / 20) / np.sqrt(np.sum(echoes**2))
    echoes[0] = 1.0
    return _single(_convolved(waveform, echoes)[: len(waveform)])


def noise(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Add noise of some colour, from white to brown, 5 to 35 dB below the utterance."""
    shape = np.fft.rfft(draw.standard_normal(len(waveform)))
    shape *= np.maximum(np.arange(len(shape)), 1) ** -draw.uniform(0, 1)
    return add(waveform, np.fft.irfft(shape, len(waveform)), draw.uniform(5, 35))


def babble(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Add other voices, 8 to 30 dB below.

    They are the utterance itself, backwards, at other speeds and moments.
    """
    voices = np.zeros(len(waveform))
    for speed in draw.uniform(0.8, 1.25, TALKERS):
        places = np.arange(len(waveform)) * speed + draw.integers(len(waveform))
        voices += waveform[::-1][places.astype(np.int64) % len(waveform)]
    return add(waveform, voices, draw.uniform(8, 30))


def hum(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Add mains hum with its overtones, 5 to 35 dB below the utterance, and an offset."""
    time = np.arange(len(waveform)) / sample_rate
    mains = draw.choice([50.0, 60.0]) * draw.uniform(0.998, 1.002)
    waves = sum(draw.uniform(0, 1) / n * np.sin(2 * np.pi * (n * mains * time + draw.random())) for n in range(1, 9))
    return add(waveform, waves + draw.uniform(-1, 1), draw.uniform(5, 35))


def overdrive(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Cut off the loudest peaks, by 3 to 25 dB."""
    limit = np.abs(waveform).max() * 10 ** (-draw.uniform(3, 25) / 20)
    return np.clip(waveform, -limit, limit)


def faint(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Record with a peak of only -60 to -20 dB of full scale, in 16 bits."""
    scaled = waveform * (10 ** (-draw.uniform(20, 60) / 20) / np.abs(waveform).max())
    return _single(np.round(scaled * 2**15) / 2**15)


def line(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Send through a codec or a narrower band."""
    kind = list(LINES)[draw.integers(len(LINES))]
    return LINES[kind](waveform, sample_rate, draw)


def add(waveform: Waveform, other: npt.NDArray[np.floating], decibels: float) -> Waveform:
    """Add a sound whose power is so many dB below the waveform's."""
    power = np.mean(np.square(other)) or 1.0
    gain = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)) / power) * 10 ** (-decibels / 20)
    return _single(waveform + gain * other)


def mu_law(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """G.711's mu-law at the given rate: 8 bits, logarithmic."""
    code = np.sign(waveform) * np.log1p(MU * np.abs(np.clip(waveform, -1, 1))) / np.log1p(MU)
    code = np.round(code * 127) / 127
    return _single(np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU)


def a_law(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """G.711's A-law at the given rate."""
    size = np.abs(np.clip(waveform, -1, 1))
    scale = 1 + np.log(A)
    code = np.where(size < 1 / A, A * size, 1 + np.log(np.maximum(A * size, 1))) / scale
    code = np.round(code * 127) / 127 * scale
    return _single(np.sign(waveform) * np.where(code < 1, code, np.exp(code - 1)) / A)


def coded(form: str, subtype: str, loss: tuple[float, float]) -> Channel:
    """A codec of libsndfile's, with a compression level drawn from a range."""

    def channel(waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
        file, peak = io.BytesIO(), max(1.0, float(np.abs(waveform).max()))
        level = draw.uniform(*loss) if loss[1] else None
        soundfile.write(file, waveform / peak, sample_rate, format=form, subtype=subtype, compression_level=level)
        file.seek(0)
        return fitted(peak * soundfile.read(file, dtype="float32")[0], len(waveform))

    return channel


def at_rate(rate: int, channel: Channel | None, waveform: Waveform, sample_rate: int, draw: Draw) -> Waveform:
    """Send through a channel of another sample rate."""
    narrow = resample(waveform, sample_rate, rate)
    if channel is not None:
        narrow = channel(narrow, rate, draw)
    return fitted(resample(narrow, rate, sample_rate), len(waveform))


def fitted(waveform: Waveform, size: int) -> Waveform:
    """Cut to a length, or fill up with zeros."""
    return np.pad(waveform[:size], (0, max(0, size - len(waveform))))


def _convolved(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    size = len(one) + len(other) - 1
    fast = 1 << (size - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(one, fast) * np.fft.rfft(other, fast), fast)[:size]


def _single(samples: npt.NDArray[np.floating]) -> Waveform:
    return samples.astype(np.float32, copy=False)


LINES: dict[str, Channel] = {
    "mu-law": partial(at_rate, TELEPHONE, mu_law),
    "A-law": partial(at_rate, TELEPHONE, a_law),
    "mu-law, wide": mu_law,
    "GSM 6.10": partial(at_rate, TELEPHONE, coded("WAV", "GSM610", (0, 0))),
    "Opus": partial(at_rate, 16_000, coded("OGG", "OPUS", (0.9, 0.99))),
    "MP3": partial(at_rate, 16_000, coded("MP3", "MPEG_LAYER_III", (0.4, 0.95))),
    "8 kHz": partial(at_rate, TELEPHONE, None),
    "11 kHz": partial(at_rate, 11_025, None),
}
CHANNELS: dict[Channel, float] = {
    room: 0.25,
    noise: 0.3,
    babble: 0.15,
    hum: 0.15,
    overdrive: 0.4,
    faint: 0.15,
    line: 0.5,
}
"""Chances of the channels, in the order in which sound goes through them."""
