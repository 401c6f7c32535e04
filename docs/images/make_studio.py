"""Make the pictures of ``docs/studio.md``: the studio's page in a real browser, with a hint open.

Run ``python docs/images/make_studio.py`` in an environment with playwright and a chromium, while
``koalarize serve --no-browser --port 8411`` runs.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ADDRESS = "http://127.0.0.1:8411/"
HERE = Path(__file__).parent
SUIT = (0.45, 0.735)  # where the hint goes, of the photo's width and height
DIVIDER = 0.3


def take(browser: Browser, name: str, *, editor: bool, **options: Any) -> None:
    """Colour the astronaut, ask for an orange suit, and write a screenshot."""
    page = browser.new_context(**options).new_page()
    page.goto(ADDRESS)
    page.click(".example >> nth=0")
    page.wait_for_selector("body[data-coloured]")
    page.wait_for_selector("#alternatives button", state="attached", timeout=60_000)
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    side = min(box["width"] - 2 * min(24, box["width"] / 24), box["height"] - 48)
    left, top = (box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2)
    page.locator(".divider").focus()
    for _ in range(round((0.5 - DIVIDER) / 0.1)):
        page.keyboard.press("Shift+ArrowLeft")
    page.mouse.click(left + SUIT[0] * side, top + SUIT[1] * side)
    page.wait_for_selector("#editor .swatch .paint")
    page.get_by_label("Colour name or #rrggbb").fill("orange")
    page.keyboard.press("Enter")
    page.wait_for_timeout(4000)
    page.locator(":focus").blur()
    if not editor:
        page.get_by_role("button", name="Close", exact=True).click()
        page.locator(":focus").blur()
    page.mouse.move(4, 4)
    page.wait_for_timeout(4500)  # the words in passing are gone
    page.screenshot(path=HERE / name)
    page.context.close()


def main() -> None:
    """Write the three pictures."""
    path = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        wide = {"width": 1440, "height": 900}
        take(browser, "studio.png", editor=True, viewport=wide, color_scheme="light")
        take(browser, "studio-dark.jpg", editor=False, viewport=wide, color_scheme="dark")
        narrow = {"width": 390, "height": 844}
        take(browser, "studio-phone.jpg", editor=True, viewport=narrow, has_touch=True)
        browser.close()


if __name__ == "__main__":
    main()
