"""The pages in Firefox: a photo, a hint, and the picture changes; skipped without firefox-esr.

Firefox is driven by its own protocol, Marionette, which geckodriver wraps: each message is its
length, a colon and JSON.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rest import picture
from sites import WITH_RUNTIME, served

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FIREFOX is None, reason="no firefox: apt-get install -y firefox-esr"),
]
WAIT = 60.0  # seconds
DROP = """
const [name, text] = arguments;
const transfer = new DataTransfer();
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
transfer.items.add(new File([bytes], name));
document.querySelector("#stage").dispatchEvent(
  new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
"""
PIXELS = """
const canvas = document.querySelector("koala-viewer canvas");
const [left, top, right] = document.querySelector("koala-viewer").view.screenRect;
const [x, y] = [(right - 40) * devicePixelRatio, (top + 40) * devicePixelRatio];
return [...canvas.getContext("2d").getImageData(x, y, 8, 8).data];
"""


class Marionette:
    """Firefox, told what to do."""

    def __init__(self, port: int) -> None:
        for _ in range(200):
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
                break
            except OSError:
                time.sleep(0.2)
        self._stream = self._socket.makefile("rb")
        self._count = 0
        self._read()  # who speaks
        self.tell("WebDriver:NewSession")

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._stream.read(1)
        return json.loads(self._stream.read(int(length[:-1])))

    def tell(self, command: str, **parameters: object) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def run(self, script: str, *arguments: object) -> Any:
        told = self.tell("WebDriver:ExecuteScript", script=script, args=list(arguments))
        return told["value"]

    def wait(self, condition: str) -> None:
        deadline = time.monotonic() + WAIT
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.1)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Marionette]:
    assert FIREFOX is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = [f'user_pref("marionette.port", {port});', 'user_pref("app.update.enabled", false);']
    (tmp_path / "user.js").write_text("\n".join(told), encoding="utf-8")
    command = [FIREFOX, "--headless", "--marionette", "--profile", str(tmp_path), "--no-remote"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "about:blank"], **quiet) as process:
        try:
            marionette = Marionette(port)
            yield marionette
            marionette.close()
        finally:
            process.terminate()


def test_a_hint_changes_the_picture(firefox: Marionette, address: str) -> None:
    check_hint(firefox, address)


@WITH_RUNTIME
def test_the_page_that_colours_in_the_browser(firefox: Marionette, tmp_path: Path) -> None:
    with served(tmp_path / "site") as own:
        check_hint(firefox, own)


def check_hint(firefox: Marionette, address: str) -> None:
    firefox.tell("WebDriver:Navigate", url=address)
    firefox.wait("document.querySelector('.example')")
    photo = base64.b64encode(picture(600, 400, "PNG")).decode()
    firefox.run(DROP, "oma.png", photo)
    firefox.wait("document.body.dataset.coloured")
    time.sleep(0.5)  # it is drawn with the next frame of the screen
    before = firefox.run(PIXELS)
    assert max(before[3::4]) == 255
    firefox.run("document.querySelector('#add-hint').click()")
    firefox.run("document.activeElement.click()")
    firefox.wait("document.querySelector('#editor .swatch .paint')")
    firefox.run(
        "const field = document.querySelector('#editor input[type=text]');"
        "field.value = 'red'; field.dispatchEvent(new Event('change'));"
    )
    firefox.wait("Number(document.body.dataset.coloured) > 1")
    time.sleep(0.5)
    after = firefox.run(PIXELS)
    redder = sum(after[::4]) - sum(after[2::4]) - sum(before[::4]) + sum(before[2::4])
    assert redder > 0
    assert after != before
