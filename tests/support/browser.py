"""A real browser, driven by Chromium's DevTools protocol.

Tests that need one are skipped where no Chromium is installed.
"""

import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = "Chromium is not installed" if PROGRAM is None else ""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
PATIENCE = 60.0
"""Seconds until something has to have happened, on a busy machine."""


@contextmanager
def browser(folder: Path, heard: Path | None = None):
    """A browser with its profile in `folder`, whose microphone hears a file, again and again."""
    from websockets.sync.client import connect

    more = [f"--use-file-for-fake-audio-capture={heard}"] if heard else []
    process = subprocess.Popen(
        [PROGRAM, *FLAGS, *more, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(folder)},
    )
    port = folder / "DevToolsActivePort"
    try:
        wait(lambda: port.is_file() and len(port.read_text().split()) == 2, "the browser")
        number, path = port.read_text().split()
        with connect(f"ws://127.0.0.1:{number}{path}", max_size=None, compression=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(condition, what):
    """Wait until something is true, and give it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} has not come in {PATIENCE:g} s"
        time.sleep(0.05)
    return found


class Browser:
    """The protocol: commands and their results, and what pages tell by themselves."""

    def __init__(self, socket):
        self._socket, self._numbers, self.told = socket, itertools.count(1), []

    def call(self, method, session=None, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.told.append(answer)

    @contextmanager
    def tab(self, url, *, is_ready=True, **screen):
        """A tab that shares nothing with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        try:
            for domain in ("Page", "Runtime", "Log", "DOM"):
                tab.call(f"{domain}.enable")
            if screen:
                tab.call("Emulation.setDeviceMetricsOverride", deviceScaleFactor=1, mobile=False, **screen)
            tab.open(url, is_ready=is_ready)
            yield tab
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """A page as somebody uses it."""

    def __init__(self, browser, session):
        self._browser, self._session = browser, session

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def open(self, url, *, is_ready=True):
        self.call("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)}")
        if is_ready:
            self.wait("document.documentElement.dataset.ready !== undefined")

    def ask(self, script):
        """The value of an expression; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script):
        """Wait until an expression is true, and give it; what it names may come later."""
        tried = f"(() => {{ try {{ return {script}; }} catch {{ return false; }} }})()"
        try:
            return wait(lambda: self.ask(tried), script)
        except AssertionError:
            raise AssertionError(f"never: {script}; the page says:\n{self.ask('document.body?.innerText')}") from None

    def text(self, selector):
        return self.ask(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector, text=""):
        """Click the first that has a text."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find(e => e.innerText.includes({json.dumps(text)}))"
        self.wait(f"!!{found}")
        self.ask(f"{found}.click()")

    def press(self, key):
        code = {"Enter": 13, "Tab": 9, " ": 32}.get(key, 0)
        text = {"Enter": "\r", " ": " "}.get(key)
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def choose(self, selector, *files):
        """Choose files for an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def type(self, selector, text):
        """Write into a field."""
        self.ask(
            f"(e => {{ e.value = {json.dumps(text)}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def forgive(self):
        """Forget what the console has."""
        self._browser.told.clear()

    @property
    def complaints(self):
        """What the page's console has of errors and warnings."""
        self.ask("1")  # all that was told before it has come
        mine = [told for told in self._browser.told if told.get("sessionId") == self._session]
        found = []
        for told in mine:
            params = told["params"]
            if told["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif told["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(str(params["args"]))
            elif told["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
        return found
