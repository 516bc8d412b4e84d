"""`asr compact`."""

from pathlib import Path


def test_a_compact_copy_transcribes(asr, recordings: Path, model: Path, tmp_path: Path):
    made = asr("compact", model, "--out", tmp_path / "small")
    assert made.code == 0 and made.out == f"{tmp_path / 'small'}\n", made.err
    heard = asr("transcribe", recordings / "test" / "test-0.wav", "--model", tmp_path / "small")
    assert heard.code == 0 and "\t" in heard.out, heard.err


def test_mistakes_end_in_one_clear_line(refused, model: Path, tmp_path: Path):
    refused(1, "not a model folder", "compact", tmp_path, "--out", tmp_path / "small")
    refused(1, "is the model folder, or in it", "compact", model, "--out", model)
