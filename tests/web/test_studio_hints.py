"""The studio in a real browser: what a person does at hints, with fingers and other pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, FilePayload, Page, expect
from restarted import here

from pages import IN_A_BROWSER, Visit, drop_and_wait, leave_empty, spot
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))
TALL: FilePayload = {
    "name": "tall.png",
    "mimeType": "image/png",
    "buffer": picture(200, 300, "PNG"),
}


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Iterator[Visit]:
    with here() as service:
        visit = Visit(browser, service.address)
        visit.page.on("dialog", lambda dialog: dialog.accept())
        yield visit
        visit.leave()


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """One page for all tests; each leaves it empty."""
    yield visit.page
    leave_empty(visit.page)


def test_another_picture_to_take_colours_from_is_chosen(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.mouse.click(*spot(page, 30, 35, 60, 40))
    expect(page.locator("#editor .swatch .paint").first).to_be_visible()
    page.click("#editor summary")
    choose = page.locator("eye-dropper .drop-zone")
    with page.expect_file_chooser() as chooser:
        choose.click()
    chooser.value.set_files({"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    expect(page.locator("eye-dropper .problem")).to_contain_text("a.pdf is no picture")
    expect(page.locator("#editor .swatch .paint").first).to_be_visible()  # they stay
    for _ in range(2):
        with page.expect_file_chooser() as chooser:
            choose.click()
        chooser.value.set_files(TALL)
        expect(page.locator("eye-dropper canvas")).to_be_visible()
        expect(page.locator("eye-dropper .problem")).to_be_hidden()
    editor, stage = (page.locator(one).bounding_box() for one in ("#editor", "#stage"))
    assert editor and stage
    assert editor["y"] + editor["height"] < stage["y"] + stage["height"]
    page.keyboard.press("Escape")


def test_what_was_wrong_with_likely_colours_goes_when_they_come(visit: Visit, page: Page) -> None:
    drop_and_wait(page, OMA)
    page.route("**/suggestions", lambda asked: asked.fulfill(status=500, json={}), times=1)
    page.mouse.click(*spot(page, 45, 20, 60, 40))
    expect(page.locator("#editor .problem").first).to_be_visible()
    page.locator(".hint").press("ArrowLeft")
    expect(page.locator("#editor .swatch .paint").first).to_be_visible()
    expect(page.locator("#editor .problem").first).to_be_hidden()
    page.keyboard.press("Escape")
    visit.errors = [text for text in visit.errors if "500" not in text]


#: Where hints, or the frame of a crop, are on the screen.
PLACES = """(parts) => [...document.querySelectorAll(parts)].map((part) => {
  const {x, y, width, height} = part.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
})"""


def pinch(page: Page, first: list[float], second: list[float]) -> None:
    """Put down two fingers, one after the other, and move them apart."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touched = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

    (x, y), (u, v) = first, second
    touch("touchStart", (x, y))
    touch("touchMove", (x + 9, y - 9))
    touch("touchStart", (x + 9, y - 9), (u, v))
    for step in range(1, 5):
        far = 12 * step
        touch("touchMove", (x + 9 + far, y - 9 - far), (u - far, v + far))
    touch("touchEnd")
    session.detach()


def test_two_fingers_zoom_wherever_they_go_down(page: Page) -> None:
    drop_and_wait(page, OMA)
    for x, y in ((40, 10), (15, 30)):
        page.mouse.click(*spot(page, x, y, 60, 40))
        page.locator("#editor .swatch .paint").first.click()
        page.keyboard.press("Escape")
    fitted = page.locator("#actual").inner_text()
    undo = page.locator("#undo").get_attribute("aria-label")
    named = page.locator(".hint").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    one, other = page.evaluate(PLACES, ".hint")
    for second in (other, spot(page, 10, 38, 60, 40)):  # on another hint, and beside one
        pinch(page, one, list(second))
        expect(page.locator("#actual")).not_to_have_text(fitted)
        page.click("#fit")
    assert named == page.locator(".hint").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    assert page.locator("#undo").get_attribute("aria-label") == undo

    page.click("#crop")
    fitted = page.locator("#actual").inner_text()
    [middle] = page.evaluate(PLACES, ".crop-box")
    box = page.locator("#viewer").bounding_box()
    assert box
    for second in (middle, [box["x"] + 3, box["y"] + 3]):
        pinch(page, page.evaluate(PLACES, ".crop-corner")[2], second)
        expect(page.locator("#actual")).not_to_have_text(fitted)
        expect(page.locator(".crop-bar span")).to_have_text("60 × 40")
        page.click("#fit")
    page.click("#crop")


#: Take so many hints at most; resolves to how many it was before.
MOST = """async (most) => {
  const {FIELDS} = await import(new URL("static/js/fields.js", document.baseURI));
  const before = FIELDS.hints.maxItems;
  FIELDS.hints.maxItems = most;
  return before;
}"""


def test_one_hint_too_many_is_not_set_and_a_person_is_told(page: Page) -> None:
    usual = page.evaluate(MOST, 1)
    drop_and_wait(page, OMA)
    beside = spot(page, 15, 30, 60, 40)
    page.mouse.click(*spot(page, 40, 10, 60, 40))
    page.locator("#editor .swatch .paint").first.click()
    page.keyboard.press("Escape")
    for another in (lambda: page.mouse.click(*beside), lambda: page.click("#add-hint")):
        another()
        expect(page.locator("#notice")).to_contain_text("1 hints are the most")
        page.get_by_label("Put away").click()
    expect(page.locator(".hint")).to_have_count(1)
    assert page.evaluate(MOST, usual) == 1
