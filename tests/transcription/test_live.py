"""Laws of live reading.

What is told depends on the samples alone. What stands once stands to the end. Nothing is lost or
doubled where segments end.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.tiny import RATE, noise, recogniser, sine

from asr.audio.waveform import from_array, resample
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ConfigError, DataError
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer
from asr.transcription.endpoint import LiveConfig
from asr.transcription.live import Final, LiveStream, Partial
from asr.transcription.long import Parting
from asr.transcription.transcribe import Transcriber

CHARACTERS = CharacterTokenizer(" abc")
PIECES = train_tokenizer(TokenizerConfig("sentencepiece", 8), ["ab abc cab", "ba cc a"])
WORDS = train_tokenizer(TokenizerConfig("words"), ["ab abc cab", "ba cc a"])
BURST = 1920
CONFIG = LiveConfig(silence=0.3, longest=4.0, idle=1.0, settle=0.4)


def talkative(tokenizer=CHARACTERS, *, chunk=0.2, seed=0, **options):
    """A model of chunks that says a lot, with pauses."""
    made = recogniser(tokenizer, seed=seed, layers=2, chunk=chunk, lookahead=0.16)
    return Transcriber(quietened(made), min_confidence=0.0, **options)


def quietened(made):
    """In sound every token is the best one now and then, and in pauses the blank is."""
    pauses = np.concatenate([hiss(500, 0), np.zeros(2 * RATE, np.float32)]) + noise(BURST + 2 * RATE, level=0.003)
    for waveform, frames in ((sound(), slice(None)), (pauses, slice(20, 45))):
        emissions = made.emissions(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
        mean = emissions.log_probs[0, frames].mean(dim=0)
        with torch.no_grad():
            if len(waveform) == len(pauses):
                made.acoustic.output.bias[0] += mean.max() - mean[0] + 1
            else:
                made.acoustic.output.bias -= mean
    return made


def sound(seconds=8.0, seed=0):
    """Noises of several pitches, and pauses."""
    draw = np.random.default_rng(seed)
    parts = [
        hiss(draw.choice([200, 500, 900, 2500, 6000]), int(draw.integers(100)))
        if draw.random() < 0.6
        else np.zeros(BURST, np.float32)
        for _ in range(round(seconds * RATE / BURST))
    ]
    return np.concatenate(parts) + noise(len(parts) * BURST, level=0.003, seed=seed)


def hiss(pitch, seed):
    """No tone: words on these are not believed."""
    band = np.hanning(150) * np.sin(2 * np.pi * pitch * np.arange(150) / RATE)
    found = np.convolve(noise(BURST, seed=seed), band, "same")
    return (0.3 * found / np.abs(found).max()).astype(np.float32)


def told(stream, waveform, sizes=(800,), seed=0):
    """All events of a waveform that comes in blocks of these sizes, at random."""
    draw, events, place = np.random.default_rng(seed), [], 0
    while place < len(waveform):
        size = int(draw.choice(sizes))
        events += stream.accept(waveform[place : place + size])
        place += size
    return [*events, *stream.finish()]


def final_words(events):
    return [word.text for event in events if isinstance(event, Final) for word in event.segment.words]


def with_beam(model, **options):
    return replace(model, decoder=Decoder(model.recogniser.tokenizer, DecodingConfig(beam=8), **options))


def kinds():
    for tokenizer in (CHARACTERS, PIECES, WORDS):
        yield talkative(tokenizer)
        yield with_beam(talkative(tokenizer))
    yield with_beam(talkative(), hotwords={"abc": 3.0})
    yield Transcriber(quietened(recogniser(layers=2)), min_confidence=0.0)
    yield replace(talkative(), min_confidence=0.03)
    yield with_beam(replace(talkative(), min_confidence=0.03))


NAMES = [
    "characters",
    "beam",
    "pieces",
    "beam of pieces",
    "words",
    "beam of words",
    "hot words",
    "whole",
    "unsure",
    "unsure beam",
]


@pytest.mark.parametrize("model", kinds(), ids=NAMES)
def test_events_do_not_depend_on_how_the_samples_come(model):
    waveform = sound()
    expected = told(model.stream(RATE, CONFIG), waveform, (len(waveform),))
    assert sum(isinstance(event, Final) for event in expected) >= 1
    assert told(model.stream(RATE, CONFIG), waveform, (1, 37, 1600, 40_000)) == expected


@pytest.mark.parametrize("model", kinds(), ids=NAMES)
@pytest.mark.parametrize("seed", [0, 2])
def test_what_is_stable_stays_and_begins_the_final(model, seed):
    stood, stable = [], 0
    for event in told(model.stream(RATE, CONFIG), sound(seed=seed)):
        if isinstance(event, Partial):
            words = event.stable_prefix.split()
            assert words[: len(stood)] == stood and event.text.split()[: len(words)] == words
            stood = words
            stable += bool(words)
        else:  # a piece may have several segments
            words = [word.text for word in event.segment.words]
            shared = min(len(words), len(stood))
            assert words[:shared] == stood[:shared]
            stood = stood[shared:]
    assert not stood
    assert (stable > 0) is (model.recogniser.config.chunk is not None)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, PIECES, WORDS])
@pytest.mark.parametrize("size", [977, 40_000])
def test_finals_hold_every_token_of_the_whole_once(tokenizer, size):
    """Pieces lie end to end, and a token that goes on is in one of them."""
    model, waveform = talkative(tokenizer), sound(12)
    whole = model.recogniser.emissions(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    expected = greedy(whole.log_probs[0]).tokens
    stream = model.stream(RATE, CONFIG)
    parting = Parting(stream._recogniser, stream._parting._find)
    pieces = [piece for n in range(0, len(waveform), size) for piece in parting.accept(waveform[n : n + size])]
    pieces += parting.finish()
    assert len(pieces) > 3
    assert tuple(token for piece in pieces for token in greedy(piece.log_probs).tokens) == expected
    np.testing.assert_array_equal(np.concatenate([piece.waveform for piece in pieces]), waveform)
    texts = [model.reader(piece).timed.text for piece in pieces]
    assert " ".join(final_words(told(stream, waveform))) == " ".join(filter(None, texts))


@pytest.mark.parametrize("seed", range(4))
def test_a_word_is_believed_live_if_it_is_believed_later(seed):
    """On a held tone it is none. Its borders move while it is being said; that must not matter."""
    model = replace(talkative(WORDS), min_confidence=1e-9)
    bursts = [sound(2, seed=3 * seed + number) for number in range(3)]
    held = [noise(RATE, level=0.05) + sine(pitch, 1.0, level=0.2) for pitch in (200, 900, 2500, 6000)]
    waveform = np.concatenate([bursts[0], *held, bursts[1], *held[::-1], bursts[2]])
    stream = model.stream(RATE, LiveConfig(silence=0.5, longest=6.0))
    parting = Parting(stream._recogniser, stream._parting._find)
    pieces = [*parting.accept(waveform), *parting.finish()]
    texts = [" ".join(word.text for word in model.reader(piece).timed.words) for piece in pieces]
    every = [word for piece in pieces for word in replace(model, low="mark").reader(piece).timed.words]
    assert 0 < sum(word.unsure for word in every) < len(every)
    assert " ".join(final_words(told(stream, waveform))) == " ".join(filter(None, texts))


def test_times_of_finals_count_from_the_beginning_and_rise():
    events = told(talkative(WORDS).stream(RATE, CONFIG), sound(12))
    words = [word for event in events if isinstance(event, Final) for word in event.segment.words]
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))
    assert 9 < words[-1].end <= 12.1


def test_a_model_trained_whole_reads_each_segment_again_as_it_was_trained():
    model, waveform = Transcriber(quietened(recogniser(layers=2)), min_confidence=0.0), sound()
    stream = model.stream(RATE, CONFIG)
    assert stream.latency == pytest.approx(stream._recogniser.latency) and stream.latency < 1.1
    finals = [event.segment for event in told(stream, waveform) if isinstance(event, Final)]
    parting = Parting(stream._recogniser, stream._parting._find)
    pieces = [*parting.accept(waveform), *parting.finish()]
    alone = [
        model.recogniser.emissions(torch.from_numpy(p.waveform)[None], torch.tensor([len(p.waveform)])) for p in pieces
    ]
    texts = [model.recogniser.tokenizer.decode(greedy(each.log_probs[0]).tokens) for each in alone]
    assert " ".join(segment.text for segment in finals).replace(" ", "") == "".join(texts).replace(" ", "")


def test_another_rate_is_resampled_as_it_comes():
    model, waveform = talkative(WORDS), resample(sound(), RATE, 48_000)
    events = told(model.stream(48_000, CONFIG), waveform, (480, 4801))
    whole = told(model.stream(RATE, CONFIG), resample(waveform, 48_000, RATE))
    assert final_words(events) == final_words(whole) != []
    integers = (np.clip(sound(), -1, 1) * 32_767).astype(np.int16)
    floats = integers.astype(np.float32) / 32_768
    assert told(model.stream(RATE, CONFIG), integers) == told(model.stream(RATE, CONFIG), floats)


def test_peaks_that_were_cut_off_are_restored_as_in_a_recording():
    loud = np.clip(6 * sound(), -1, 1)
    whole = from_array(loud, RATE, RATE)
    assert np.abs(whole).max() > 1.5
    events = told(talkative().stream(RATE, CONFIG), whole, (len(whole),))
    assert told(talkative().stream(RATE, CONFIG), loud, (1, 37, 1600)) == events
    assert told(talkative().stream(RATE, CONFIG), 0.9 * loud, (1600,)) != events


def test_hot_words_change_from_the_next_segment_on():
    """The first segment under way keeps its own; then the text is that of the new ones."""
    model, waveform = with_beam(talkative()), sound(12)
    plain = final_words(told(model.stream(RATE, CONFIG), waveform))
    favoured = with_beam(talkative(), hotwords={"a": 30.0})
    expected = final_words(told(favoured.stream(RATE, CONFIG), waveform))
    assert expected != plain
    stream = model.stream(RATE, CONFIG)
    stream.change_hotwords({"a": 30.0})
    found = final_words(told(stream, waveform))
    assert found != plain and found[-5:] == expected[-5:]
    greedy_stream = talkative().stream(RATE, CONFIG)
    greedy_stream.change_hotwords({"a": 30.0})
    assert final_words(told(greedy_stream, waveform)).count("a") >= 3
    with pytest.raises(ConfigError, match="cannot be spelt"):
        stream.change_hotwords({"xyz": 3.0})


def test_memory_does_not_grow_and_silence_tells_nothing():
    stream = talkative(WORDS).stream(RATE, CONFIG)
    sizes = []
    for number in range(12):
        told_now = stream.accept(sound(4, seed=number) if number % 2 else noise(4 * RATE, level=0.003, seed=number))
        unfinished = stream._parting.unfinished
        sizes.append(len(unfinished.waveform) + sum(map(len, stream._waiting)))
        assert number % 2 or not any(isinstance(event, Partial) and event.text for event in told_now[8:])
    assert max(sizes) < 9 * RATE
    assert stream.position == pytest.approx(48, abs=0.5)


def test_a_stream_without_samples_has_no_text_and_wrong_samples_are_refused():
    assert talkative().stream(RATE).finish() == []
    stream = talkative().stream(RATE)
    assert stream.accept(np.zeros(0, np.float32)) == []
    with pytest.raises(DataError, match="one channel"):
        stream.accept(np.zeros((2, 100), np.float32))
    for value in (np.nan, 1e13):
        with pytest.raises(DataError, match="not numbers"):
            stream.accept(np.full(100, value, np.float32))
    with pytest.raises(ConfigError, match="sample_rate"):
        talkative().stream(0)
    assert isinstance(stream, LiveStream)
