"""Files appear whole or not at all, and nothing that is read is executed."""

import errno
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from support.tiny import noise, recogniser

from asr.audio.features import FeatureConfig
from asr.errors import AsrError, ModelError
from asr.files import atomic
from asr.model.shape import AcousticConfig
from asr.recogniser.model_folder import load_model, save_model
from asr.text.tokenizer import CharacterTokenizer, TokenizerConfig, train_tokenizer
from asr.training.checkpoint import load_checkpoint, save_checkpoint
from asr.transcription.confidence import UNCALIBRATED, save_calibration

SUBWORDS = train_tokenizer(TokenizerConfig("sentencepiece", 7), ["a cab", "a bac", "caba"])
SHAPES = [
    {},
    {"cell": "gru", "layers": 3, "intermediate": (1, 2), "merge": "concat", "projection": 5, "residual": True},
]
ODDITIES = [b"", b"not a model\n", b"\x00" * 100, b"{}", b"[]", b"\xff\xfe"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


# ---- atomic


def test_what_was_written_replaces_what_was_there(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    for text in ("first", "second"):
        with atomic(path) as temporary:
            assert temporary.parent == path.parent != temporary
            temporary.write_text(text)
        assert path.read_text() == text
        assert names(path.parent) == ["file"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ZeroDivisionError(), KeyboardInterrupt()]
)
def test_after_an_error_the_old_file_stands_and_no_temporary_is_left(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(AsrError if isinstance(error, OSError) else type(error)), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_until_the_end_the_old_file_is_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(AsrError) as caught, atomic(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("anything")
    assert (
        str(caught.value) == f"{path}: cannot be written (No space left on device); what was there before is untouched"
    )
    assert names(tmp_path) == []


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "inside"
    with pytest.raises(AsrError, match="inside: cannot be written"), atomic(path) as temporary:
        temporary.write_text("anything")


# ---- models


@pytest.mark.parametrize("shape", SHAPES, ids=["lstm", "gru"])
@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(" abc"), SUBWORDS], ids=["characters", "sentencepiece"])
def test_a_loaded_model_says_the_same_to_the_bit(tmp_path, shape, tokenizer):
    made = recogniser(tokenizer, **shape)
    save_model(tmp_path / "model", made, readme="words\n")
    loaded = load_model(tmp_path / "model")
    waveforms, num_samples = torch.from_numpy(noise(16_000)).view(2, 8_000), torch.tensor([8_000, 5_000])
    expected, found = (r.emissions(waveforms, num_samples) for r in (made, loaded))
    assert torch.equal(found.log_probs, expected.log_probs)
    assert loaded.config == made.config
    assert loaded.tokenizer.encode("a cab") == made.tokenizer.encode("a cab")
    assert (tmp_path / "model" / "README.md").read_text() == "words\n"


def test_a_model_folder_holds_four_files_and_no_temporary(tmp_path):
    for seed in (0, 1):  # the second replaces the first
        save_model(tmp_path / "model", recogniser(seed=seed), readme="")
        if seed == 0:
            save_calibration(tmp_path / "model", UNCALIBRATED)  # of the first one's weights
    assert names(tmp_path / "model") == ["README.md", "characters.json", "config.json", "model.safetensors"]
    weights = load_model(tmp_path / "model").state()
    assert all(torch.equal(weights[name], tensor) for name, tensor in recogniser(seed=1).state().items())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "characters.json"])
@pytest.mark.parametrize("content", [None, *ODDITIES, pickle.dumps({"weight": 1})], ids=repr)
def test_a_missing_or_damaged_part_is_named(tmp_path, name, content):
    save_model(tmp_path, recogniser(), readme="")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    if (name, content) == ("config.json", b"{}"):
        name = "model.safetensors"  # the settings are whole, and all at their defaults: the weights do not fit them
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message and "\n" not in message
    assert name in message or "tokenizer" in message


