"""Any language: made-up tones for letters of nine scripts, from recordings to subtitles and scores.

Layers that know the tones already are taken over, so that only the letters are to be learnt.
"""

import json
import random
import re
import unicodedata
from html import unescape
from pathlib import Path

import pytest
import soundfile
from support.tones import RATE, waveform, write_corpus

from asr.audio.augment import LIGHT
from asr.model.shape import AcousticConfig
from asr.progress import SILENT
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig
from asr.training.train import train

SHAPE = AcousticConfig(channels=8, layers=1, hidden=32, dropout=0.0)

LANGUAGES = {
    "ar": "سلم",
    "he": "שלם",
    "hi": ("क", "नि", "मा"),
    "th": ("ก", "น้ำ", "มี"),
    "zh": "你好吗",
    "ja": ("か", "ガ", "日"),
    "ko": "가나한",
    "tr": "ışi",
    "am": "ሀለመ",
}
"""What stands for the tones a, b and c."""
SPACELESS = {"th", "zh", "ja"}


def spelt(text: str, letters) -> str:
    return "".join(dict(zip("abc", letters, strict=True)).get(letter, letter) for letter in text)


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> Path:
    """A model of the tones under their own names."""
    folder = tmp_path_factory.mktemp("tones")
    config = TrainConfig(
        acoustic=SHAPE,
        augment=LIGHT,
        bptt=BpttConfig(mode="full"),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        epochs=12,
        batch_seconds=10.0,
        average=0.9,
        threads=1,
        loaders=0,
    )
    return train(config, write_corpus(folder, train=80, dev=2), folder / "run", SILENT)


def record(folder: Path, language: str) -> None:
    """Recordings as a user has them: texts in capitals where there are, decomposed, with marks."""
    draw = random.Random(language)
    for split, count in (("train", 24), ("dev", 2), ("test", 3)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            words = ["".join(draw.choice("abc") for _ in range(3)) for _ in range(2)]
            text = ("" if language in SPACELESS else " ").join(words)
            soundfile.write(folder / split / f"{number}.wav", waveform(text, draw), RATE)
            written = spelt(text, LANGUAGES[language])
            if language == "tr":
                written = written.replace("i", "İ").replace("ı", "I").replace("ş", "Ş")
            (folder / split / f"{number}.txt").write_text(unicodedata.normalize("NFD", f"\u200e{written}!"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_from_recordings_to_subtitles_and_scores(asr, tones: Path, tmp_path: Path, language: str):
    record(tmp_path / "own", language)
    data, run = tmp_path / "data", tmp_path / "run"
    prepared = asr("prepare", "folder", "--source", tmp_path / "own", "--out", data, "--language", language)
    assert prepared.code == 0, prepared.err
    assert "recommended for asr train: --tokenizer.units characters" in prepared.out.replace("\n", " ")
    shape = ("--acoustic.channels", 8, "--acoustic.layers", 1, "--acoustic.hidden", 32, "--acoustic.dropout", 0)
    settings = ("--epochs", 10, "--batch-seconds", 8, "--average", 0.5, "--optimiser.learning-rate", 0.01)
    rest = ("--bptt.mode", "full", "--threads", 1, "--loaders", 0, "--augment.channel", 0, "--init", tones)
    trained = asr("train", data, "--out", run, *shape, *settings, *rest)
    assert trained.code == 0, trained.err
    for number in range(3):
        said = (tmp_path / f"own/test/{number}.txt").read_text()
        sound = tmp_path / f"own/test/{number}.wav"
        written = asr("transcribe", sound, "--model", run / "best", "--format", "srt", "--min-confidence", 0)
        assert written.code == 0, written.err
        [text] = re.findall(r"-->.*\n(.*)\n", written.out)
        assert text == unicodedata.normalize("NFC", spelt_small(said, language))
    page, hypotheses = tmp_path / "page.html", tmp_path / "h.jsonl"
    rows = [{"id": "u", "text": text}]
    hypotheses.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.txt").write_text(f"u {text}\n")
    scored = asr("score", tmp_path / "r.txt", hypotheses, "--html", page)
    assert scored.code == 0, scored.err
    assert (scored.out.index("(CER)") < scored.out.index("(WER)")) == (language in SPACELESS)
    html = page.read_text()
    assert ('row.dir = "auto"' in html and json.dumps(text.split()[0])[1:-1] in html) or text.split()[0] in unescape(
        html
    )


def spelt_small(said: str, language: str) -> str:
    composed = unicodedata.normalize("NFC", said.strip("\u200e!"))
    return composed.replace("I", "ı").replace("İ", "i").lower() if language == "tr" else composed
