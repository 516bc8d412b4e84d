"""How much of a recording has sound and text, and which words are too unsure."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, gusts, noise, recogniser, sine, unhurried

from asr.errors import ConfigError
from asr.text.formats import render_timed_text
from asr.text.timed import Segment, TimedText, Word
from asr.transcription.coverage import count, coverage, mark, sum_counts, warning, without_unsure
from asr.transcription.transcribe import Transcriber

HISS = noise(60 * RATE, level=1e-3)
GUSTS = gusts(60 * RATE)


def bursts(*places: tuple[int, int]) -> np.ndarray:
    """A minute of hiss with loud noise in these seconds."""
    waveform = HISS.copy()
    for start, stop in places:
        waveform[start * RATE : stop * RATE] += noise((stop - start) * RATE, level=0.1)
    return waveform


def words(*spans: tuple[float, float], unsure: bool = False) -> list[Word]:
    return [Word("a", *span, 0.9, unsure=unsure) for span in spans]


def of(waveform: np.ndarray, *found: Word):
    return coverage(count(found, waveform, RATE), len(waveform) / RATE)


def test_what_is_loud_what_has_text_and_what_is_missed():
    found = of(bursts((10, 20), (30, 35), (40, 44)), *words((10, 20)), *words((29, 35), unsure=True))
    assert (found.duration, found.loud, found.transcribed, found.unsure, found.missed) == pytest.approx(
        (60, 19, 10, 6, 9), abs=0.1
    )


@pytest.mark.parametrize("gain", [0.01, 0.1, 3])
def test_loud_is_against_the_recordings_own_level(gain):
    waveform = bursts((10, 20)) * np.float32(gain)
    assert of(waveform).loud == pytest.approx(10, abs=0.1)


def test_what_is_far_below_the_loudest_is_not_loud():
    waveform = bursts((10, 20))
    waveform[30 * RATE : 35 * RATE] *= 4  # 12 dB above the hiss, 28 dB below the noise
    assert of(waveform).loud == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("level", [0, 1e-3, 0.1])
def test_steady_noise_and_silence_are_not_loud(level):
    assert of(noise(60 * RATE, level=level)).loud == 0


def test_nothing_at_all_is_covered_by_nothing():
    assert of(np.zeros(0, dtype=np.float32)).loud == of(np.zeros(10, dtype=np.float32)).missed == 0


@unhurried
@given(st.lists(st.integers(1, 5999), max_size=5))
def test_the_counts_of_pieces_are_those_of_the_whole(cuts):
    """In whole blocks of 10 ms, wherever it is cut outside of words; what is kept does not grow."""
    waveform, block = bursts((10, 20), (30, 35)), RATE // 100
    borders = sorted({0, *cuts, 6000})
    parts = [count([], waveform[a * block : b * block], RATE) for a, b in pairwise(borders)]
    whole = count([], waveform, RATE)
    assert (sum_counts(parts) == whole).all()
    assert {part.shape for part in parts} == {whole.shape}


def test_much_loud_sound_without_text_is_warned_of():
    waveform = bursts((10, 20), (30, 40))
    assert warning(of(waveform, *words((10, 20), (30, 40)))) is None
    assert warning(of(waveform, *words((10, 20), (30, 38)))) is None, "little is missed"
    assert warning(of(waveform[: 11 * RATE])) is None, "it is short"
    assert warning(of(waveform, *words((10, 20)))).startswith("10.0 s of 20.0 s with sound have no text")


def texts(waveform: np.ndarray, *confidences: float) -> TimedText:
    """A word a second, each a segment."""
    found = tuple(
        Segment((Word(str(n), n + 0.2, n + 0.8, confidence),), confidence) for n, confidence in enumerate(confidences)
    )
    return TimedText(found, len(waveform) / RATE, 0.5)


def judged(text: TimedText, waveform: np.ndarray, least: float) -> TimedText:
    """With the tokens of each word in its middle."""
    tokens = [((word.start + word.end) / 2,) * 2 for word in text.words]
    return mark(text, tokens, waveform, RATE, least)


def test_words_below_the_least_are_marked_or_dropped():
    text = texts(GUSTS, 0.1, 0.5, 0.9)
    marked = judged(text, GUSTS, 0.5)
    assert [word.unsure for word in marked.words] == [True, False, False]
    assert marked.text == "0 1 2" and without_unsure(marked).text == "1 2"
    assert without_unsure(judged(text, GUSTS, 0.0)) == text
    assert without_unsure(judged(text, GUSTS, 1.0)).segments == ()


def test_a_word_on_a_held_tone_is_none():
    waveform = gusts(3 * RATE)
    waveform[RATE : 2 * RATE] = sine(440, 1.0)
    marked = judged(texts(waveform, 0.99, 0.99, 0.99), waveform, 0.05)
    assert [word.confidence for word in marked.words] == [0.99, 0.0, 0.99]
    assert without_unsure(marked).text == "0 2"


def test_a_word_in_even_noise_or_silence_is_none():
    waveform = gusts(9 * RATE)
    waveform[3 * RATE : 6 * RATE] = noise(3 * RATE)
    waveform[6 * RATE :] = 0
    marked = judged(texts(waveform, *[0.99] * 9), waveform, 0.05)
    assert [word.confidence for word in marked.words[1::3]] == [0.99, 0.0, 0.0]


def test_json_says_what_is_low_and_what_is_covered():
    text = replace(judged(texts(GUSTS, 0.1, 0.9), GUSTS, 0.5), coverage=of(bursts((10, 20))))
    found = json.loads(render_timed_text(text, "json", "a"))
    low, sure = [segment["words"][0] for segment in found["segments"]]
    assert low["low"] is True and "low" not in sure
    assert found["coverage"]["duration"] == 60 and found["coverage"]["loud"] == pytest.approx(10, abs=0.1)


@pytest.fixture(scope="module")
def talkative() -> Transcriber:
    made = Transcriber(recogniser(layers=2), min_confidence=0.0)
    with torch.no_grad():
        made.recogniser.acoustic.output.bias[0] -= 2  # else it says next to nothing
    return made


def test_a_transcriber_drops_marks_and_counts(talkative):
    pitches = np.random.default_rng(0).choice([0, 200, 900, 2500, 6000], 900)
    waveform = np.concatenate([sine(pitch, 0.1) for pitch in pitches]) + noise(90 * RATE, level=0.01)
    every = talkative.transcribe(waveform, RATE)
    least = float(np.median([word.confidence for word in every.words]))
    kept = replace(talkative, min_confidence=least)
    dropped, marked = kept.transcribe(waveform, RATE), replace(kept, low="mark").transcribe(waveform, RATE)
    assert 0 < len(dropped.words) < len(every.words)
    assert [word.text for word in marked.words] == [word.text for word in every.words]
    assert dropped.words == tuple(word for word in marked.words if not word.unsure)
    assert dropped.coverage == marked.coverage and dropped.coverage.unsure > 0 == every.coverage.unsure
    assert dropped.coverage.transcribed + dropped.coverage.unsure == pytest.approx(every.coverage.transcribed, abs=0.1)
    assert tuple(kept.segments(waveform, RATE)) == dropped.segments


def test_no_word_of_a_chord_is_kept_by_default(talkative):
    chord = sum(sine(220 * ratio, 5.0, level=0.1) for ratio in (1, 1.26, 1.5))
    assert talkative.transcribe(chord, RATE).words
    assert Transcriber(talkative.recogniser).transcribe(chord, RATE).words == ()


def test_a_word_where_one_held_chord_follows_another_is_none():
    """Around it all is steady, though at the word itself the sound changes."""
    chords = np.concatenate([sine(220 * 2 ** (step / 12), 0.5, level=0.2) for step in (0, 5, 7, 12, 4, 9)])
    onset = TimedText((Segment((Word("o", 0.98, 1.02, 0.9),), 0.9),), 3.0, 0.5)
    assert judged(onset, chords, 0.05).words[0].unsure
    assert not judged(onset, gusts(3 * RATE), 0.05).words[0].unsure


def test_values_that_are_not_allowed():
    for least in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="from 0 to 1"):
            Transcriber(recogniser(), min_confidence=least)
    with pytest.raises(ConfigError, match="drop, mark"):
        Transcriber(recogniser(), low="keep")
