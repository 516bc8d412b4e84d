"""`asr adapt`."""

import shutil
from pathlib import Path

from support.language import write_lm

from asr.decoding.hypothesis import DecodingConfig
from asr.decoding.tune import keep


def test_recordings_make_a_model_that_is_compared_with_the_old_one(
    asr, refused, recordings, model: Path, tmp_path: Path
):
    base = shutil.copytree(model, tmp_path / "base")
    write_lm(tmp_path / "words.arpa")
    keep(base, [tmp_path / "words.arpa"], None, DecodingConfig())
    command = ("adapt", recordings, "--model", base, "--out", tmp_path / "mine")
    found = asr(*command, "--general", recordings, "--epochs", 1, "--threads", 1)
    assert found.code == 0, found.err
    assert "own recordings, held out" in found.out and "general speech" in found.out and "forgotten:" in found.out
    assert (
        f"adapted model: {tmp_path / 'mine'}\ntry it: asr transcribe RECORDING --model {tmp_path / 'mine'} --lm\n"
        in found.out
    )
    heard = asr("transcribe", recordings / "test" / "test-0.wav", "--model", tmp_path / "mine")
    assert heard.code == 0, heard.err
    refused(2, "is the base model's folder", *command[:4], "--out", base)
    refused(1, "not a model folder", *command[:2], "--model", tmp_path, "--out", tmp_path / "other")
