"""When a frame is: by whole samples, whatever the rate."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, recogniser, unhurried

from asr.audio.features import FeatureConfig
from asr.audio.log_mel import LogMel
from asr.errors import ConfigError, ModelError
from asr.model.reading import Chunked, Full
from asr.model.shape import AcousticConfig
from asr.recogniser.config import RecogniserConfig
from asr.recogniser.emission_stream import EmissionStream
from asr.recogniser.recogniser import Recogniser
from asr.text.tokenizer import CharacterTokenizer
from asr.units import num_frames, subsampled

HOUR = 3600.0


@unhurried
@given(
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100]), st.sampled_from([0.008, 0.010, 0.0125]), st.integers(2, 4)
)
def test_the_last_frame_of_an_hour_is_at_its_end(rate, hop, subsampling):
    """At 22,050 Hz a hop of 10 ms is 221 samples, not 220.5.

    After an hour 8.2 s would be missing.
    """
    config = RecogniserConfig(FeatureConfig(sample_rate=rate, hop=hop), AcousticConfig(subsampling=subsampling))
    features = config.features
    frames = num_frames(int(HOUR * rate), window=features.window_samples, hop=features.hop_samples)
    assert subsampled(frames, subsampling) * config.frame == pytest.approx(HOUR, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_usual_rates_have_the_times_that_are_set(rate):
    """To the bit: trained models and their random masks depend on it."""
    features = FeatureConfig(sample_rate=rate)
    assert features.exact_hop == features.hop
    assert [RecogniserConfig(features, AcousticConfig(subsampling=n)).frame for n in (2, 3, 4)] == [0.02, 0.03, 0.04]
    assert LogMel(features).back == LogMel(features).ahead == 1500


def test_latency_counts_whole_samples():
    """A chunk of 10 frames: 20 input frames of 221 samples.

    The convolutions' overhang, what the level looks ahead, and the last frame's window are added.
    """
    features, acoustic = FeatureConfig(sample_rate=22_050), AcousticConfig(subsampling=2, channels=2, hidden=4)
    whole = Recogniser(RecogniserConfig(features, acoustic), CharacterTokenizer(" a"))
    assert whole.latency == math.inf
    config = RecogniserConfig(features, acoustic, chunk=0.2, lookahead=0.0)
    found = Recogniser(config, CharacterTokenizer(" a"))
    frames = 20 + found.acoustic.subsample.overhang + found.features.ahead
    assert found.latency == pytest.approx(((frames - 1) * 221 + 551) / 22_050)


@pytest.mark.parametrize("subsampling", [2, 3, 4])
@pytest.mark.parametrize(("chunk", "lookahead"), [(0.12, 0.0), (0.24, 0.3), (0.48, 0.16)])
def test_no_sample_waits_longer_than_the_latency_and_one_waits_as_long(subsampling, chunk, lookahead):
    """Counted while samples come in half a hop at a time."""
    model = recogniser(subsampling=subsampling, chunk=chunk, lookahead=lookahead)
    stream, waits, given = EmissionStream(model, model.reading), [], 0
    hop = model.config.features.hop_samples * subsampling
    for received in range(80, 3 * RATE, 80):
        for _ in stream.accept(torch.from_numpy(noise(80, seed=received))):
            waits.append(received - given * hop)
            given += 1
    assert max(waits) / RATE <= model.latency + 1e-9
    assert max(waits) / RATE > model.latency - 0.02, "the latency is no guess from above"
    assert model.latency <= chunk + lookahead + 0.025 + 0.06 + model.config.frame


def test_a_model_reads_in_other_chunks_with_the_same_weights():
    """As one that was made so; the first stays as it is."""
    model, waveforms = recogniser(), torch.from_numpy(noise(RATE))[None]
    model.features.fit([(waveforms, torch.tensor([RATE]))])
    other, made = model.in_chunks(0.2, 0.16), recogniser(chunk=0.2, lookahead=0.16)
    made.load_state(model.state())
    assert other.reading == made.reading == Chunked(5, 3) and model.reading == Full()
    size = torch.tensor([RATE])
    assert torch.equal(other.emissions(waveforms, size).log_probs, made.emissions(waveforms, size).log_probs)
    assert other.acoustic is model.acoustic
    with pytest.raises(ConfigError, match="chunk"):
        model.in_chunks(0.0, 0.1)


def test_weights_that_are_damaged_are_named_and_not_decoded():
    model = recogniser()
    with torch.no_grad():
        model.acoustic.output.weight[0] = math.nan
    with pytest.raises(ModelError, match="its weights are damaged"):
        model.log_probs([noise(RATE)])
    with pytest.raises(ModelError, match="its weights are damaged"):
        stream = EmissionStream(model, model.long_reading)
        stream.accept(noise(30 * RATE))
        stream.finish()
