"""The studio's page in a real browser: turn, crop, and recolouring by hue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from pages import (
    ARGS,
    CHROMIUM,
    Visit,
    check_hint,
    colourings,
    drop,
    name_colour,
    save,
    spot,
    wait_for_colour,
)
from rest import picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install -y chromium"),
]
OMA = ("oma.png", picture(600, 400, "PNG"))


@pytest.fixture(scope="module")
def visit(address: str) -> Iterator[Visit]:
    with sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        visit = Visit(browser, address)
        visit.page.on("dialog", lambda dialog: dialog.accept())
        yield visit
        visit.leave()
        browser.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    page = visit.page
    drop(page, OMA)
    before = colourings(page)
    wait_for_colour(page, before)
    return page


def test_hints_and_crop_turn_with_the_photo(page: Page, tmp_path: Path) -> None:
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "dark green")
    page.keyboard.press("Escape")
    page.click("#crop")
    corner = page.get_by_role("button", name="Lower right corner of the crop")
    corner.focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")  # 20 pixels each
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#crop")).to_be_focused()
    expect(page.locator("#photo-title")).to_contain_text("520 × 400")
    before = colourings(page)
    page.click("#turn")
    wait_for_colour(page, before)
    expect(page.locator("#photo-title")).to_contain_text("400 × 520")
    hint = page.locator(".hint")
    expect(hint).to_have_attribute("aria-label", "Hint 1: dark green, 17 % across, 80 % down")
    saved = save(page, "[data-format=png]", tmp_path / "turned.png")
    assert Image.open(saved).size == (400, 520)
    check_hint(saved, 69, 480, "#1f4a27")
    page.keyboard.press("Control+z")
    expect(page.locator("#photo-title")).to_contain_text("520 × 400")
    expect(hint).to_have_attribute("aria-label", "Hint 1: dark green, 80 % across, 82 % down")


def test_a_crop_is_dragged_and_given_up(page: Page) -> None:
    page.keyboard.press("x")
    box = page.locator(".crop-corner").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(*spot(page, 150, 100), steps=4)
    page.mouse.up()
    expect(page.locator("crop-frame [role=status]")).to_have_text(re.compile("45[01] × 30[01]"))
    page.mouse.click(*spot(page, 60, 60))  # outside the frame: no hint comes of it
    page.wait_for_timeout(400)
    expect(page.locator("#editor")).to_be_hidden()
    page.get_by_role("button", name="Whole photo").click()
    expect(page.locator("#photo-title")).to_contain_text("600 × 400")
    page.locator(".crop-box").focus()
    page.keyboard.press("Escape")
    expect(page.locator("crop-frame")).to_be_hidden()


def test_what_is_blue_becomes_brown(page: Page) -> None:
    page.fill("#recolor-was", "grey")
    page.fill("#recolor-becomes", "brown")
    page.keyboard.press("Enter")
    assert "no hue" in page.locator("#recolor-was").evaluate("(input) => input.validationMessage")
    expect(page.locator("#recolor-list li")).to_have_count(0)
    page.fill("#recolor-was", "Blue")
    with page.expect_request("**/preview") as asked:
        page.keyboard.press("Enter")
    steering = json.loads(asked.value.post_data or "{}")["steering"]
    assert steering["recolors"] == [{"was": "#2a56c6", "becomes": "#6f4a2c"}]
    row = page.locator("#recolor-list li")
    expect(row).to_contain_text("blue becomes brown")
    page.get_by_role("button", name="Delete: blue becomes brown").click()
    expect(row).to_have_count(0)