def test_weights_that_were_cut_off_are_refused(tmp_path):
    save_model(tmp_path, recogniser(), readme="")
    whole = (tmp_path / "model.safetensors").read_bytes()
    for length in (7, 100, len(whole) - 1):
        (tmp_path / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model.safetensors: cannot be used"):
            load_model(tmp_path)


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (recogniser(CharacterTokenizer(" abcd")), "size mismatch for output"),
        (recogniser(hidden=7), "size mismatch for"),
        (recogniser(layers=2), "layers.1"),
    ],
    ids=["tokens", "hidden", "layers"],
)
def test_parts_of_two_models_are_refused_and_the_tensor_is_named(tmp_path, other, fault):
    save_model(tmp_path, recogniser(), readme="")
    safetensors.torch.save_file(other.state(), tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert "model.safetensors: cannot be used" in str(caught.value) and fault in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acoustic": {"hiden": 3}}, "no such field: acoustic.hiden; did you mean acoustic.hidden?"),
        ({"acoustic": {"layers": "two"}}, "acoustic.layers cannot be 'two'"),
        ({"features": {"num_mels": 3}}, "features.num_mels must lie in [8, 128], got 3"),
        ({"lexicon": {}}, "no such field: lexicon"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path, change, message):
    save_model(tmp_path, recogniser(), readme="")
    (tmp_path / "config.json").write_text(json.dumps(change))
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert "config.json" in str(caught.value) and message in str(caught.value)


def test_a_checkpoint_whose_parts_are_larger_than_the_file_is_refused(tmp_path):
    save_checkpoint(tmp_path / "last.pt", {"weights": torch.zeros(1 << 20)})
    assert load_checkpoint(tmp_path / "last.pt")["weights"].shape == (1 << 20,)
    with zipfile.ZipFile(tmp_path / "last.pt") as whole, zipfile.ZipFile(tmp_path / "packed.pt", "w", 8) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert (tmp_path / "packed.pt").stat().st_size < 100_000
    with pytest.raises(ModelError, match=r"packed.pt: .*its parts are larger than the file"):
        load_checkpoint(tmp_path / "packed.pt")


def test_settings_are_json_that_a_person_can_read(tmp_path):
    made = recogniser(intermediate=(1,), layers=2)
    save_model(tmp_path, made, readme="")
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["acoustic"]["intermediate"] == [1] and values["features"]["num_mels"] == 16
    assert AcousticConfig(**{**values["acoustic"], "intermediate": (1,)}) == made.config.acoustic
    assert FeatureConfig(**values["features"]) == made.config.features


@pytest.mark.parametrize("write", ["write_text", "write_bytes"])
def test_a_full_disk_leaves_the_old_model_usable(tmp_path, monkeypatch, write):
    save_model(tmp_path, recogniser(seed=0), readme="old")
    with monkeypatch.context() as patch, pytest.raises(AsrError, match="No space left on device"):
        patch.setattr(Path, write, full_disk)
        save_model(tmp_path, recogniser(seed=1), readme="new")
    weights = load_model(tmp_path).state()
    assert all(torch.equal(weights[name], tensor) for name, tensor in recogniser(seed=0).state().items())
    assert names(tmp_path) == ["README.md", "characters.json", "config.json", "model.safetensors"]


# ---- checkpoints


def test_a_checkpoint_gives_back_tensors_and_plain_values(tmp_path):
    state = {
        "weights": {"a": torch.randn(3, 4), "b": torch.arange(5)},
        "position": {"epoch": 3, "wer": 0.25, "best": float("inf"), "name": "é", "finished": False, "none": None},
        "steps": [1, (2, 3)],
    }
    save_checkpoint(tmp_path / "checkpoints" / "last.pt", state)
    loaded = load_checkpoint(tmp_path / "checkpoints" / "last.pt")
    for name, tensor in state["weights"].items():
        assert torch.equal(loaded["weights"][name], tensor) and loaded["weights"][name].dtype == tensor.dtype
    assert (loaded["position"], loaded["steps"]) == (state["position"], state["steps"])
    assert names(tmp_path / "checkpoints") == ["last.pt"]


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(AsrError, match=r"last.pt: cannot be written \(No space left on device\)"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1} and names(tmp_path) == ["last.pt"]


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize(
    "write",
    [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, protocol=2))],
    ids=["torch", "pickle"],
)
def test_code_in_a_checkpoint_does_not_run(tmp_path, write):
    path, trace = tmp_path / "last.pt", tmp_path / "trace"
    write({"step": 1, "trap": Payload(trace)}, path)
    with pytest.raises(ModelError, match=r"last.pt: not a checkpoint that can be read"):
        load_checkpoint(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()  # it would have


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.randn(100)})
    whole = path.read_bytes()
    for content in [*ODDITIES, whole[: len(whole) // 2], whole[:-1], whole[1:]]:
        path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load_checkpoint(path)
        assert str(caught.value).startswith(f"{path}: not a checkpoint") and "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(ModelError, match=r"last.pt: not a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("version", [None, 1, 3])
def test_a_model_of_other_features_is_refused(tmp_path, version):
    """Its shape fits, so else it would go on and understand nothing."""
    save_model(tmp_path, recogniser(), readme="")
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    del weights["features.front_end"]
    if version is not None:
        weights["features.front_end"] = torch.tensor(version)
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="features of another version of the program; train it again"):
        load_model(tmp_path)
