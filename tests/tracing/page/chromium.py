"""A headless Chromium, driven over its DevTools protocol by aiohttp alone: open a file, run a line in it, press keys.

chromium -> its DevTools port -> one websocket -> a Tab for each page, with whatever it complained about
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS: Final = {
    "Enter": 13,
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Home": 36,
    "End": 35,
}
OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)
# The spans of a run are on the screen.
USABLE: Final = "performance.getEntriesByName('usable').length > 0"
# What a page may do that a policy forbids, told by the page itself.
_WATCH: Final = (
    "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
)


def found() -> str | None:
    """Say where a Chromium is on this machine, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A browser of its own, with an empty profile; ended, profile and all, with the block."""

    def __enter__(self) -> Self:
        program = found()
        assert program is not None
        self._profile = tempfile.mkdtemp()
        self._process = subprocess.Popen(
            [program, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tabs: dict[str, Tab] = {}
        try:
            self.wait(self._connect(self._address()))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if hasattr(self, "_session"):
            self.wait(self._leave())
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._loop.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(
        self, page: Path, *, width: int = 1280, height: int = 800, dark: bool = False, part: str = "", ready: str = USABLE
    ) -> Tab:
        """Open a file in a tab of its own, and wait until a line of JavaScript says that it is ready."""
        target = self.tell("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.tell("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self._tabs[session] = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log"):
            tab.tell(f"{domain}.enable")
        tab.tell("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})
        tab.look(width, height, dark=dark)
        tab.tell("Page.navigate", {"url": page.resolve().as_uri() + part})
        tab.until(ready)
        return tab

    def tell(self, method: str, values: dict[str, Any] | None = None, session: str | None = None) -> Any:
        """Send a command and wait for its answer."""
        return self.wait(self._tell(method, values or {}, session))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(work, 60))

    def _address(self) -> str:
        told = Path(self._profile, "DevToolsActivePort")
        end = time.monotonic() + 60
        while not (told.exists() and told.read_text().count("\n")):
            assert self._process.poll() is None, "Chromium ended at once"
            assert time.monotonic() < end, "Chromium did not start"
            time.sleep(0.05)
        port, path = told.read_text().split()
        return f"ws://127.0.0.1:{port}{path}"

    async def _connect(self, address: str) -> None:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        self._reading = asyncio.ensure_future(self._read())

    async def _leave(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()
        await self._session.close()

    async def _tell(self, method: str, values: dict[str, Any], session: str | None) -> Any:
        number = next(self._numbers)
        self._waiting[number] = self._loop.create_future()
        message = {"id": number, "method": method, "params": values}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        return await self._waiting[number]

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"])
                if "error" in told:
                    waiting.set_exception(RuntimeError(told["error"]["message"]))
                else:
                    waiting.set_result(told["result"])
            elif (tab := self._tabs.get(told.get("sessionId", ""))) is not None:
                tab.hear(told["method"], told["params"])


class Tab:
    """One open page.

    Attributes:
        problems: Exceptions, errors on the console, breaches of the page's policy, and dialogs, in their order.
    """

    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        self.problems: list[str] = []

    def tell(self, method: str, values: dict[str, Any] | None = None) -> Any:
        return self._browser.tell(method, values, self._session)

    def hear(self, event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.problems.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.problems.append(told["entry"]["text"])
        elif event == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {told['message']}")

    def run(self, line: str) -> Any:
        """Run a line of JavaScript, awaited if it promises something, and give its value."""
        values = {"expression": line, "returnByValue": True, "awaitPromise": True}
        answer = self.tell("Runtime.evaluate", values)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", {}).get("description", line))
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = 15) -> Any:
        """Wait until a line of JavaScript is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(condition)):
            assert time.monotonic() < end, f"never true: {condition}"
            time.sleep(0.02)
        return value

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            values = {"key": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
            text = {} if key in KEYS else {"text": key}
            self.tell("Input.dispatchKeyEvent", {"type": "keyDown", **values, **text})
            self.tell("Input.dispatchKeyEvent", {"type": "keyUp", **values})

    def write(self, text: str) -> None:
        """Write a text where the cursor is."""
        self.tell("Input.insertText", {"text": text})

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'nearest'}})")
        box = self.run(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", {"type": kind, "x": box[0], "y": box[1], "button": "left", "clickCount": 1})

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size, light or dark."""
        phone = width < 600
        self.tell(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.tell("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, file: Path) -> None:
        """Save what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", {"format": "png"})["data"]))

    def close(self) -> None:
        self._browser.tell("Target.closeTarget", {"targetId": self._target})
