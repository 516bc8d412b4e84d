import json

import pytest

from asr.errors import ConfigError, DataError
from asr.scoring.assess import ScoreOptions, assess, read_test_set
from asr.scoring.transcripts import TranscriptEntry


def written(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def utterances(**texts):
    return {id: TranscriptEntry(id, text, {"speaker": id[0], "snr": 3}) for id, text in texts.items()}


REFERENCES = utterances(a1="The cat", a2="sat", b1="on a mat", b2="today")


def test_one_systems_json_has_exactly_the_documented_fields():
    hypotheses = {"a1": "the cat", "a2": "sat", "b1": "on mat", "x": "y"}
    data = assess(REFERENCES, {"h": hypotheses}, ScoreOptions(by=("speaker",))).to_json()
    assert list(data) == [
        *("wer", "cer", "mer", "wil", "ser"),
        *("substitutions", "deletions", "insertions", "reference_words", "utterances", "missing", "extra"),
        *("speakers", "by", "normalisation", "alternatives", "costs"),
    ]
    assert (data["missing"], data["extra"], data["normalisation"]) == (["b2"], ["x"], "none")
    assert data["speakers"].keys() == {"number", "wer", "cer", "mer", "wil", "ser"}
    assert [part["group"] for part in data["by"]["speaker"]] == ["a", "b"]
    assert [part["wer"]["value"] for part in data["by"]["speaker"]] == [1 / 3, 2 / 4]
    json.dumps(data, allow_nan=False)


def test_several_systems_are_listed_and_compared():
    data = assess(REFERENCES, {"h": {"a1": "The cat"}, "g": {"a1": "the"}}, ScoreOptions()).to_json()
    assert [system["name"] for system in data["systems"]] == ["h", "g"]
    assert [(c["first"], c["second"]) for c in data["comparisons"]] == [("h", "g")]
    assert data["comparisons"][0]["difference"]["value"] == pytest.approx(2 / 7)
    json.dumps(data, allow_nan=False)


def test_normalisation_is_a_choice_that_is_stated():
    hypotheses = {"a1": "the, CAT!", "a2": "sat", "b1": "on a mat", "b2": "today"}
    plain = assess(REFERENCES, {"h": hypotheses}, ScoreOptions())
    basic = assess(REFERENCES, {"h": hypotheses}, ScoreOptions(normalise="basic"))
    assert (plain.systems[0].score.words.errors, basic.systems[0].score.words.errors) == (2, 0)
    assert "not normalised" in plain.conditions and "basic" in basic.conditions


def test_alternatives_are_read_on_request_only_and_per_system():
    references = utterances(a1="my {colour / color} (uh) tv", b1="b")
    hypotheses = {"us": {"a1": "my color tv", "b1": "b"}, "uk": {"a1": "my colour uh tv", "b1": "b"}}
    read = assess(references, hypotheses, ScoreOptions(alternatives=True))
    assert [system.score.words.errors for system in read.systems] == [0, 0]
    assert [system.score.words.reference_length for system in read.systems] == [4, 5]
    (comparison,) = read.comparisons
    assert (comparison.difference.value, comparison.mapsswe.segments) == (0, 0)
    assert [system.score.words.errors for system in assess(references, hypotheses, ScoreOptions()).systems] == [4, 4]


def test_the_difference_is_that_of_the_two_rates_though_readings_differ():
    references = utterances(a1="my {colour / color} (uh) tv", b1="b c")
    hypotheses = {"us": {"a1": "my color tv", "b1": "x x"}, "uk": {"a1": "my colour uh tv", "b1": "b x"}}
    read = assess(references, hypotheses, ScoreOptions(alternatives=True))
    us, uk = (system.score.wer.value for system in read.systems)
    assert (us, uk) == (2 / 5, 1 / 6)
    assert read.comparisons[0].difference.value == pytest.approx(uk - us)
    assert read.comparisons[0].mapsswe.segments == 1


def test_a_field_that_nobody_has_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="--by room: no utterance has it; there is snr, speaker"):
        assess(REFERENCES, {"h": {"a1": "x"}}, ScoreOptions(by=("room",)))


# Files


def test_hypotheses_are_called_by_what_tells_their_files_apart(tmp_path):
    reference = written(tmp_path, "ref.txt", "u a\n")
    one, two = (written(tmp_path, name, "u a\n") for name in ("one.txt", "two.txt"))
    assert list(read_test_set(reference, [one, two])[1]) == ["one.txt", "two.txt"]
    old, new = (written(tmp_path, name, "u a\n") for name in ("old/test.txt", "new/test.txt"))
    assert list(read_test_set(reference, [old, new])[1]) == ["old", "new"]
    assert list(read_test_set(reference, [old, new, one])[1]) == ["old/test.txt", "new/test.txt", "one.txt"]


def test_lines_are_paired_by_number_on_request_only(tmp_path):
    reference, hypotheses = written(tmp_path, "r", "a\n\nb c\n"), written(tmp_path, "h", "a\nx\nb c\n")
    references, systems = read_test_set(reference, [hypotheses], plain=True)
    assert assess(references, systems, ScoreOptions()).systems[0].score.words.insertions == 1
    shorter = written(tmp_path, "short", "a\nx\n")
    with pytest.raises(DataError, match=r"short has 2 lines, .*r 3: lines cannot be paired"):
        read_test_set(reference, [shorter], plain=True)


