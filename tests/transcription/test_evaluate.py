"""Which of two evaluations is the better one."""

from asr.scoring.score import score
from asr.transcription.evaluate import Evaluation

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


def test_to_spell_too_many_words_is_better_than_silence():
    spelled = rank("th e ca t sa t", "o n th e ma t")
    assert spelled < rank("", "")
