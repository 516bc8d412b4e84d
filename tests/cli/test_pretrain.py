"""`asr pretrain`."""

from pathlib import Path

from support.command_line import SMALL


def test_from_recordings_without_transcripts_to_weights_that_training_begins_with(
    asr, recordings: Path, prepared: Path, tmp_path: Path
):
    pretrained = asr("pretrain", recordings / "train", "--out", tmp_path / "pretrained", "--epochs", 1, *SMALL)
    assert pretrained.code == 0, pretrained.err
    best = tmp_path / "pretrained" / "best"
    assert pretrained.out == f"pretrained model: {best}\n"
    refused = asr("transcribe", recordings / "test", "--model", best)
    assert refused.code == 1
    assert refused.err.endswith(f"train it: asr train DATA --init {best}\n") and refused.err.count("\n") == 1
    trained = asr("train", prepared, "--out", tmp_path / "run", "--init", best, "--epochs", 1, *SMALL)
    assert trained.code == 0, trained.err
    wider = asr("train", prepared, "--out", tmp_path / "wider", "--init", best)
    assert wider.code == 2
    assert "asr: init: that model has another shape (acoustic.channels was 4, is 32; acoustic.layers" in wider.err
    assert asr("pretrain", "--out", tmp_path / "none").code == 2
