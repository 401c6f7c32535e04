"""The studio's page in a real browser: turn, straighten, crop, and recolouring by hue."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect

from koalarize.photo.straighten import straightened_size
from pages import (
    IN_A_BROWSER,
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

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(600, 400, "PNG"))


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit
    visit.leave()


@pytest.fixture
def page(visit: Visit) -> Page:
    page = visit.page
    before = colourings(page)  # before the drop: the colours may be there at once
    drop(page, OMA)
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


def test_a_photo_is_straightened_by_keys(page: Page, tmp_path: Path) -> None:
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "dark green")
    page.keyboard.press("Escape")
    before = colourings(page)
    page.locator("#viewer").focus()
    page.keyboard.press("s")
    slider = page.get_by_role("slider", name="Straighten")
    expect(slider).to_be_focused()
    assert slider.get_attribute("aria-valuetext") == "not turned"
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "2.5 degrees clockwise"
    wait_for_colour(page, before)
    width, height = straightened_size(600, 400, 2.5)
    expect(page.locator("#photo-title")).to_contain_text(f"{width} × {height}")
    page.mouse.click(*spot(page, 100, 100, width, height))  # no hint comes of it
    page.wait_for_timeout(400)
    expect(page.locator("#editor")).to_be_hidden()
    slider.focus()
    page.keyboard.press("Escape")
    expect(page.locator("#level")).to_be_focused()
    expect(page.locator("#level-bar")).to_be_hidden()
    saved = save(page, "[data-format=png]", tmp_path / "straight.png")
    assert Image.open(saved).size == (width, height)
    turned = math.radians(2.5)
    across = 180 * math.cos(turned) - 130 * math.sin(turned)
    down = 180 * math.sin(turned) + 130 * math.cos(turned)
    check_hint(saved, round(width / 2 + across), round(height / 2 + down), "#1f4a27")
    page.keyboard.press("Control+z")
    expect(page.locator("#photo-title")).to_contain_text("600 × 400")
    expect(page.locator(".hint")).to_have_attribute(
        "aria-label", "Hint 1: dark green, 80 % across, 82 % down"
    )


def test_hints_outside_of_the_straightened_photo_are_left_out(page: Page) -> None:
    page.mouse.click(*spot(page, 8, 8))
    name_colour(page, "teal")
    page.keyboard.press("Escape")
    page.click("#level")
    before = colourings(page)
    page.locator("#straighten").fill("-9")
    wait_for_colour(page, before)
    expect(page.locator(".hint")).to_have_count(0)
    expect(page.locator("#status")).to_have_text(re.compile("^A hint lies outside now: left out"))
    before = colourings(page)
    page.locator("#zoom-in").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#level-bar")).to_be_hidden()
    page.click("#level")
    page.click("#level-reset")
    wait_for_colour(page, before)
    expect(page.locator(".hint")).to_have_count(1)
    page.click("#level-done")


def test_sizes_are_those_of_the_service(page: Page) -> None:
    asked = [
        [width, height, degrees]
        for width, height in ((1, 1), (600, 400), (401, 612), (3, 1000))
        for degrees in (-15, -3.3, 0, 0.1, 14.9)
    ]
    found = page.evaluate(
        "(asked) => import('/static/js/straighten.js').then("
        "(module) => asked.map((one) => module.straightenedSize(...one)))",
        asked,
    )
    assert [tuple(size) for size in found] == [straightened_size(*one) for one in asked]


def test_a_negative_is_a_switch(page: Page) -> None:
    with page.expect_request("**/preview") as asked:
        page.get_by_label("Negative").check()
    assert json.loads(asked.value.post_data or "{}")["steering"]["negative"] is True


def test_a_crop_is_dragged_and_given_up(page: Page) -> None:
    page.keyboard.press("x")
    box = page.locator(".crop-corner").first.bounding_box()
    end = page.locator(".crop-corner").last.bounding_box()
    assert box is not None
    assert end is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    across, down = ((end[side] - box[side]) / 4 for side in ("x", "y"))
    page.mouse.move(box["x"] + 10 + across, box["y"] + 10 + down, steps=4)
    page.mouse.up()
    expect(page.locator("crop-frame [role=status]")).to_have_text(re.compile("45[01] × 30[01]"))
    page.mouse.click(*spot(page, 60, 60))  # outside the frame: no hint comes of it
    page.wait_for_timeout(400)
    expect(page.locator("#editor")).to_be_hidden()
    page.get_by_role("button", name="Whole photo").click()
    expect(page.locator("#photo-title")).to_contain_text("600 × 400")
    page.locator("#zoom-in").focus()
    page.keyboard.press("Escape")
    expect(page.locator("crop-frame")).to_be_hidden()
    page.keyboard.press("x")
    for key in ("ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("crop-frame")).to_be_hidden()
    expect(page.locator("#crop")).to_be_focused()


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
    limit = "(most) => import('/static/js/fields.js').then(({FIELDS}) => { %s = most; })"
    page.evaluate(limit % "FIELDS.recolors.maxItems", 1)
    page.fill("#recolor-was", "green")
    page.fill("#recolor-becomes", "brown")
    page.keyboard.press("Enter")
    assert "the most" in page.locator("#recolor-was").evaluate("(input) => input.validationMessage")
    expect(row).to_have_count(1)
    page.evaluate(limit % "FIELDS.recolors.maxItems", 20)
    page.get_by_role("button", name="Delete: blue becomes brown").click()
    expect(row).to_have_count(0)


def test_the_focus_is_not_lost_with_the_divider(page: Page) -> None:
    page.get_by_role("slider", name="Divider").focus()
    page.keyboard.press("c")
    expect(page.locator("#viewer")).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator("#compare")).to_have_attribute("aria-pressed", "true")


def test_a_click_on_the_dividers_line_sets_a_hint(page: Page) -> None:
    divider = page.get_by_role("slider", name="Divider")
    x, y = spot(page, 300, 80)
    page.mouse.click(x + 6, y)
    expect(page.locator("#editor")).to_be_visible()
    page.keyboard.press("Escape")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    page.mouse.click(*spot(page, 300, 200))  # its handle
    page.wait_for_timeout(400)  # a click waits for a second one
    expect(page.locator("#editor")).to_be_hidden()
    page.mouse.move(x + 6, y)
    page.mouse.down()
    page.mouse.move(x + 100, y)
    page.mouse.up()
    expect(divider).not_to_have_attribute("aria-valuenow", "50")


def test_a_crop_that_is_dragged_is_put_back_by_escape_and_goes_to_no_other_photo(
    page: Page,
) -> None:
    before = colourings(page)
    drop(page, ("opa.png", picture(300, 200, "PNG")))
    wait_for_colour(page, before)
    page.keyboard.press("[")
    page.click("#crop")
    corner = page.locator(".crop-corner").first.bounding_box()
    assert corner is not None
    across, down = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    size = page.locator("crop-frame [role=status]")
    for key in ("Escape", "]"):
        page.mouse.move(across, down)
        page.mouse.down()
        page.mouse.move(across + 80, down + 60, steps=2)
        expect(size).not_to_have_text("600 × 400")
        page.keyboard.press(key)
        if key == "]":
            expect(page.locator("#photo-title")).to_contain_text("300 × 200")
        page.mouse.move(across + 90, down + 60, steps=2)
        page.mouse.up()
        if key == "Escape":
            expect(size).to_have_text("600 × 400")
    expect(page.locator("crop-frame")).to_be_hidden()
    expect(page.locator("#photo-title")).to_contain_text("300 × 200")
    page.keyboard.press("[")
    expect(page.locator("#photo-title")).to_contain_text("600 × 400")


def test_a_held_key_does_it_once(page: Page) -> None:
    for _ in range(4):
        page.keyboard.down("r")
    page.keyboard.up("r")
    expect(page.locator("#photo-title")).to_contain_text("400 × 600")
    for _ in range(4):
        page.keyboard.down("x")
    page.keyboard.up("x")
    expect(page.locator(".crop-bar")).to_be_visible()


def test_a_hint_that_is_dragged_is_let_go_when_another_photo_comes(page: Page) -> None:
    before = colourings(page)
    drop(page, ("opa.png", picture(300, 200, "PNG")))
    wait_for_colour(page, before)
    page.keyboard.press("[")
    page.mouse.click(*spot(page, 360, 200))
    name_colour(page, "teal")
    page.keyboard.press("Escape")
    page.mouse.move(*spot(page, 360, 200))
    page.mouse.down()
    page.mouse.move(*spot(page, 450, 100), steps=4)
    page.keyboard.press("]")
    expect(page.locator("#photo-title")).to_contain_text("300 × 200")
    page.mouse.move(*spot(page, 300, 300), steps=2)
    page.mouse.up()
    page.keyboard.press("[")
    page.keyboard.press("r")
    page.click("#undo")
    expect(page.locator("#undo")).to_have_attribute("title", "Undo: hint (Ctrl+Z)")
