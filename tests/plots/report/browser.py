"""A headless Chromium that is told what to do through a pipe (DevTools protocol): nothing to install."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Browser", "open_browser", "program"]

_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0  # seconds for one answer; a busy machine takes a few to start the browser
_END = b"\0"


def program() -> str | None:
    """Return the browser that is installed, if any."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start the browser with an empty profile; it ends with the context."""
    to_browser, ours_to = os.pipe()
    ours_from, from_browser = os.pipe()
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [str(program()), *_FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    # The browser reads at 3 and writes at 4.
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser} >/dev/null 2>&1'
    process = subprocess.Popen(["bash", "-c", script, "bash", *command], pass_fds=(to_browser, from_browser))
    os.close(to_browser)
    os.close(from_browser)
    try:
        browser = Browser(ours_to, ours_from)
        browser.attach()
        yield browser
        browser.call("Browser.close", session=False)
    finally:
        os.close(ours_to)
        os.close(ours_from)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Browser:
    """One tab.

    Attributes:
        events: all that the browser has told since the page was opened: {"method": ..., "params": ...}.
    """

    def __init__(self, write_to: int, read_from: int) -> None:
        self._write_to, self._read_from = write_to, read_from
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []

    def attach(self) -> None:
        """Take hold of the tab and listen to what happens in it."""
        targets = self.call("Target.getTargets", session=False)["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        answer = self.call("Target.attachToTarget", session=False, targetId=tab, flatten=True)
        self._session = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, address: str, *, width: int = 1200, dark: bool = False) -> None:
        """Show a page in a window of this width, and wait until all of it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events = []
        self.call("Page.navigate", url=address)
        self._until("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise ValueError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """Return the parameters of the events of these names since the page was opened."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return b64decode(answer["data"])

    def call(self, method: str, *, session: bool = True, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self._session
        os.write(self._write_to, json.dumps(message).encode() + _END)
        deadline = time.monotonic() + _PATIENCE
        while (answer := self._next(deadline)).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise ValueError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, method: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.happened(method):
            self.events.append(self._next(deadline))

    def _next(self, deadline: float) -> dict[str, Any]:
        """Return the next message."""
        while _END not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._read_from], [], [], left)[0]:
                raise TimeoutError("The browser did not answer.")
            block = os.read(self._read_from, 1 << 16)
            if not block:
                raise ConnectionError("The browser has ended.")
            self._buffer += block
        text, _, self._buffer = self._buffer.partition(_END)
        message: dict[str, Any] = json.loads(text)
        return message
