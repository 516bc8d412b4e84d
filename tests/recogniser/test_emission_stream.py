"""What a stream says is what the whole recording says."""

import numpy as np
import pytest
import torch
from support.tiny import RATE, noise, recogniser, streamed

from asr.model.reading import Chunked
from asr.recogniser.recogniser import Recogniser


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
        torch.testing.assert_close(
            torch.from_numpy(streamed(model, waveform, model.reading, seed)), expected, atol=1e-4, rtol=0
        )


def test_a_whole_model_reads_a_recording_shorter_than_its_lookahead_as_a_whole():
    model = recogniser(layers=2)
    waveform = torch.from_numpy(noise(3 * RATE))
    expected = whole(model, waveform)
    torch.testing.assert_close(
        torch.from_numpy(streamed(model, waveform, model.long_reading)), expected, atol=1e-4, rtol=0
    )


def test_a_whole_model_reads_a_long_recording_nearly_as_a_whole():
    """The forward direction is exact, the backward one has 4 s to begin in."""
    model = recogniser(layers=2)
    waveform = torch.from_numpy(noise(50 * RATE))
    expected = whole(model, waveform)
    found = torch.from_numpy(streamed(model, waveform, model.long_reading))
    assert found.shape == expected.shape
    assert (found.exp() - expected.exp()).abs().max() < 1e-3


def fading(layers: int, forget: float) -> Recogniser:
    """A BLSTM that forgets a known share of its cells a frame, in both directions.

    Its gates depend on their biases alone, so what a cell holds is a sum of inputs that fade.
    """
    model = recogniser(layers=layers, hidden=16, layer_norm=False)
    with torch.no_grad():
        model.acoustic.output.weight.div_(20)
        for layer in model.acoustic.layers:
            for rnn in layer.recurrent.rnns:
                rnn.weight_hh_l0.zero_()
                for gate in (0, 1, 3):  # input, forget, output; the cell's input is 2
                    rnn.weight_ih_l0[16 * gate : 16 * gate + 16].zero_()
                rnn.bias_ih_l0[16:32] = np.log(forget / (1 - forget))
                rnn.bias_hh_l0[16:32] = 0
    return model


@pytest.mark.parametrize(("layers", "half"), [(1, 0.3), (1, 0.6), (2, 0.6)])
def test_how_far_windows_are_from_the_whole_fades_as_the_model_forgets(layers, half):
    """The bound: 4 d 2^(-R / h), where d is the difference without lookahead and h the half-life.

    Half of a cell is forgotten in h seconds, so 4 s of lookahead are 7 to 13 times that. With two
    layers the lower one's error is summed over what is left of the window: R / h times as much.
    Trained models forget as fast: docs/recordings.md.
    """
    model = fading(layers, 0.5 ** (recogniser().config.frame / half))
    waveform = torch.from_numpy(noise(45 * RATE) * np.repeat([1, 0.1, 1], 15 * RATE).astype(np.float32))
    expected = whole(model, waveform)
    reading = model.long_reading

    def apart(lookahead: int) -> float:
        found = torch.from_numpy(streamed(model, waveform, Chunked(reading.chunk, lookahead)))
        return (found - expected).abs().max().item()

    most = apart(0)
    assert most > 0.05, "the backward direction counts"
    for lookahead in (reading.lookahead // 4, reading.lookahead):
        halves = lookahead * model.config.frame / half
        found, bound = apart(lookahead), 4 * most * max(1, (layers - 1) * halves) * 0.5**halves
        assert bound / 20 < found <= bound + 1e-5 or found < 3e-5
