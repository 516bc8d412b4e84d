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


def test_tables_as_people_have_them(asr, refused, recordings: Path, tmp_path: Path):
    """An open quote costs one row; what cannot be read says what was found; all in one line."""
    sounds = sorted((recordings / "train").glob("*.wav"))[:8]
    rows = [f'{sound},"abc, cab' if n == 3 else f"{sound},abc cab" for n, sound in enumerate(sounds)]
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["file_name,text", *rows]))
    prepared = asr("prepare", "folder", "--source", table, "--out", tmp_path / "data")
    shown = " ".join(prepared.out.split())
    assert prepared.code == 0, prepared.err
    assert "problems: 1" in shown and "list.csv:5: a quote opens here" in shown
    assert "the sentences of" in shown and "recommended for asr train:" in shown
    table.write_text("clip;words\n1;one\n")
    found = "found, parted by semicolons: 'clip', 'words'"
    refused(1, found, "prepare", "folder", "--source", table, "--out", tmp_path / "other")
