"""Which scores are too low for a command: false accepts at most as many as were asked for."""

import math

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import RATE, noise, recogniser, unhurried
from support.tones import write_cut

from asr.decoding.commands import UNFITTED, Commands
from asr.errors import ConfigError, DataError
from asr.text.grammar import parse_grammar
from asr.transcription.rejection import Heard, Trial, draw_rejection, fit_rejection, listen, overhear, rate_limit
from asr.transcription.transcribe import Transcriber

MODEL = recogniser(seed=1)
COMMANDS = Commands(MODEL.tokenizer, parse_grammar("one: (a | b)\ntwo: c c"))
A, B, C = COMMANDS.phrases


def others(*scores, hours=1.0):
    return Trial((), tuple(Heard(score, A) for score in scores), 3600 * hours)


@unhurried
@given(st.lists(st.floats(-50, 0), min_size=1, max_size=30), st.floats(0.5, 20), st.floats(0.05, 5))
def test_it_is_the_least_with_so_few_false_accepts(scores, rate, hours):
    trial = others(*scores, hours=hours)
    fitted = fit_rejection(COMMANDS, trial, rate)
    assert fitted.accepted == trial.accepted(fitted.threshold) <= rate * hours
    lower = math.nextafter(fitted.threshold, -math.inf)
    if rate * hours >= 1 and len(scores) > rate * hours:
        assert trial.accepted(lower) > rate * hours
    if rate * hours < 1:
        assert fitted.threshold >= UNFITTED.threshold


def test_too_little_speech_does_not_lower_the_usual_threshold():
    assert fit_rejection(COMMANDS, others(-9.0, hours=0.1), 1.0).threshold == UNFITTED.threshold
    assert fit_rejection(COMMANDS, others(-0.1, hours=0.1), 1.0).threshold == pytest.approx(-0.1)
    assert fit_rejection(COMMANDS, others(-9.0, hours=10), 1.0).threshold == -9.0


def test_what_cannot_be_fitted():
    for rate in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="positive"):
            fit_rejection(COMMANDS, others(-1.0), rate)
    with pytest.raises(DataError, match="no speech without commands"):
        fit_rejection(COMMANDS, others(), 1.0)


def test_commands_are_missed_or_confused():
    said = (Heard(-1.0, A, A), Heard(-1.0, B, A), Heard(-1.0, C, A), Heard(-3.0, A, A), Heard(-1000.0, None, C))
    trial = Trial(said, (Heard(-2.0, A), Heard(-0.5, C)), 60.0)
    counts = [(trial.missed(t), trial.confused(t), trial.accepted(t)) for t in (-0.9, -1.0, -2.0, -2000.0)]
    # b means what a means; c does not.
    assert counts == [(5, 0, 1), (2, 1, 1), (2, 1, 2), (0, 2, 2)]


def test_the_limit_is_that_of_counts():
    """Poisson's law: so many or fewer have a probability of 5 % (tables: 2.996, 4.744, 18.21)."""
    assert [rate_limit(n, 3600) for n in (0, 1, 11)] == pytest.approx([2.996, 4.744, 18.208], abs=2e-3)
    assert rate_limit(0, 7200) == pytest.approx(1.498, abs=1e-3) and rate_limit(500, 3600) == pytest.approx(
        538.6, abs=0.5
    )


def test_utterances_are_told_apart_by_their_transcripts(tmp_path):
    cuts = [write_cut(tmp_path, text, text, noise(RATE, seed=n)) for n, text in enumerate(("a", "ab c", "c c"))]
    trial = listen(Transcriber(MODEL), COMMANDS, cuts)
    assert {sound.said for sound in trial.commands} == {A, C} and len(trial.others) == 1
    assert trial.seconds == pytest.approx(1.0)
    waveform = torch.from_numpy(noise(RATE, seed=1))
    (log_probs,) = MODEL.emissions(waveform[None], torch.tensor([RATE])).utterances()
    assert trial.others[0].score == pytest.approx(COMMANDS(log_probs)[0].score, abs=1e-3)


def test_recordings_are_heard_piece_by_piece_as_they_are_transcribed(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(70 * RATE), RATE)
    trial = overhear(Transcriber(MODEL), COMMANDS, [tmp_path / "a.wav"])
    assert len(trial.others) >= 3 and trial.seconds == pytest.approx(70) and not trial.commands
    transcriber = Transcriber(MODEL, commands=COMMANDS)
    total = transcriber.hypotheses(tmp_path / "a.wav")[0].score
    assert sum(sound.score for sound in trial.others) == pytest.approx(total, abs=1e-3)


def test_a_curve_is_drawn(tmp_path):
    draw = np.random.default_rng(0)
    said = tuple(Heard(float(score), A, A) for score in draw.normal(-1, 1, 20))
    trial = Trial(said, others(*draw.normal(-4, 1, 30).tolist()).others, 3600.0)
    draw_rejection(trial, -2.0, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5_000
