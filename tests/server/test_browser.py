"""The page in a real browser, with tiny models."""

import contextlib
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.browser import MISSING, browser
from support.talkative import sound
from support.tiny import RATE, noise, recogniser

pytest.importorskip("fastapi")
pytest.importorskip("websockets")
pytest.importorskip("uvicorn")

from support.serving import serving

from asr.recogniser.model_folder import save_model
from asr.server.app import create_app
from asr.server.learning import Change, Learnt, Rate
from asr.server.lessons import Lessons
from asr.server.service import Service
from asr.server.settings import ServeConfig
from asr.text.tokenizer import CharacterTokenizer
from asr.transcription.transcribe import Transcriber

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

SENTENCES = [f"{letter}{letter}" for letter in "abcdefghijkl"]


def talkative(letters=" abc"):
    """A model that finds several words in every sound."""
    made, waveform = recogniser(CharacterTokenizer(letters), seed=5), torch.from_numpy(sound(2.0))
    with torch.no_grad():
        log_probs = made.emissions(waveform[None], torch.tensor([len(waveform)])).log_probs
        made.acoustic.output.bias -= log_probs[0].mean(dim=0)
    return made


def heard():
    """What the microphone hears: quiet, a short sound, and quiet."""
    return np.concatenate([noise(RATE // 5, level=0.0005), sound(0.5), noise(RATE * 8 // 5, level=0.0005)])


def stubbed(recordings, model, out, tell, stopped):
    """Learn in no time: the model is the old one."""
    tell(0.5, "epoch 3")
    stopped.wait(0.3)
    save_model(out, TINY, readme="")
    return Learnt(Change(Rate(0.5, 0.4, 0.6), Rate(0.25, 0.2, 0.4), 12), None, 0.75)


TINY = talkative()
TRANSCRIBER = Transcriber(TINY, min_confidence=0.0)


@contextlib.contextmanager
def site_of(folder, models=None, *, tokens=(), learn=stubbed, **limits):
    """A server, and where its page is."""
    service = Service(models or {"tiny": TRANSCRIBER}, ServeConfig(**limits), 2)
    lessons = Lessons(service, dict.fromkeys(service.models, folder / "base"), folder / "lessons", learn)
    app = create_app(service, tokens=tokens, lessons=lessons)
    with serving(app) as url:
        yield f"{url}/"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    soundfile.write(folder / "heard.wav", heard(), RATE)
    with browser(folder, folder / "heard.wav") as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    rtl = Transcriber(talkative(" אבג"), min_confidence=0.0)
    with site_of(tmp_path_factory.mktemp("site"), {"tiny": TRANSCRIBER, "hebrew": rtl}) as url:
        yield url


@pytest.fixture
def tab(chromium, site):
    with chromium.tab(site) as opened:
        yield opened
        assert opened.complaints == []


def recording(folder, waveform, name="a b.wav"):
    soundfile.write(folder / name, waveform, RATE)
    return folder / name


DONE = r"/ in \d+ |No speech|None of/.test(document.getElementById('status').innerText)"
SHOWN = "document.querySelectorAll('#text .word')"


def read(tab, file):
    """Choose a file, and wait for its text."""
    tab.ask("document.getElementById('status').textContent = ''")
    tab.choose("#file", file)
    tab.wait(DONE)
    return tab.text("#text").split()


def words():
    return [word for segment in TRANSCRIBER.transcribe(sound(2.0), RATE).segments for word in segment.words]


SAVE = """
URL.createObjectURL = blob => { window.saved = blob.text(); return "data:,"; };
HTMLAnchorElement.prototype.click = function() { window.file = this.download; };
"""


def test_a_file_becomes_words_a_picture_and_files(tab, tmp_path):
    assert read(tab, recording(tmp_path, sound(2.0))) == [word.text for word in words()]
    tab.wait("canvas.width > 0 && table.rows.length > 1")
    assert tab.text("#name") == "a b.wav"
    tab.ask(SAVE)
    tab.click("#downloads button", "srt")
    assert tab.wait("window.saved").startswith("1\n00:00:0") and tab.ask("window.file") == "a b.srt"


def test_a_word_plays_its_sound_by_mouse_and_by_keyboard(tab, tmp_path):
    read(tab, recording(tmp_path, sound(2.0)))
    first, word = words()[0], words()[2]
    tab.ask("times = []; player.addEventListener('timeupdate', () => times.push(player.currentTime)); 1")
    tab.ask(f"{SHOWN}[2].click()")
    tab.wait("times.length > 0 && player.paused")
    assert word.start - 0.05 <= min(tab.ask("times")) and tab.ask("player.currentTime") < word.end + 0.3
    tab.press("ArrowRight")
    assert tab.ask(f"document.activeElement === {SHOWN}[3]")
    tab.press("Home")
    tab.press("Enter")
    tab.wait(f"player.paused && player.currentTime < {first.end + 0.3}")
    assert tab.ask("document.querySelectorAll('#text [tabindex=\"0\"]').length") == 1
    tab.ask("strip.focus()")
    tab.press("ArrowRight")
    assert "blank 0." in tab.text("#frame")


def test_the_microphone_gives_live_text_and_a_recording(tab):
    tab.click("#record")
    tab.wait("text.innerText.trim() !== ''")
    assert tab.text("#record") == "Stop"
    tab.wait("+level.getAttribute('aria-valuenow') > -30")
    tab.click("#record")
    tab.wait(DONE)
    tab.wait("canvas.width > 0 && player.duration > 0.5")
    assert tab.text("#record") == "Record"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.wav", b"", "This file is empty"),
        ("text.txt", b"no sound at all", "Choose a recording"),
        ("silent.wav", np.zeros(RATE), "No speech was found"),
    ],
)
def test_what_holds_no_speech_is_said_in_words(chromium, tmp_path, name, content, said):
    silent = Transcriber(recogniser(seed=3))
    with torch.no_grad():
        silent.recogniser.acoustic.output.bias[0] = 1000.0
    file = tmp_path / name
    file.write_bytes(content) if isinstance(content, bytes) else recording(tmp_path, content, name)
    with site_of(tmp_path, {"silent": silent}) as url, chromium.tab(url) as tab:
        tab.choose("#file", file)
        tab.wait(f"document.body.innerText.includes({said!r})")
        assert tab.ask("downloads.hidden")


def test_a_server_that_fails_or_is_gone_is_said_in_words(chromium, tmp_path):
    file = recording(tmp_path, sound(1.0))
    with contextlib.ExitStack() as stack:
        with site_of(tmp_path, {"broken": replace(TRANSCRIBER, calibration=None)}) as url:
            tab = stack.enter_context(chromium.tab(url))
            tab.choose("#file", file)
            tab.wait("error.innerText.includes('tell whoever runs the server')")
        tab.choose("#file", file)
        tab.wait("error.innerText.includes('Is asr serve still running?')")


def test_a_token_is_asked_for(chromium, tmp_path):
    with site_of(tmp_path, tokens=("se/cr(t)",)) as url, chromium.tab(url, is_ready=False) as tab:
        for given in ("wrong", "se/cr(t)"):
            tab.wait("asking.open && token.value === ''")
            tab.type("#token", given)
            tab.click("#asking button.main")
        tab.wait("document.documentElement.dataset.ready !== undefined && model.options.length === 1")
        read(tab, recording(tmp_path, sound(1.0)))
        tab.click("#record")
        tab.wait("text.innerText.trim() !== ''")
        tab.click("#record")
        tab.wait(DONE)
        assert tab.ask("error.hidden")


def test_a_long_recording_is_shown_in_stretches(tab, tmp_path):
    read(tab, recording(tmp_path, sound(70.0)))
    tab.wait("!later.hidden && canvas.width > 0")
    tab.click("#later")
    tab.wait("!earlier.hidden && !later.hidden")
    tab.ask("[...document.querySelectorAll('#text .word')].at(-1).click()")
    tab.wait("later.hidden && player.currentTime > 60")


def test_hot_words_and_commands_count_from_the_next_recording_on(tab, tmp_path):
    file = recording(tmp_path, sound(2.0))
    before = read(tab, file)
    tab.type("#hotwords", "abc\ncab")
    assert "2 hot words" in tab.text("#hints summary")
    assert read(tab, file) != before
    tab.type("#hotwords", "")
    tab.type("#commands", "(abc")
    tab.choose("#file", file)
    tab.wait("error.innerText.includes('a ) is missing')")
    assert all("422" in line for line in tab.complaints)  # the browser's own
    tab.forgive()


def test_two_tabs_do_not_disturb_each_other(chromium, site, tmp_path):
    with chromium.tab(site) as first, chromium.tab(site) as second:
        first.choose("#file", recording(tmp_path, sound(20.0), "long.wav"))
        assert len(read(second, recording(tmp_path, sound(1.0), "short.wav"))) < len(read(first, tmp_path / "long.wav"))
        assert (first.text("#name"), second.text("#name")) == ("long.wav", "short.wav")


def test_text_runs_from_right_to_left_and_fits_a_telephone(chromium, site, tmp_path):
    with chromium.tab(site, width=360, height=740) as tab:
        tab.ask("model.value = 'hebrew'")
        read(tab, recording(tmp_path, sound(2.0)))
        tab.wait("canvas.width > 0")
        assert tab.ask("getComputedStyle(document.querySelector('#text p')).direction") == "rtl"
        tab.ask("document.querySelector('.word').focus()")
        tab.press("ArrowLeft")
        assert tab.ask("document.activeElement === document.querySelectorAll('.word')[1]")
        assert tab.ask("document.documentElement.scrollWidth <= innerWidth")
        assert tab.complaints == []


def taught(tab, readings):
    """Read some sentences of a lesson by microphone, the others as the page would send them."""
    tab.ask("document.querySelector('#lesson details').open = true")
    tab.type("#own", "\n".join(SENTENCES))
    tab.click("#lesson button", "Begin")
    for number in range(readings):
        tab.wait(f"lesson.innerText.includes('Sentence {number + 1} of 10')")
        tab.click("#lesson .record")  # it ends by itself, when it is quiet
        done = f"lesson.innerText.includes('Sentence {number + 2} of 10') || lesson.innerText.includes('sentences are read')"
        if tab.wait(f"({done}) ? 'kept' : lesson.innerText.includes('Keep it anyway') && 'doubted'") == "doubted":
            tab.click("#lesson button", "Keep it anyway")
        tab.wait(done)


def test_it_is_taught_and_shows_before_and_after(chromium, site, tmp_path):
    with chromium.tab(site) as tab:
        taught(tab, 1)
        soundfile.write(file := io.BytesIO(), heard(), RATE, format="WAV")
        sent = list(file.getvalue())
        tab.ask(
            f"(async () => {{ const id = sessionStorage.getItem('lesson'), sound = new Blob([new Uint8Array({sent})]);"
            "for (let n = 1; n < 10; n++) { const body = new FormData(); body.append('file', sound); body.append('keep', 'true');"
            "await fetch(`page/lessons/${id}/readings/${n}`, { method: 'POST', body }); } })()"
        )
        tab.open(site)  # it goes on where it was
        tab.click("#lesson button", "Learn")
        tab.wait("lesson.innerText.includes('50.0 %') && lesson.innerText.includes('25.0 %')")
        tab.wait("model.value === 'tiny-taught'")
        assert read(tab, recording(tmp_path, sound(2.0)))
        tab.click("#lesson button", "Delete my readings")
        tab.wait("lesson.innerText.includes('Read ten sentences aloud')")
        assert tab.complaints == []


AXE = os.environ.get("AXE_CORE", "")
CHECK = "axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.failureSummary)]))"


@pytest.mark.skipif(not AXE, reason="AXE_CORE does not name an axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium, site, tmp_path, scheme):
    with chromium.tab(site, width=800, height=900) as tab:
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.ask(Path(AXE).read_text(encoding="utf-8") + "; 1")
        assert tab.ask(CHECK) == []
        read(tab, recording(tmp_path, sound(2.0)))
        tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        tab.wait("canvas.width > 0")
        assert tab.ask(CHECK) == []
        tab.click("#lesson button", "Begin")
        tab.wait("!!document.querySelector('.sentence')")
        assert tab.ask(CHECK) == []
