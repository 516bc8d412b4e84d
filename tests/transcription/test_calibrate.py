"""From utterances to a calibration, on a recogniser that makes mistakes."""

import math
import random

import pytest
import torch
from support.tiny import noise, recogniser
from support.tones import waveform, write_cut

from asr.data.batches import collate
from asr.data.cuts import LazyCut
from asr.errors import DataError
from asr.model.ctc import ctc_loss
from asr.transcription.calibrate import Outcomes, calibrated, cross_validated, draw_reliability, judged, outcomes
from asr.transcription.confidence import fit
from asr.transcription.transcribe import Transcriber

MODEL = Transcriber(recogniser(seed=24), min_confidence=0.0)


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    """Utterances of which every other one's transcript is what the model finds.

    One recording is too short for a frame.
    """
    folder = tmp_path_factory.mktemp("tones")
    cuts = [
        write_cut(folder, f"u{n:02d}", "a b a", waveform("abc ca b" + "a" * n, random.Random(n))).cut()
        for n in range(11)
    ]
    cuts.append(write_cut(folder, "u11", "c", noise(100)).cut())
    for cut in cuts[::2]:
        cut.supervisions[0].text = decoded(cut)
    return [LazyCut.of(cut) for cut in cuts]


def decoded(cut):
    return MODEL.transcribe(cut.recording.sources[0].source).text


def test_words_and_utterances_are_judged_by_their_transcripts(cuts):
    words, utterances = outcomes(MODEL, cuts)
    assert utterances.correct == (True, False) * 5 + (True,)
    assert len(words.correct) == len(words.log_probs) == len(words.utterances) > 15
    right = {n for n, correct in enumerate(utterances.correct) if correct}
    assert all(correct for n, correct in zip(words.utterances, words.correct, strict=True) if n in right)
    assert not all(words.correct)


def test_an_utterances_probability_is_that_of_its_loss(cuts):
    _, utterances = outcomes(MODEL, cuts)
    first = cuts[0].cut()
    batch = collate(["a"], [decoded(first)], [torch.from_numpy(first.load_audio()[0])], MODEL.recogniser.tokenizer)
    emissions = MODEL.recogniser.emissions(batch.waveforms, batch.num_samples)
    loss = ctc_loss(emissions.log_probs, emissions.lengths, batch.tokens, batch.num_tokens)
    assert utterances.log_probs[0] == pytest.approx(-float(loss.values[0]), abs=1e-2)


def test_a_fit_is_never_judged_on_what_it_was_made_from():
    """One utterance a fold is sure and wrong: its own fit must not know."""
    sure, unsure = math.log(0.99), math.log(0.5)
    made = Outcomes((sure, unsure) * 10, (False, True) + (True, True) * 9, tuple(n // 2 for n in range(20)))
    found = cross_validated("words", made)
    kept = [n for n in range(20) if (n // 2) % 5 != 0]
    others = fit([made.log_probs[n] for n in kept], [made.correct[n] for n in kept])
    assert found.after[0] == pytest.approx(others(sure))
    assert found.before[:2] == pytest.approx((0.99, 0.5))


def test_calibration_lowers_the_error_and_is_drawn(cuts, tmp_path):
    words, utterances = outcomes(MODEL, cuts)
    calibration = calibrated(words, utterances)
    found = judged("words", words, calibration.words)
    assert found.errors[1] < found.errors[0]
    draw_reliability([found, judged("utterances", utterances, calibration.utterances)], tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 10_000


def test_too_little_to_calibrate_on(cuts, tmp_path):
    with pytest.raises(DataError, match="3 utterances are too few"):
        outcomes(MODEL, cuts[:3])
    short = [write_cut(tmp_path, f"s{n}", "a", noise(100, seed=n)) for n in range(10)]
    with pytest.raises(DataError, match="finds no word"):
        outcomes(MODEL, short)
