"""Where words begin and end, on sounds whose borders are known."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, recogniser, unhurried

from asr.audio.level import BLOCK, levels
from asr.model.best_path import Spike, align
from asr.text.spelling import spell
from asr.transcription.confidence import UNCALIBRATED
from asr.transcription.timing import (
    LONGEST_SEGMENT,
    REACH,
    SEGMENT_PAUSE,
    segments,
    time_text,
    together,
    word_spans,
)

MODEL = recogniser()


def loudness(*parts: tuple[float, float]) -> np.ndarray:
    """(seconds, dB) -> a level a block."""
    return np.concatenate([np.full(round(seconds / BLOCK), level) for seconds, level in parts])


def test_a_pause_belongs_to_neither_word():
    level = loudness((0.2, -60), (0.3, -20), (0.25, -60), (0.4, -25), (0.3, -60))
    first, second = word_spans([(0.28, 0.32), (0.88, 0.92)], level)
    assert (*first, *second) == pytest.approx((0.2, 0.5, 0.75, 1.15))


def test_words_without_a_pause_meet_where_it_is_quietest():
    level = loudness((0.3, -20), (0.02, -45), (0.3, -20))
    (_, end), (start, _) = word_spans([(0.04, 0.08), (0.52, 0.56)], level)
    assert end == start == pytest.approx(0.3)


def test_a_stop_inside_a_word_is_not_the_pause_after_it():
    """The longest quiet stretch counts.

    A closure of 80 ms before the burst of "eight" is shorter than the pause.
    """
    level = loudness((0.3, -20), (0.08, -60), (0.05, -30), (0.2, -60), (0.3, -20))
    first, second = word_spans([(0.12, 0.16), (0.72, 0.76)], level)
    assert (first[1], second[0]) == pytest.approx((0.43, 0.63))


def test_no_word_reaches_far_into_what_nobody_transcribed():
    level = np.full(1000, -20.0)
    level[[20, 500, 980]] = -30
    first, second = word_spans([(1.0, 1.04), (9.0, 9.04)], level)
    assert first == pytest.approx((1 - REACH, 1.04 + REACH))
    assert second == pytest.approx((9 - REACH, 9.04 + REACH))


@unhurried
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=12), st.integers(0, 1000))
def test_words_hold_their_spikes_and_never_overlap(gaps, seed):
    spiked, at = [], 0
    for gap, length in gaps:
        spiked.append(((at + gap) * 0.04, (at + gap + length) * 0.04))
        at += gap + length
    blocks = round(spiked[-1][1] / BLOCK) + seed % 3 - 1
    spans = word_spans(spiked, np.random.default_rng(seed).uniform(-80, -10, blocks))
    for (start, end), (first, last) in zip(spans, spiked, strict=True):
        assert start <= first + 1e-9 and end >= last - 1e-9
    assert all(before[1] <= after[0] + 1e-9 for before, after in pairwise(spans))


def test_levels_are_of_10_ms_each():
    waveform = np.concatenate([np.full(160, 0.1), np.zeros(160), np.full(160, 1.0), np.ones(7)]).astype(np.float32)
    level, block = levels(waveform, RATE)
    assert level == pytest.approx([-20, -100, 0], abs=1e-4)
    assert block == 0.01


def test_levels_keep_time_where_a_block_is_no_whole_number_of_samples():
    rate = 22_050  # a block of 10 ms is 220.5 samples
    waveform = np.zeros(120 * rate, dtype=np.float32)
    waveform[119 * rate : round(119.4 * rate)] = 0.5
    ((start, end),) = word_spans([(119.2, 119.24)], *levels(waveform, rate))
    assert (start, end) == pytest.approx((119.0, 119.4), abs=0.011)


@unhurried
@given(st.lists(st.tuples(st.floats(0.05, 3), st.floats(0, 2)), min_size=1, max_size=200))
def test_segments_hold_all_words_part_at_pauses_and_are_not_too_long(lengths):
    spans, at = [], 0.0
    for length, pause in lengths:
        spans.append((at, at + length))
        at += length + pause
    found = segments(spans)
    assert [n for first, after in found for n in range(first, after)] == list(range(len(spans)))
    assert all(spans[after - 1][1] - spans[first][0] <= LONGEST_SEGMENT for first, after in found)
    starts = {first for first, _ in found}
    assert {n for n in range(1, len(spans)) if spans[n][0] - spans[n - 1][1] >= SEGMENT_PAUSE} <= starts


def timed(text: str, seconds: float = 2.0):
    waveform = noise(round(RATE * seconds))
    emissions = MODEL.emissions(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    log_probs, spelling = emissions.utterances()[0], spell(text, MODEL.tokenizer)
    spikes = align(log_probs, spelling.tokens)
    return time_text(MODEL, waveform, log_probs, spelling, spikes, UNCALIBRATED, language="en")


def test_a_text_with_its_times():
    found = timed("ab Cab, a")
    assert (found.text, found.duration, found.language) == ("ab Cab, a", 2.0, "en")
    assert [[token.text for token in word.tokens] for word in found.words] == [["a", "b"], ["c", "a", "b"], ["a"]]
    times = [time for word in found.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= 2.0
    for word in found.words:
        edges = [word.start, *(token.end for token in word.tokens)]
        assert edges == [*(token.start for token in word.tokens), word.end]
        assert all(0 <= part.confidence <= 1 for part in (word, *word.tokens))
    assert 0 <= found.confidence == pytest.approx(np.prod([segment.confidence for segment in found.segments]))


def test_tokens_far_from_the_others_are_no_part_of_a_word():
    spikes = [Spike(at, at + 1, 0.0) for at in (0, 2, 60, 62, 65, 100)]
    assert together(spikes, 10) == spikes[2:5]
    assert together(spikes[:4], 10) == spikes[:2], "of equally many the first"
    assert together(spikes, 57) == spikes


def test_a_word_ends_with_its_sound_though_a_token_comes_much_later():
    """Log-probs say "ab", then blank for 5 s, then "c": the word is "abc", and it is short."""
    frame, tokens = MODEL.config.frame, MODEL.tokenizer.encode("abc")
    log_probs = torch.full((round(7 / frame), MODEL.tokenizer.size), -9.0)
    log_probs[:, 0] = 0.0
    for token, at in zip(tokens, (1.0, 1.2, 6.2), strict=True):
        log_probs[round(at / frame), [0, token]] = torch.tensor([-9.0, 0.0])
    spelling = spell("abc", MODEL.tokenizer)
    found = time_text(MODEL, noise(7 * RATE), log_probs, spelling, align(log_probs, spelling.tokens), UNCALIBRATED)
    (word,) = found.words
    assert word.start <= 1.0 and 1.2 <= word.end <= 1.3 + REACH
    times = [time for token in word.tokens for time in (token.start, token.end)]
    assert times == sorted(times) and (times[0], times[-1]) == (word.start, word.end)
