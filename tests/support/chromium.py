"""A real Chromium without a window, driven over its DevTools protocol: enough to open a page, wait for it, press things, look at it.

with Chromium(folder) as browser:
    page = browser.open("http://127.0.0.1:8080/")
    page.wait("document.querySelector('h1')")
    assert page.complaints == []
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

__all__ = ["Chromium", "Page", "find_chromium"]

_PATIENCE = 30.0  # a busy machine needs seconds, nothing needs this
_ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-sandbox",  # as root in a container there is none to be had; what is opened is ours
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # no page reaches out of this machine
)


def find_chromium() -> str | None:
    """Its path, None when there is none on this machine."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """Started at once. folder: where its profile may lie."""

    def __init__(self, folder: Path) -> None:
        program = find_chromium()
        assert program is not None
        command = [program, *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = folder / "DevToolsActivePort"
        deadline = time.monotonic() + _PATIENCE
        while not (port.is_file() and len(port.read_text().splitlines()) == 2):
            assert self._process.poll() is None, "chromium ended at once"
            assert time.monotonic() < deadline, "chromium did not open its port"
            time.sleep(0.05)
        number, path = port.read_text().splitlines()
        self._held = ExitStack()
        self._socket = self._held.enter_context(
            connect(f"ws://127.0.0.1:{number}{path}", max_size=None, compression=None, proxy=None)
        )
        self._numbers = itertools.count(1)
        self._pages: dict[str, Page] = {}

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> Page:
        """A new page, on its way to url."""
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.ask(f"{domain}.enable")
        page.ask(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        )
        page.ask("Page.navigate", {"url": url})
        return page

    def ask(self, method: str, parameters: dict[str, Any] | None = None, session: str = "") -> dict[str, Any]:
        """One command, and its result. Events that come meanwhile go to their pages."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters or {}}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            came = json.loads(self._socket.recv(timeout=_PATIENCE))
            if came.get("id") == number:
                assert "error" not in came, (method, came["error"])
                return came["result"]
            if page := self._pages.get(came.get("sessionId", "")):
                page.hear(came)

    def close(self) -> None:
        """End it."""
        self._held.close()
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Page:
    """complaints: what a developer would see in red in the console: exceptions, blocked resources, failed requests."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser = browser
        self.session = session
        self.complaints: list[str] = []

    def ask(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command to this page."""
        return self.browser.ask(method, parameters, self.session)

    def hear(self, event: dict[str, Any]) -> None:
        """Note what is a complaint."""
        about = event["params"]
        match event["method"]:
            case "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
            case "Network.responseReceived" if about["response"]["status"] >= 400:
                self.complaints.append(f"{about['response']['status']} {about['response']['url']}")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; a promise is waited for."""
        result = self.ask("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in result, (expression, result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until expression is true; what can't be evaluated yet, since the page is on its way, is not."""
        deadline = time.monotonic() + _PATIENCE
        while not self.value(f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < deadline, f"never true: {expression}; complaints: {self.complaints}"
            time.sleep(0.05)

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """Write what it looks like as PNG. whole: to the page's end, not only what the window shows."""
        shot = self.ask(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole} | (self._whole() if whole else {})
        )
        file.write_bytes(base64.b64decode(shot["data"]))

    def _whole(self) -> dict[str, Any]:
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
