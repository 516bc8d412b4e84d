"""Files that other programs read: each one read back by a library of its kind."""

import io
import json
import re
from pathlib import Path

import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid
from rich.cells import cell_len
from support.tiny import unhurried

from asr.errors import ConfigError
from asr.text.formats import FORMATS, destinations, render_timed_text, write_timed_text
from asr.text.subtitles import GAP, LINE, LONGEST, SHORTEST, SPEED, subtitles
from asr.text.timed import Segment, TimedText, Token, Word

texts = st.text(alphabet="abcdefghij&<>\"'.,?-é字ر", min_size=1, max_size=60).filter(lambda t: t.strip("-><"))


@st.composite
def timed(draw) -> TimedText:
    """Words of 50 ms to 1.5 s, often with a pause before them, up to 5 s."""
    words, at = [], 0.0
    for text in draw(st.lists(texts, max_size=40)):
        start = at + draw(st.sampled_from([0.0, 0.0, 0.1, 0.6, 5.0]))
        at = start + draw(st.floats(0.05, 1.5))
        token = Token(text[0], start, at, 0.5)
        words.append(Word(text, start, at, draw(st.floats(0, 1)), (token,)))
    parts = (tuple(words[:7]), tuple(words[7:]))
    return TimedText(tuple(Segment(part, 0.5) for part in parts if part), at + draw(st.floats(0.01, 3)), 0.25)


def plain(lines) -> str:
    return "".join("".join(lines).split())


@unhurried
@given(timed())
def test_subtitles_keep_to_their_limits(text):
    shown = list(subtitles(text))
    assert plain(line for cue in shown for line in cue.lines) == plain(word.text for word in text.words)
    starts = [word.start for word in text.words]
    for cue, after in zip(shown, [*shown[1:], None], strict=False):
        assert 1 <= len(cue.lines) <= 2 and all(0 < cell_len(line) <= LINE for line in cue.lines)
        length = cue.end - cue.start
        assert 0 < length <= LONGEST + 1e-9
        whole = [word for word in text.words if cell_len(word.text) <= LINE]
        said = [word for word in whole if cue.start <= word.start and (not after or word.start < after.start)]
        assert len(said) <= 1 or cue.end >= said[-1].end - 1e-9  # no word ends after its cue
        until = after.start if after else text.duration + GAP
        assert cue.end <= until or not after
        width = cell_len(" ".join(cue.lines))
        hurried = length < min(LONGEST, max(SHORTEST, width / SPEED)) - 1e-9
        assert not hurried or cue.end >= until - GAP - 1e-9  # it stays until the next one comes
    assert [cue.start for cue in shown] == sorted(cue.start for cue in shown)
    assert {cue.start for cue in shown if cue.start in starts} or not starts


@pytest.mark.parametrize(("goes", "expected"), [("goes", ["so it goes and on"]), ("goes.", ["so it goes.", "and on"])])
def test_a_pause_and_the_end_of_a_sentence_part_subtitles(goes, expected):
    said = [("so", 0.0), ("it", 0.3), (goes, 0.6), ("and", 1.1), ("on", 1.4), ("later", 4.0), ("too", 4.4)]
    words = tuple(Word(text, start, start + 0.3, 1.0) for text, start in said)
    found = list(subtitles(TimedText((Segment(words, 1.0),), 6.0, 1.0)))
    assert [cue.lines for cue in found] == [*((line,) for line in expected), ("later too",)]
    assert (found[-1].start, found[-1].end) == (4.0, pytest.approx(4.0 + SHORTEST))


def test_long_text_is_set_in_two_lines_of_like_length():
    words = tuple(Word("word", n / 2, n / 2 + 0.5, 1.0) for n in range(12))
    (cue,) = subtitles(TimedText((Segment(words, 1.0),), 7.0, 1.0))
    assert cue.lines == ("word word word word word word",) * 2


@unhurried
@given(timed())
def test_srt_is_read_back(text):
    content, shown = render_timed_text(text, "srt", "a"), list(subtitles(text))
    found = list(srt.parse(content))
    assert [cue.content.split("\n") for cue in found] == [list(cue.lines) for cue in shown]
    assert [cue.index for cue in found] == list(range(1, len(shown) + 1))
    for read, cue in zip(found, shown, strict=True):
        assert read.start.total_seconds() == pytest.approx(cue.start, abs=6e-4)
        assert read.end.total_seconds() == pytest.approx(cue.end, abs=6e-4)


@unhurried
@given(timed())
def test_webvtt_is_read_back(text):
    shown = list(subtitles(text))
    found = webvtt.from_string(render_timed_text(text, "vtt", "a"))
    unescaped = [cue.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for cue in found]
    assert [cue.split("\n") for cue in unescaped] == [list(cue.lines) for cue in shown]
    for read, cue in zip(found, shown, strict=True):
        assert read.start_in_seconds == pytest.approx(cue.start, abs=1)
        assert [read.start, read.end] == [clock(cue.start), clock(cue.end)]


