"""Recordings with their texts, one by one and from manifests; what cannot be aligned says why."""

import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from support.tiny import RATE, noise, recogniser
from support.tones import waveform, write_cut

from asr.data.cuts import LazyCut
from asr.errors import DataError
from asr.transcription.align import align_cuts, align_file
from asr.transcription.confidence import Calibration, Platt
from asr.transcription.transcribe import Transcriber

MODEL = Transcriber(recogniser(seed=24))


@pytest.fixture
def recording(tmp_path):
    soundfile.write(tmp_path / "a.wav", waveform("abc ca b", random.Random(0)), RATE)
    return tmp_path / "a.wav"


def test_decoded_text_has_the_times_that_aligning_it_has(recording):
    """Times never depend on who found the text."""
    transcriber = replace(MODEL, calibration=Calibration(Platt(0.5, 0.1), Platt(0.4, 0.2)))
    (found,) = transcriber.transcribe_files([recording])
    assert len(found.timed.words) > 1
    assert found.timed.coverage is not None
    timed = replace(found.timed, coverage=None)
    assert align_file(transcriber, recording, found.text) == replace(found, timed=timed)


def test_each_utterance_of_a_manifest_is_aligned_as_its_file_is(tmp_path):
    cuts = [write_cut(tmp_path, f"u/{n}".replace("/", "-"), "a cab", noise(RATE, seed=n)) for n in range(2)]
    spoken = cuts[1].cut()
    spoken.supervisions[0].language = "en"
    cuts[1] = LazyCut.of(spoken)
    first, second = align_cuts(MODEL, cuts)
    alone = align_file(MODEL, tmp_path / "u-0.wav", "a cab")
    assert [w.text for w in first.timed.words] == ["a", "cab"]
    assert first.timed.words == alone.timed.words
    assert (first.timed.language, second.timed.language) == (None, "en")


@pytest.mark.parametrize(
    ("text", "samples", "message"),
    [
        ("a dog", noise(RATE), r"no tokens for 'dog'"),
        ("cab " * 40, noise(RATE), r"needs 159 frames of 40 ms, the recording has 25"),
        ("a", noise(300), r"needs 1 frames of 40 ms, the recording has 0"),
        ("a", np.zeros(RATE), r"holds only silence"),
        ("...", noise(RATE), r"no words to align"),
    ],
)
def test_what_cannot_be_aligned_says_which_and_why(tmp_path, text, samples, message):
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    with pytest.raises(DataError, match=rf"{tmp_path}/a\.wav: .*{message}"):
        align_file(MODEL, tmp_path / "a.wav", text)
    cuts = [write_cut(tmp_path, "bad", text, samples), write_cut(tmp_path, "good", "a cab", noise(RATE))]
    bad, good = align_cuts(MODEL, cuts)
    assert bad.timed is None and str(bad.error).startswith("utterance bad: ") and good.timed is not None


def test_a_missing_recording_among_others(tmp_path):
    cuts = [write_cut(tmp_path, name, "a cab", noise(RATE)) for name in ("gone", "here")]
    (tmp_path / "gone.wav").unlink()
    gone, here = align_cuts(MODEL, cuts)
    assert "utterance gone: its audio cannot be read" in str(gone.error) and here.timed is not None
