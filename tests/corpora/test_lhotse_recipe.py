"""lhotse's own recipes, by name; a recipe made up here stands for its hundred."""

import pytest
from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet, recipes
from lhotse.audio import AudioSource

from asr.corpora.lhotse_recipe import read
from asr.errors import ConfigError, DataError


def manifests(prefix, count=4, kind="file"):
    names = [f"{prefix}{n}" for n in range(count)]
    return {
        "recordings": RecordingSet.from_recordings(
            Recording(name, [AudioSource(kind, [0, 1], f"/far/{name}.wav")], 8000, 16000, 2.0) for name in names
        ),
        "supervisions": SupervisionSet.from_segments(
            SupervisionSegment(name, name, 0.5, 1.0, 1, text=f"text {name}", language="en", speaker="ann")
            for name in names
        ),
    }


def install(monkeypatch, result):
    monkeypatch.setattr(recipes, "prepare_madeup", lambda corpus_dir, output_dir=None: result, raising=False)


def ids(splits):
    return [sorted(u.id for u in part) for part in (splits.train, splits.dev, splits.test)]


def test_a_supervision_becomes_an_utterance(monkeypatch, tmp_path):
    install(monkeypatch, {"train": manifests("a", 1), "dev": manifests("b", 1), "test": manifests("c", 1)})
    [utterance] = read("madeup", tmp_path).train
    assert (utterance.id, utterance.text, utterance.speaker, utterance.language) == ("a0", "text a0", "ann", "en")
    assert (utterance.start, utterance.duration, utterance.channel) == (0.5, 1.0, 1)
    assert str(utterance.audio) == "/far/a0.wav"


def test_splits_are_told_by_name_at_any_depth(monkeypatch, tmp_path):
    result = {
        "cy": {"train_clean": manifests("a"), "validation": manifests("b")},
        "eval": manifests("c"),
        "spare": manifests("d"),
    }
    install(monkeypatch, result)
    splits = read("madeup", tmp_path)
    assert [names[0][0] for names in ids(splits)] == ["a", "b", "c"]
    assert splits.notes == ("the recipe's part /spare is left out: its name does not tell its split",)


@pytest.mark.parametrize("as_pair", [True, False])
def test_a_recipe_without_splits_is_parted_as_a_whole(monkeypatch, tmp_path, as_pair):
    flat = manifests("a", 20)
    install(monkeypatch, (flat["recordings"], flat["supervisions"]) if as_pair else flat)
    assert [len(part) for part in ids(read("madeup", tmp_path))] == [16, 2, 2]


def test_recordings_that_are_not_one_file_are_problems(monkeypatch, tmp_path):
    install(monkeypatch, manifests("a", 1, kind="command"))
    splits = read("madeup", tmp_path)
    assert ids(splits) == [[], [], []] and splits.problems[0].where == "lhotse:madeup: a0"


def test_a_misspelled_recipe_is_met_with_its_neighbours(tmp_path):
    with pytest.raises(ConfigError, match="ljspeech"):
        read("ljspech", tmp_path)


def test_recipes_that_need_more_or_fail_say_so_in_a_line(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="transcripts_dir"):
        read("broadcast_news", tmp_path)
    with pytest.raises(DataError, match="cannot read it"):
        read("ljspeech", tmp_path / "nowhere")
