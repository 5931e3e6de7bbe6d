"""A headless Chromium, driven over its debugging protocol: open a page, look, take a picture."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from websockets.sync.client import connect


class Browser:
    """A browser in a ``with`` block."""

    def __init__(self, binary: str, width: int = 1500, height: int = 1400) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [
                binary, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1",
                f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._number = 0

    def __enter__(self) -> Self:
        told = Path(self._profile.name) / "DevToolsActivePort"
        until = time.monotonic() + 60
        while not told.exists() or len(told.read_text().splitlines()) < 2:
            assert time.monotonic() < until, "Chromium did not start"
            time.sleep(0.1)
        port = told.read_text().splitlines()[0]
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=20) as reply:
            pages = [page for page in json.load(reply) if page["type"] == "page"]
        self._socket = connect(pages[0]["webSocketDebuggerUrl"], max_size=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def open(self, url: str, until: str, within_s: float = 60) -> None:
        """Go to a page and wait until it shows a text."""
        self._call("Page.navigate", url=url)
        self.wait(until, within_s)

    def sign_in(self, ui: str, login: str) -> None:
        """Sign in to Prefect's UI with NAME:PASSWORD, as its own form does."""
        self._call("Page.navigate", url=ui)
        end = time.monotonic() + 60
        while self.run("location.origin") != ui or self.run("document.readyState") != "complete":
            assert time.monotonic() < end, "Prefect's UI does not open"
            time.sleep(0.3)
        self.run(f"localStorage.setItem('prefect-password', btoa({json.dumps(login)}))")

    def wait(self, text: str, within_s: float = 60) -> None:
        """Wait until the page shows a text."""
        end = time.monotonic() + within_s
        while text not in self.text():
            assert time.monotonic() < end, f"the page does not show {text!r}: {self.text()[:400]}"
            time.sleep(0.3)

    def text(self) -> str:
        """All that the page shows."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def pictures(self) -> list[int]:
        """Widths in pixels of the pictures that have loaded from ``data:`` addresses."""
        return list(
            self.run(
                "[...document.images].filter(i => i.src.startsWith('data:image/') && i.complete)"
                ".map(i => i.naturalWidth)"
            )
        )

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write a PNG of what the window shows."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