def clock(seconds: float) -> str:
    whole, rest = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{rest:03}"


@unhurried
@given(timed())
def test_a_textgrid_is_read_back(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "a.TextGrid"
    write_timed_text(text, "TextGrid", path)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.tierNames == ("words", "tokens")
    for tier, parts in (("words", text.words), ("tokens", [t for word in text.words for t in word.tokens])):
        found = grid.getTier(tier).entries
        assert [entry.label for entry in found] == [part.text for part in parts]
        for entry, part in zip(found, parts, strict=True):
            assert (entry.start, entry.end) == pytest.approx((part.start, part.end), abs=2e-6)
    assert grid.maxTimestamp == pytest.approx(text.duration, abs=1e-6)


@unhurried
@given(timed())
def test_json_has_whispers_fields(text):
    found = json.loads(render_timed_text(text, "json", "a"))
    assert found["text"] == text.text and "language" not in found
    assert [segment["id"] for segment in found["segments"]] == list(range(len(text.segments)))
    for described, segment in zip(found["segments"], text.segments, strict=True):
        assert described["text"] == segment.text
        assert (described["start"], described["end"]) == pytest.approx((segment.start, segment.end), abs=6e-4)
        assert [word["word"] for word in described["words"]] == [word.text for word in segment.words]
        assert all(word.keys() >= {"start", "end", "probability"} for word in described["words"])


EXAMPLE = TimedText(
    (
        Segment((Word("good", 0.12, 0.5, 0.9), Word("day", 0.5, 0.75, 0.8)), 0.7),
        Segment((Word("sir", 3661.0, 3661.5, 0.25),), 0.2),
    ),
    3662.0,
    0.14,
    "en",
)


def test_forms_letter_by_letter():
    assert render_timed_text(EXAMPLE, "txt", "a") == "good day\nsir\n"
    assert render_timed_text(EXAMPLE, "tsv", "a") == "start\tend\ttext\n120\t750\tgood day\n3661000\t3661500\tsir\n"
    assert render_timed_text(EXAMPLE, "ctm", "my talk") == (
        "my_talk 1 0.120 0.380 good 0.900\nmy_talk 1 0.500 0.250 day 0.800\nmy_talk 1 3661.000 0.500 sir 0.250\n"
    )
    assert render_timed_text(EXAMPLE, "srt", "a").startswith(
        "1\n00:00:00,120 --> 00:00:00,953\ngood day\n\n2\n01:01:01,000 --> "
    )
    assert json.loads(render_timed_text(EXAMPLE, "json", "a"))["language"] == "en"
    tagged = TimedText((Segment((Word("<i>&", 0.0, 1.0, 1.0),), 1.0),), 1.0, 1.0)
    assert render_timed_text(tagged, "vtt", "a") == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n&lt;i&gt;&amp;\n\n"


def test_a_subtitle_leaves_before_the_next_one_comes():
    words = tuple(Word("yes" * 14, start, start + 0.4, 1.0) for start in (0.0, 0.4, 3.0, 3.4))
    first, second = subtitles(TimedText((Segment(words, 1.0),), 9.0, 1.0))
    assert (first.end, second.start) == (pytest.approx(3.0 - GAP), 3.0)


@pytest.mark.parametrize("form", FORMATS)
def test_a_recording_without_words_has_a_file_too(form, tmp_path):
    write_timed_text(TimedText((), 2.0, 0.9), form, tmp_path / "a")
    content = (tmp_path / "a").read_text()
    assert not re.search("[0-9]:[0-9]", content)
    assert bool(content) == (form not in ("txt", "srt", "ctm"))
    assert form != "vtt" or len(webvtt.read_buffer(io.StringIO(content))) == 0


def test_files_have_the_names_of_their_recordings(tmp_path):
    stems = [tmp_path / "a.b", tmp_path / "c"]
    found = destinations(stems, ["srt", "TextGrid"], None)
    assert found[stems[0]] == {"srt": tmp_path / "a.b.srt", "TextGrid": tmp_path / "a.b.TextGrid"}
    assert destinations([Path("b/c")], ["srt"], Path("o")) == {Path("b/c"): {"srt": Path("o/b/c.srt")}}


def test_two_recordings_never_share_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r"two recordings would be written to .*o.a\.srt"):
        destinations([Path("a"), Path("a")], ["srt"], tmp_path / "o")
    with pytest.raises(ConfigError, match="two recordings"):
        destinations([tmp_path / "a", tmp_path / "a"], ["srt"], None)


def test_a_transcript_beside_its_recording_is_not_overwritten(tmp_path):
    (tmp_path / "a.txt").write_text("what was really said")
    with pytest.raises(ConfigError, match=r"a\.txt exists and may be a transcript"):
        destinations([tmp_path / "a"], ["txt"], None)
    assert destinations([Path("a")], ["txt"], tmp_path)
    assert destinations([tmp_path / "a"], ["txt"], None, again=True)
