"""Recordings in, texts out: from files and arrays, one by one and many, greedily and by beam."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from support.tiny import RATE, gusts, recogniser
from support.tones import write_cut

from asr.audio.waveform import save_flac
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import ConfigError, DataError
from asr.model.best_path import align
from asr.recogniser.model_folder import save_model
from asr.transcription import part
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber

MODEL = Transcriber(recogniser(seed=1))


def texts(paths):
    return [transcript.text for transcript in MODEL.transcribe_files(paths)]


def test_a_bad_file_among_good_ones_keeps_none_from_its_turn(tmp_path):
    for name, seed in (("a.flac", 0), ("d.flac", 1)):
        save_flac(tmp_path / name, gusts(RATE, seed=seed), RATE)
    (tmp_path / "b.wav").write_text("not audio")
    paths = [tmp_path / name for name in ("a.flac", "b.wav", "c.wav", "d.flac")]
    found = list(MODEL.transcribe_files(paths))
    assert [transcript.name for transcript in found] == [str(path) for path in paths]
    assert [type(transcript.error) for transcript in found] == [type(None), DataError, DataError, type(None)]
    assert "b.wav: not readable as audio" in str(found[1].error) and "c.wav: no such" in str(found[2].error)
    assert [transcript.text for transcript in found] == [*texts(paths[:1]), "", "", *texts(paths[3:])]
    assert found[0].text and found[3].text


def test_files_are_transcribed_one_at_a_time(tmp_path):
    """A long list gives its first text at once."""
    save_flac(tmp_path / "a.flac", gusts(RATE), RATE)

    def paths():
        yield tmp_path / "a.flac"
        pytest.fail("asked for the second file before the first one's text was taken")

    assert next(MODEL.transcribe_files(paths())).text


@pytest.mark.parametrize("samples", [1, 399])
def test_a_recording_shorter_than_a_window_has_the_empty_text(tmp_path, samples):
    soundfile.write(tmp_path / "a.wav", gusts(samples), RATE)
    (found,) = MODEL.transcribe_files([tmp_path / "a.wav"])
    assert (found.text, found.error) == ("", None)


def test_silence_is_no_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    (found,) = MODEL.transcribe_files([tmp_path / "a.wav"])
    assert found.error is None


def test_evaluating_finds_what_transcribing_finds(tmp_path):
    """Through manifests and in padded batches, or from files and alone: the same texts."""
    cuts = [
        write_cut(tmp_path, f"u{n}", "a cab", gusts(size, seed=n)) for n, size in enumerate((9_000, 300, 20_000, 4_321))
    ]
    evaluation = evaluate(MODEL, cuts, loaders=0)
    assert [evaluation.hypotheses[cut.id] for cut in cuts] == texts(tmp_path / f"{cut.id}.wav" for cut in cuts)
    assert evaluation.references == {cut.id: "a cab" for cut in cuts}


@pytest.mark.parametrize("decoder", [None, Decoder(MODEL.recogniser.tokenizer, DecodingConfig(beam=3))])
def test_a_file_and_its_samples_have_the_same_text(tmp_path, decoder):
    """Stereo at another rate: averaged and resampled alike."""
    transcriber = replace(MODEL, decoder=decoder)
    samples = np.stack([gusts(44_100, seed=n) for n in (1, 2)])
    soundfile.write(tmp_path / "a.wav", samples.T, 44_100, subtype="FLOAT")
    found = transcriber.transcribe(tmp_path / "a.wav")
    assert found.words
    assert transcriber.transcribe(str(tmp_path / "a.wav")) == found
    assert transcriber.transcribe(samples, 44_100) == found
    assert transcriber.transcribe(torch.from_numpy(samples).requires_grad_(), 44_100) == found
    (among_others,) = transcriber.transcribe_files([tmp_path / "a.wav"])
    assert among_others.timed == found
    assert transcriber.transcribe(samples, 44_100, language="en") == replace(found, language="en")


def test_a_file_has_its_own_rate_and_samples_need_one(tmp_path):
    save_flac(tmp_path / "a.flac", gusts(RATE), RATE)
    with pytest.raises(ConfigError, match=r"a\.flac: a file has its own sample rate"):
        MODEL.transcribe(tmp_path / "a.flac", RATE)
    with pytest.raises(ConfigError, match="samples do not say their rate"):
        MODEL.align(gusts(RATE), "a cab")


def test_an_aligned_array_is_an_aligned_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", gusts(RATE), RATE, subtype="FLOAT")
    assert MODEL.align(gusts(RATE), "A cab!", RATE) == MODEL.align(str(tmp_path / "a.wav"), "A cab!")
    with pytest.raises(DataError, match=r"^holds only silence"):
        MODEL.align(np.zeros(RATE), "a cab", RATE)


def test_greedy_text_is_never_aligned_again(monkeypatch):
    """Its path is known; the decoder's is not."""
    calls = []
    monkeypatch.setattr(part, "align", lambda *given: calls.append(given) or align(*given))
    found = MODEL.transcribe(gusts(RATE), RATE)
    assert found.words and not calls
    searching = replace(MODEL, decoder=Decoder(MODEL.recogniser.tokenizer, DecodingConfig(beam=3)))
    assert searching.transcribe(gusts(RATE), RATE).words and len(calls) == 1


def test_the_best_hypotheses_stand_in_order_the_text_first():
    searching = replace(MODEL, decoder=Decoder(MODEL.recogniser.tokenizer, DecodingConfig(beam=5)))
    found = searching.hypotheses(gusts(RATE), RATE)
    assert 1 < len(found) <= 5
    assert found[0].text == searching.transcribe(gusts(RATE), RATE).text
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    with pytest.raises(ConfigError, match="greedy decoding has a single text"):
        MODEL.hypotheses(gusts(RATE), RATE)


def test_a_second_recogniser_alone_is_refused(tmp_path):
    save_model(tmp_path, MODEL.recogniser, readme="")
    with pytest.raises(ConfigError, match="needs a language model"):
        Transcriber.load(tmp_path, second=tmp_path, device="cpu")
