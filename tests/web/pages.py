"""What tests of the studio's page share: a visit in a browser, and what a person does there."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from koalarize import Hint
from koalarize.color import lab_to_srgb, map_to_gamut, srgb_to_lab

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect

from browsers import CHROMIUM

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: Marks of a module whose tests drive a browser.
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install -y chromium"),
]
WAIT = 30_000  # milliseconds
ARTIST = "Koalarize's grandmother"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the studio in a process of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "koalarize", "serve", "--no-browser", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        for _ in range(300):
            try:
                urllib.request.urlopen(address + "api/v1/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, server.stdout and server.stdout.read().decode()
                time.sleep(0.2)
        yield address
        server.terminate()
        server.wait(20)


class Visit:
    """A page with everything it said and asked for."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, **options}
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        own = (address, "blob:" + address, "data:")
        self.page.on("console", lambda told: told.type == "error" and self.errors.append(told.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "request",
            lambda asked: asked.url.startswith(own) or self.elsewhere.append(asked.url),
        )
        self.page.goto(address)
        self.page.wait_for_selector(".example")

    def leave(self, *expected: str) -> None:
        """Close the page; it must have complained of nothing but what was expected.

        Args:
            expected: words of errors that a test asks for; one may come while the page is closed.
        """
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.context.close()
        errors = [text for text in self.errors if not any(word in text for word in expected)]
        assert not errors, errors
        assert not self.elsewhere, self.elsewhere


def drop(page: Page, *files: tuple[str, bytes], onto: str = "#stage") -> None:
    listed = [[name, base64.b64encode(content).decode()] for name, content in files]
    transfer = page.evaluate_handle(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const type = name.endsWith("json") ? "application/json" : "";
            transfer.items.add(new File([bytes], name, {type}));
          }
          return transfer;
        }""",
        listed,
    )
    page.dispatch_event(onto, "drop", {"dataTransfer": transfer})


def colourings(page: Page) -> int:
    return int(page.locator("body").get_attribute("data-coloured") or 0)


def wait_for_colour(page: Page, since: int = 0) -> None:
    page.wait_for_selector(f'body[data-coloured]:not([data-coloured="{since}"])', timeout=WAIT)


def drop_and_wait(page: Page, *files: tuple[str, bytes]) -> None:
    """Drop photos and wait until the one on the table is coloured."""
    since = colourings(page)
    drop(page, *files)
    wait_for_colour(page, since)


#: Whether what the browser keeps of the photos is so; asking makes nothing where nothing is kept.
KEPT = """async () => {
  const stands = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  if (!(await indexedDB.databases()).length) return false;
  const database = await stands(indexedDB.open("koalarize"));
  const works = await stands(database.transaction("work").objectStore("work").getAll());
  const files = await stands(database.transaction("files").objectStore("files").getAllKeys());
  database.close();
  const photos = works.filter(({key, closed}) => !closed && files.includes(key));
  return (%s)(photos.sort((one, other) => one.order - other.order));
}"""


def wait_until_kept(page: Page, holds: str) -> None:
    """Wait until the browser keeps this of the photos.

    Args:
        holds: a function of JavaScript, of the kept photos in their order, each {name, edit, past,
            active}.
    """
    for _ in range(WAIT // 50):  # `wait_for_function` takes a promise for its answer
        if page.evaluate(KEPT % holds):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"what is kept never is so: {holds}")


def leave_empty(page: Page) -> None:
    """Close all photos, for the next test on the same page."""
    page.unroute_all()
    if page.locator("#empty").is_hidden():
        page.locator("#close-all").dispatch_event("click")
    expect(page.locator("#empty")).to_be_visible()


def spot(
    page: Page, x: float, y: float, width: int = 600, height: int = 400
) -> tuple[float, float]:
    """Where a pixel of a fitted photo is in the window."""
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    margin = min(24, box["width"] / 24)
    scale = min((box["width"] - 2 * margin) / width, (box["height"] - 2 * margin) / height, 4)
    return (
        box["x"] + box["width"] / 2 + (x - width / 2) * scale,
        box["y"] + box["height"] / 2 + (y - height / 2) * scale,
    )


def name_colour(page: Page, text: str) -> None:
    before = colourings(page)
    page.wait_for_selector("#editor .swatch .paint")
    page.get_by_label("Colour name or #rrggbb").fill(text)
    page.keyboard.press("Enter")
    wait_for_colour(page, before)


def save(page: Page, choose: str, path: Path) -> Path:
    page.click("#save")
    with page.expect_download(timeout=WAIT) as download:
        page.click(choose)
    download.value.save_as(path)
    return path


def check_hint(path: Path, x: int, y: int, color: str) -> None:
    """The saved picture has the hue that was asked for, as strong as its lightness allows."""
    saved = np.asarray(Image.open(path).convert("RGB"))[y - 1 : y + 2, x - 1 : x + 2]
    lightness, *ab = srgb_to_lab(saved).reshape(-1, 3).mean(axis=0)
    wanted = np.array([[lightness, *Hint(x=x, y=y, color=color).ab]], np.float32)
    wanted = srgb_to_lab(lab_to_srgb(map_to_gamut(wanted)))[0, 1:]
    assert np.hypot(*(np.array(ab) - wanted)) < 0.45 * np.hypot(*wanted)


def check_lightness(path: Path, original: Path) -> None:
    grey = np.asarray(Image.open(original).convert("L"))
    lightness = srgb_to_lab(np.asarray(Image.open(path).convert("RGB")))[..., 0]
    levels = srgb_to_lab(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))[:, 0]
    as_grey = np.interp(lightness, levels, np.arange(256))
    off = np.abs(as_grey - grey)
    assert np.mean(off <= 1.0) >= 0.999
    assert off.max() <= 2.0


def check_exif(path: Path) -> None:
    exif = Image.open(path).getexif()
    assert exif[0x013B] == ARTIST
    assert exif.get_ifd(0x8769)[0x9003] == "1931:05:17 12:00:00"


def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"Tab never comes to {selector}")
