"""Checksums show what was changed or lost on the way, and trust no name in their list."""

import shutil
import subprocess

import pytest

from asr.recogniser.bundled import bundled_model
from asr.recogniser.checksums import SUMS_FILE, changed, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "second").mkdir(parents=True)
    for name in ("config.json", "second/model.safetensors", "ein Wört.txt"):
        (tmp_path / "model" / name).write_text(name, encoding="utf-8")
    (tmp_path / "model" / ".lock").touch()
    write_sums(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_as_it_was(folder):
    assert changed(folder) == []
    (folder / "model.onnx").touch()  # written later, by asr export
    assert changed(folder) == []
    before = (folder / SUMS_FILE).read_bytes()
    (folder / "model.onnx").unlink()
    write_sums(folder)
    assert (folder / SUMS_FILE).read_bytes() == before


def test_files_that_were_changed_or_lost_are_named(folder):
    (folder / "config.json").write_text("config.jsom")
    (folder / "second" / "model.safetensors").unlink()
    assert changed(folder) == ["config.json", "second/model.safetensors"]


def test_without_a_list_nothing_is_known(folder):
    (folder / SUMS_FILE).unlink()
    assert changed(folder) is None


@pytest.mark.parametrize("line", ["0  ../outside", "0  /etc/hostname", "nonsense", "0  second"])
def test_no_name_leads_out_of_the_folder(folder, line):
    (folder.parent / "outside").write_text("")
    (folder / SUMS_FILE).write_text(f"{line}\n")
    assert len(changed(folder)) == 1


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="the system has no sha256sum")
def test_the_systems_own_tool_reads_the_list(folder):
    command = ["sha256sum", "--check", "--strict", SUMS_FILE]
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    (folder / "config.json").write_text("another")
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 1


def test_the_model_of_the_package_is_as_it_was_made():
    assert changed(bundled_model()) == []
    listed = (bundled_model() / SUMS_FILE).read_text(encoding="utf-8")
    files = {path.name for path in bundled_model().iterdir()} - {SUMS_FILE}
    assert {line.split("  ")[1] for line in listed.splitlines()} == files
