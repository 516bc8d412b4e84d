"""Which of two evaluations is the better one, and what decoding them takes."""

import os
import random
import sys
from dataclasses import replace

import pytest
import torch
from support.tiny import noise, recogniser
from support.tones import waveform, write_cut

from asr.decoding import parallel
from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig, Hypothesis
from asr.recogniser import emissions
from asr.scoring.score import score
from asr.transcription import evaluate as module
from asr.transcription.evaluate import Evaluation, evaluate
from asr.transcription.transcribe import Transcriber

REFERENCES = {"a": "the cat sat", "b": "on the mat"}


def rank(*texts: str, loss: float = 1.0) -> tuple[float, float, float]:
    hypotheses = dict(zip(REFERENCES, texts, strict=True))
    return Evaluation(score(REFERENCES, hypotheses), REFERENCES, hypotheses, loss).rank


def test_fewer_wrong_words_are_better_then_fewer_wrong_letters_then_less_loss():
    ranks = [
        rank("the cat sat", "on the mat"),
        rank("the cat sat", "on the mad"),
        rank("the cat sat", "on the bed"),
        rank("the cat sat", "on the bed", loss=2.0),
        rank("the cat", "on mat"),
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_where_no_word_is_right_the_loss_decides():
    """Untrained noise has some letters right by luck; blanks may have learnt much."""
    noise, blanks = rank("tae sot ca", "en thi mit", loss=9.0), rank("", "", loss=2.0)
    assert blanks < noise
    assert rank("the", "", loss=20.0) < blanks, "one right word is better than any loss"


def test_to_spell_too_many_words_is_better_than_silence():
    spelled = rank("th e ca t sa t", "o n th e ma t")
    assert spelled < rank("", "")


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    texts = ("abc ca b", "a", "c ab cab", "b", "cc a", "ba")
    tones = [waveform(text, random.Random(n)) for n, text in enumerate(texts)]
    return [write_cut(folder, f"u{n}", "a cab", samples) for n, samples in enumerate([*tones, noise(300)])]


@pytest.mark.parametrize("beam", [None, 4])
def test_each_utterance_has_the_text_that_it_has_alone(cuts, beam):
    model = recogniser(seed=24)
    decoder = beam and Decoder(model.tokenizer, DecodingConfig(beam=beam))
    transcriber = Transcriber(model, decoder, min_confidence=0.0)
    found = evaluate(transcriber, cuts, loaders=0)
    assert len(set(found.hypotheses.values())) > 3
    assert found.hypotheses == {c.id: transcriber.transcribe(c.cut().recording.sources[0].source).text for c in cuts}


def test_log_probs_that_wait_for_the_beam_search_are_bounded(cuts, monkeypatch):
    """However many utterances there are, a group holds the bound and at most a batch more.

    Greedy decoding keeps no batch.
    """
    model = recogniser(seed=24)
    searching = Transcriber(model, Decoder(model.tokenizer, DecodingConfig(beam=2)))
    texts, groups = Transcriber.texts, []

    def counted(self, utterances):
        groups.append(sum(utterance.log_probs.size for utterance in utterances))
        return texts(self, utterances)

    monkeypatch.setattr(Transcriber, "texts", counted)
    monkeypatch.setattr(emissions, "BATCH_SECONDS", 2.5)
    expected = evaluate(searching, cuts, loaders=0)
    assert len(groups) == 1
    bound, batch = groups[0] // 4, round(2.5 / model.config.frame) * model.tokenizer.size
    groups.clear()
    monkeypatch.setattr(module, "DECODED_AT_ONCE", bound)
    assert evaluate(searching, cuts, loaders=0) == expected
    assert len(groups) > 1 and max(groups) <= bound + batch
    groups.clear()
    evaluate(replace(searching, decoder=None), cuts, loaders=0)
    assert max(groups) <= batch


class WhoDecodes:
    """A decoder whose text is the process that it runs in."""

    def __init__(self, device="cpu"):
        self.device = torch.device(device)

    def second_log_probs(self, waveforms):
        return [None] * len(waveforms)

    def __call__(self, log_probs, config=None, *, second=None):
        return [Hypothesis((), str(os.getpid()), 0.0, 0.0)]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_a_beam_search_uses_all_cores(cuts, monkeypatch):
    monkeypatch.setattr(parallel, "num_workers", lambda device, wanted: 3)
    found = evaluate(Transcriber(recogniser(), WhoDecodes()), cuts, loaders=0)
    assert len(set(found.hypotheses.values())) == 3


def test_what_ranks_on_an_accelerator_stays_in_this_process(cuts):
    """A forked process cannot use the one that its parent has opened."""
    found = evaluate(Transcriber(recogniser(), WhoDecodes("meta")), cuts, loaders=0)
    assert set(found.hypotheses.values()) == {str(os.getpid())}
