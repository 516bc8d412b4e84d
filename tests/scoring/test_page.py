import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.media import write_media

from asr.audio.reader import Recording
from asr.errors import DataError
from asr.scoring.assess import ScoreOptions, assess
from asr.scoring.page import write_page
from asr.scoring.transcripts import Clip, TranscriptEntry


class Page(HTMLParser):
    """Every tag with its attributes, the text outside scripts, and the data inside."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._inside, self.raw = [], "", "", ""
        self.feed(text)
        self.data = json.loads(self.raw)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = dict(attributes).get("id", tag)

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "data":
            self.raw += data
        elif self._inside not in ("script", "style"):
            self.text += data


def rendered(folder, references, systems, **options):
    path = folder / "page.html"
    write_page(path, "<b>test</b> & co", assess(references, systems, ScoreOptions(html=path, samples=20, **options)))
    return path.read_text(encoding="utf-8")


NASTY = "</script><script>alert(1)</script>"


@pytest.fixture
def references():
    return {
        "u1": TranscriptEntry("u1", "one two three", {"speaker": "ann", "room": "<i>hall</i>"}),
        "u2": TranscriptEntry("u2", f"four {NASTY}", {"speaker": "bob"}),
        "u3": TranscriptEntry("u3", "שלום עולם", {"speaker": "bob"}),
    }


def test_the_page_says_every_figure_without_its_script(tmp_path, references):
    hypotheses = {"u1": "one too three", "u2": "four", "u4": "?"}
    page = Page(rendered(tmp_path, references, {"sys": hypotheses}, by=("speaker",)))
    text = " ".join(page.text.split())
    assert "57.14 %" in text  # 4 errors in 7 words
    assert "3 utterances, 7 words" in text
    assert "1 without a hypothesis, counted as deleted" in text and "1 without a reference, not counted" in text
    assert "By speaker" in text and "not normalised" in text and "Confused words" in text


def test_the_page_needs_nothing_else(tmp_path, references):
    text = rendered(tmp_path, references, {"sys": {"u1": "one"}})
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "img", "iframe")
        assert "src" not in attributes and "href" not in attributes
    assert not re.search(r"https?:|@import|url\(", text)


def test_whatever_is_shown_is_escaped(tmp_path, references):
    hypotheses = {"u1": "one <img onerror=x> three", "u2": NASTY, "<u>": "x"}
    text = rendered(tmp_path, references, {"<sys>": hypotheses, "other": hypotheses}, by=("room",))
    page = Page(text)
    assert "<b>test</b> & co" in page.text and "<i>hall</i>" in page.text and "<sys>" in page.text
    assert [tag for tag, _ in page.tags if tag in ("i", "b", "img", "u")] == ["i", "b"] * text.count('class="track"')
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 2
    assert text.count("</script>") == 2


def test_the_data_hold_every_utterance_with_its_alignments(tmp_path, references):
    data = Page(rendered(tmp_path, references, {"A": {"u1": "one too three"}, "B": {"u2": "four"}})).data
    assert data["systems"] == ["A", "B"]
    assert [utterance["id"] for utterance in data["utterances"]] == ["u1", "u2", "u3"]
    first, second = data["utterances"][0]["results"]
    assert first == {
        "errors": 1,
        "words": 3,
        "missing": False,
        "alignment": [["", "one", "one"], ["S", "two", "too"], ["", "three", "three"]],
    }
    assert (second["missing"], second["errors"]) == (True, 3)
    assert data["utterances"][2]["results"][0]["alignment"] == [["D", "שלום", ""], ["D", "עולם", ""]]


def test_recordings_are_linked_where_a_browser_plays_them(tmp_path):
    tone = np.sin(np.arange(16000) / 5).astype(np.float32)
    for name in ("a b.wav", "c.au"):
        soundfile.write(tmp_path / name, tone, 16000)
    clips = {
        "wav": Clip(tmp_path / "a b.wav", 0.25, 0.5),
        "au": Clip(tmp_path / "c.au"),
        "gone": Clip(tmp_path / "d.wav"),
    }
    references = {id: TranscriptEntry(id, "x", audio=clip) for id, clip in clips.items()} | {
        "none": TranscriptEntry("none", "x")
    }
    linked = Page(rendered(tmp_path, references, {"s": {"wav": "x"}})).data["utterances"]
    audio = {utterance["id"]: utterance["audio"] for utterance in linked}
    assert audio["wav"] == f"file://{tmp_path}/a%20b.wav#t=0.25,0.75"
    assert (audio["au"], audio["gone"], audio["none"]) == (None, None, None)
    embedded = Page(rendered(tmp_path, references, {"s": {"wav": "x"}}, embed_audio=True)).data["utterances"]
    audio = {utterance["id"]: utterance["audio"] for utterance in embedded}
    assert (audio["gone"], audio["none"]) == (None, None)
    for id, seconds in (("wav", 0.5), ("au", 1.0)):
        head, content = audio[id].split(",")
        assert head == "data:audio/mpeg;base64"
        waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate == 16000
        assert len(waveform) / rate == pytest.approx(seconds, abs=0.15)


def test_a_perfect_system_and_silence_have_a_page_too(tmp_path):
    references = {"u": TranscriptEntry("u", ""), "v": TranscriptEntry("v", "")}
    assert "∞" in Page(rendered(tmp_path, references, {"s": {"u": "uh"}})).text
    assert "0.00 %" in Page(rendered(tmp_path, references, {"s": {"u": "", "v": ""}})).text


def test_a_media_file_is_decoded_once_for_all_its_clips(tmp_path, monkeypatch):
    """Such a file cannot be sought.

    To read each clip by itself would decode the file as often as it has clips.
    """
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, 3 * 16_000).astype(np.float32)
    for name in ("a.m4a", "b.mp4"):
        write_media(tmp_path / name, sound, 16_000, "aac")
    soundfile.write(tmp_path / "c.wav", sound, 16_000)
    decoded = []
    blocks = Recording.blocks

    def counted(recording, seconds=10.0, *, start=0.0, **options):
        decoded.append((Path(recording.name).name, start))
        return blocks(recording, seconds, start=start, **options)

    monkeypatch.setattr(Recording, "blocks", counted)
    clips = [
        Clip(tmp_path / name, start, 0.5 + start) for start in (0.0, 1.0, 2.0) for name in ("a.m4a", "b.mp4", "c.wav")
    ]
    references = {f"u{n}": TranscriptEntry(f"u{n}", "x", audio=clip) for n, clip in enumerate(clips)}
    shown = Page(rendered(tmp_path, references, {"s": {"u0": "x"}}, embed_audio=True)).data["utterances"]
    assert sorted(decoded) == [("a.m4a", 0.0), ("b.mp4", 0.0), ("c.wav", 0.0), ("c.wav", 1.0), ("c.wav", 2.0)]
    for utterance, clip in zip(shown, clips, strict=True):
        waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(utterance["audio"].split(",")[1])))
        expected = min(clip.duration, 3.0 - clip.start)
        assert len(waveform) / rate == pytest.approx(expected, abs=0.15)
    beyond = {"u": TranscriptEntry("u", "x", audio=Clip(tmp_path / "a.m4a", 4.0))}
    with pytest.raises(DataError, match=r"a.m4a: holds no samples from 4 s on"):
        rendered(tmp_path, beyond, {"s": {"u": "x"}}, embed_audio=True)