def test_a_ctm_is_read_by_the_segments_of_an_stm(tmp_path):
    reference = written(tmp_path, "r.stm", "c A ann 0 1 one\nc A bob 1 2 two\n")
    references, systems = read_test_set(reference, [written(tmp_path, "h.ctm", "c A 0.1 0.2 one\nc A 1.1 0.2 too\n")])
    assert systems == {"h.ctm": {"c-A-0.00-1.00": "one", "c-A-1.00-2.00": "too"}}
    assert assess(references, systems, ScoreOptions(by=("speaker",))).systems[0].speakers.number == 2


STM = "c A ann 0 1 one two\nc A ann 1 2 <o> ignore_time_segment_in_scoring\nc A bob 3 4 three\n"
CTM = "C a 0.1 0.1 one\nC a 0.6 0.1 two\nC a 1.5 0.1 ignored\nC a 2.4 0.1 ghost\nC a 3.1 0.1 three\n"


@pytest.mark.parametrize("costs", ["unit", "sclite"])
def test_words_that_are_invented_in_silence_count(tmp_path, costs):
    reference, system = written(tmp_path, "r.stm", STM), written(tmp_path, "h.ctm", CTM)
    silent = written(tmp_path, "good.ctm", CTM.replace("C a 2.4 0.1 ghost\n", ""))
    references, systems = read_test_set(reference, [system, silent], costs=costs)
    found = assess(references, systems, ScoreOptions(costs=costs, samples=10))
    words = [system.score.words for system in found.systems]
    assert [(w.hits, w.errors, w.insertions) for w in words] == [(3, 1, 1), (3, 0, 0)]
    assert not any(system.score.extra or system.score.missing for system in found.systems)
    ids = [utterance.id for utterance in found.systems[0].score.utterances]
    assert ("C-a-outside segments" in ids) == (costs == "unit")


def test_ids_pair_whatever_their_letter_case(tmp_path):
    reference = written(tmp_path, "r.trn", "one (Spk-A)\ntwo (spk-b)\n")
    _, systems = read_test_set(reference, [written(tmp_path, "h.trn", "one (SPK-a)\ntoo (spk-b)\n")])
    assert systems == {"h.trn": {"Spk-A": "one", "spk-b": "too"}}
    twins = written(tmp_path, "t.trn", "one (a)\ntwo (A)\n")
    assert read_test_set(twins, [written(tmp_path, "h2.trn", "two (A)\n")])[1] == {"h2.trn": {"A": "two"}}


def test_alternatives_of_a_hypothesis_are_read_too(tmp_path):
    lines = ["* * <ALT_BEGIN>", "0.1 0.2 um", "* * <ALT>", "0.1 0.2 uh", "* * <ALT_END>", "0.9 0.1 b"]
    system = written(tmp_path, "h.ctm", "".join(f"c A {line}\n" for line in lines))
    references, systems = read_test_set(written(tmp_path, "r.stm", "c A s 0 2 uh b\n"), [system])
    for costs in ("unit", "sclite"):
        found = assess(references, systems, ScoreOptions(alternatives=True, costs=costs, samples=10))
        assert found.systems[0].score.words.errors == 0 and found.systems[0].score.words.hits == 2


def hints(references, hypotheses, **options):
    entries = {id: TranscriptEntry(id, text) for id, text in references.items()}
    return assess(entries, {"s": hypotheses}, ScoreOptions(samples=10, **options)).hints


def test_what_looks_like_a_mistake_is_hinted_at():
    plain = {"the": "cat sat on the mat", "sat": "down", "cat": "and the dog"}
    [hint] = hints(plain, plain)
    assert "ids look like words" in hint and "--plain" in hint
    braces = {"u1": "a {b / c}"}
    [hint] = hints(braces, {"u1": "a b"})
    assert "--alternatives" in hint
    assert hints(braces, {"u1": "a b"}, alternatives=True) == ()
    composed, apart = {"u1": "caf\u00e9 x"}, {"u1": "cafe\u0301 y"}
    [hint] = hints(composed, apart)
    assert hint.startswith("1 words count as wrong that differ only in their Unicode form") and "U+00E9" in hint
    assert hints(composed, apart, normalise="basic") == ()
    assert hints({"ann-1": "one", "ann-2": "two", "bob": "three"}, {"ann-1": "on"}) == ()


def test_details_add_what_the_references_do_not_say(tmp_path):
    reference, hypotheses = written(tmp_path, "r.txt", "u1 a\nu2 b\n"), written(tmp_path, "h.txt", "u1 a\nu2 c\n")
    references, _ = read_test_set(reference, [hypotheses], details=written(tmp_path, "utt2spk", "u1 ann\nu9 eve\n"))
    assert [dict(utterance.fields) for utterance in references.values()] == [{"speaker": "ann"}, {}]


def test_no_hypotheses_or_one_twice_is_a_mistake(tmp_path):
    reference = written(tmp_path, "r.txt", "u a\n")
    for hypotheses in ([], [reference, reference]):
        with pytest.raises(ConfigError, match="one or more files of hypotheses"):
            read_test_set(reference, hypotheses)
