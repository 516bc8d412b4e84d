"""`asr prepare`."""

from pathlib import Path


def test_what_was_left_out_is_shown(asr, recordings: Path, noise: Path, tmp_path: Path):
    source = tmp_path / "recordings"
    for split in ("train", "dev", "test"):
        (source / split).mkdir(parents=True)
        for path in (recordings / split).iterdir():
            (source / split / path.name).write_bytes(path.read_bytes())
    noise.rename(source / "train" / "noise.wav")
    (source / "train" / "noise.txt").write_text("a")
    prepared = asr("prepare", "folder", "--source", source, "--out", tmp_path / "data")
    assert prepared.code == 0, prepared.err
    assert "problems: 1" in prepared.out and "noise.wav: not readable" in prepared.out.replace("\n", "")
    assert (tmp_path / "data" / "train.jsonl.gz").is_file()


def test_mistakes_end_in_one_clear_line(refused, text: Path, tmp_path: Path):
    out = ("--out", tmp_path / "o")
    refused(1, "none", "prepare", "an4", "--source", tmp_path / "none", *out)
    refused(2, "nothing", "prepare", "nothing", "--source", tmp_path, *out)
    refused(1, "model", "prepare", "folder", "--source", tmp_path / "model", *out)
    refused(1, "text.txt", "prepare", "folder", "--source", text, *out)
    refused(1, "name it with --source", "prepare", "folder", *out)
    refused(2, "CORPUS", "prepare", *out)
