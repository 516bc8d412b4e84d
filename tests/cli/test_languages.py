"""Any language: made-up tones for letters of nine scripts, from recordings to subtitles and scores.

Layers that know the tones already are taken over, so that only the letters are to be learnt.
"""

import dataclasses
import random
import re
import unicodedata
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
UNCHANGED = [
    *(f"--augment.{name}=0" for name in ("stretch", "warp", "filter", "level", "channel", "frequency-masks")),
    *("--augment.time-masks-per-second=0", "--augment.speeds", "1"),
]
"""Augmentation would take more epochs."""
SPACELESS = {"th", "zh", "ja"}


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> Path:
    """A model of the tones under their own names."""
    folder = tmp_path_factory.mktemp("tones")
    config = TrainConfig(
        acoustic=SHAPE,
        augment=dataclasses.replace(LIGHT, speeds=(1.0,), channel=0.0, time_masks_per_second=0.0, frequency_masks=0),
        bptt=BpttConfig(mode="full"),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        epochs=6,
        batch_seconds=6.0,
        average=0.8,
        threads=1,
        loaders=0,
        checkpoint_every=600.0,
    )
    return train(config, write_corpus(folder, train=60, dev=1), folder / "run", SILENT)


def record(folder: Path, language: str) -> str:
    """Recordings as a user has them: texts in capitals where there are, decomposed, with marks.

    Returns:
        What is said in the one of test, in small composed letters.
    """
    draw = random.Random(language)
    for split, count in (("train", 14), ("dev", 1), ("test", 1)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            said = "".join(draw.sample("abc", 3)) + ("" if language in SPACELESS else " ") + draw.choice("abc")
            soundfile.write(folder / split / f"{split}-{number}.wav", waveform(said, draw), RATE)
            written = text = "".join(dict(zip("abc", LANGUAGES[language], strict=True)).get(c, c) for c in said)
            if language == "tr":
                written = text.replace("i", "İ").replace("ı", "I").replace("ş", "Ş")
            written = unicodedata.normalize("NFD", f"\u200e{written}!")
            (folder / split / f"{split}-{number}.txt").write_text(written, encoding="utf-8")
    return unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_from_recordings_to_subtitles_and_scores(asr, tones: Path, tmp_path: Path, language: str):
    text = record(tmp_path / "own", language)
    data, run = tmp_path / "data", tmp_path / "run"
    prepared = asr("prepare", "folder", "--source", tmp_path / "own", "--out", data, "--language", language)
    assert prepared.code == 0, prepared.err
    assert "--tokenizer.units characters" in prepared.out
    shape = ("--acoustic.channels", 8, "--acoustic.layers", 1, "--acoustic.hidden", 32, "--acoustic.dropout", 0)
    settings = ("--epochs", 10, "--batch-seconds", 2, "--average", 0.5, "--optimiser.learning-rate", 0.01)
    rest = ("--bptt.mode", "full", "--threads", 1, "--loaders", 0, "--init", tones, *UNCHANGED)
    trained = asr("train", data, "--out", run, *shape, *settings, *rest)
    assert trained.code == 0, trained.err
    sound = tmp_path / "own/test/test-0.wav"
    written = asr("transcribe", sound, "--model", run / "best", "--format", "srt", "--min-confidence", 0)
    assert written.code == 0, written.err
    assert re.findall(r"-->.*\n(.*)\n", sound.with_suffix(".srt").read_text(encoding="utf-8")) == [text]
    page = tmp_path / "page.html"
    (tmp_path / "r.txt").write_text(f"u {text}\n", encoding="utf-8")
    (tmp_path / "h.txt").write_text(f"u {text[:-1]}\n", encoding="utf-8")
    scored = asr("score", tmp_path / "r.txt", tmp_path / "h.txt", "--html", page)
    assert scored.code == 0, scored.err
    assert (scored.out.index("(CER)") < scored.out.index("(WER)")) == (language in SPACELESS)
    html = page.read_text(encoding="utf-8")
    assert text.split()[0] in html.encode().decode("unicode_escape", "ignore") or text.split()[0] in html
    assert 'row.dir = "auto"' in html, "a right-to-left alignment runs from right to left"
