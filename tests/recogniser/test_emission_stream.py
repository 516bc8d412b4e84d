"""What a stream says is what the whole recording says."""

import numpy as np
import pytest
import torch
from support.tiny import RATE, noise, recogniser

from asr.recogniser.emission_stream import EmissionStream


def streamed(model, waveform, reading, seed=0):
    """Log-probs of a waveform that comes in pieces of random sizes."""
    draw, stream, found, place = np.random.default_rng(seed), EmissionStream(model, reading), [], 0
    while place < len(waveform):
        size = int(draw.choice([1, 100, 640, 5000, 40_000]))
        found.append(stream.accept(waveform[place : place + size]))
        place += size
    return torch.from_numpy(np.concatenate([*found, stream.finish()]))


def whole(model, waveform):
    """Log-probs of a waveform that is read at once."""
    emissions = model.emissions(waveform[None], torch.tensor([len(waveform)]))
    return emissions.log_probs[0, : int(emissions.lengths[0])]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("seconds", [0.02, 0.3, 4.0])
def test_a_chunked_model_streams_what_it_reads_offline_from_the_waveform_on(cell, seconds):
    model = recogniser(cell=cell, layers=2, chunk=0.64, lookahead=0.32)
    waveform = torch.from_numpy(noise(round(seconds * RATE)) * np.linspace(0.05, 1, round(seconds * RATE)) ** 2).float()
    expected = whole(model, waveform)
    for seed in range(2):
        torch.testing.assert_close(streamed(model, waveform, model.reading, seed), expected, atol=1e-4, rtol=0)


def test_a_whole_model_reads_a_recording_shorter_than_its_lookahead_as_a_whole():
    model = recogniser(layers=2)
    waveform = torch.from_numpy(noise(3 * RATE))
    expected = whole(model, waveform)
    torch.testing.assert_close(streamed(model, waveform, model.long_reading), expected, atol=1e-4, rtol=0)


def test_a_whole_model_reads_a_long_recording_nearly_as_a_whole():
    """The forward direction is exact, the backward one has 4 s to begin in."""
    model = recogniser(layers=2)
    waveform = torch.from_numpy(noise(50 * RATE))
    expected = whole(model, waveform)
    found = streamed(model, waveform, model.long_reading)
    assert found.shape == expected.shape
    assert (found.exp() - expected.exp()).abs().max() < 1e-3
