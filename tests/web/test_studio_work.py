"""The studio's page in a real browser: kept work, what a hint can say, saving cancelled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect

from pages import (
    IN_A_BROWSER,
    Visit,
    colourings,
    drop,
    name_colour,
    save,
    spot,
    wait_for_colour,
    wait_until_kept,
)
from rest import picture

pytestmark = IN_A_BROWSER
PHOTO = ("oma.png", picture(600, 400, "PNG"))


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit
    visit.leave()


def open_hint(page: Page) -> None:
    drop(page, PHOTO)
    wait_for_colour(page)
    page.mouse.click(*spot(page, 480, 330))
    page.wait_for_selector("#editor .swatch .paint")


def keep_hint(page: Page) -> None:
    """Give the photo a hint and wait until the page has kept it."""
    open_hint(page)
    name_colour(page, "bordeaux")
    page.keyboard.press("Escape")
    wait_until_kept(page, "([photo]) => photo?.edit.hints[0]?.color")


def asked_for(page: Page) -> list[dict]:
    """The bodies of all previews from now on."""
    found: list[dict] = []
    page.on(
        "request",
        lambda asked: asked.url.endswith("/preview") and found.append(json.loads(asked.post_data)),
    )
    return found


#: A file that finds no room in the browser's storage.
FULL = """() => {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (value, ...key) {
    const asked = put.call(this, value, ...key);
    if (value.name === "large.png" && this.name === "files") this.transaction.abort();
    return asked;
  };
}"""


AS_ALT_GR = """() => {
  const how = {key: "[", code: "Digit8", ctrlKey: true, altKey: true, bubbles: true};
  document.querySelector("#viewer").dispatchEvent(new KeyboardEvent("keydown", how));
}"""


def test_a_reload_loses_nothing_but_what_finds_no_room(visit: Visit) -> None:
    page = visit.page
    open_hint(page)
    name_colour(page, "bordeaux")
    page.keyboard.press("Escape")
    page.evaluate(FULL)
    drop(page, ("large.png", picture(60, 40, "PNG")))
    expect(page.locator("#notice")).to_contain_text("A reload would lose large.png")
    page.evaluate(AS_ALT_GR)  # as `[` is typed on a German keyboard
    page.locator("#vividness").fill("1.5")
    wait_until_kept(page, "([photo]) => photo.active && photo.edit.vividness === 1.5")
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#photo-title")).to_contain_text("oma.png")
    expect(page.locator(".hint")).to_have_count(1)
    assert page.locator("#vividness").input_value() == "1.5"
    page.click("#undo")
    assert page.locator("#vividness").input_value() == "1"
    page.click("#undo")
    expect(page.locator(".hint")).to_have_count(0)


#: Work is kept by the page that holds a lock; this lets it have the lock later.
SLOW_LOCK = """
const ask = LockManager.prototype.request;
if (!sessionStorage.held)
  LockManager.prototype.request = function (...words) {
    window.letKeep = () => void ask.apply(this, words);
    sessionStorage.held = "once";
    return new Promise(() => {});
  };
"""


def test_a_photo_that_comes_before_what_was_kept_loses_none_of_it(visit: Visit) -> None:
    page = visit.page
    keep_hint(page)
    page.add_init_script(SLOW_LOCK)  # as a slow disk would hold up what was kept
    page.reload()
    page.wait_for_selector(".example")
    drop(page, ("opa.png", picture(500, 400, "PNG")))
    wait_for_colour(page)
    page.evaluate("letKeep()")
    tiles = page.locator("#film .tile:not(.add)")
    expect(tiles).to_have_count(2)
    expect(page.locator("#photo-title")).to_contain_text("opa.png")
    wait_until_kept(page, "([first, second]) => second && first.name === 'opa.png'")
    page.reload()
    wait_for_colour(page)
    expect(tiles).to_have_count(2)
    expect(page.locator("#photo-title")).to_contain_text("opa.png")
    tiles.nth(1).click()
    expect(page.locator("#photo-title")).to_contain_text("oma.png")
    expect(page.locator(".hint")).to_have_count(1)
    page.click("#undo")
    expect(page.locator(".hint")).to_have_count(0)


def test_work_is_kept_and_brought_back_where_the_models_fail(visit: Visit) -> None:
    page = visit.page
    keep_hint(page)
    page.route(
        "**/api/v1/models",
        lambda route: route.fulfill(status=500, json={"title": "Broken", "detail": ""}),
    )
    page.reload()
    wait_for_colour(page)
    expect(page.locator(".hint")).to_have_count(1)
    drop(page, ("opa.png", picture(500, 400, "PNG")))
    expect(page.locator("#photo-title")).to_contain_text("opa.png")
    wait_until_kept(page, "(photos) => photos.length === 2")
    page.unroute("**/api/v1/models")
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#film .tile:not(.add)")).to_have_count(2)
    visit.errors = [text for text in visit.errors if "500" not in text]


def test_a_page_opened_while_the_server_is_away_goes_on_when_it_is_back(visit: Visit) -> None:
    page = visit.page
    drop(page, PHOTO)
    wait_for_colour(page)
    wait_until_kept(page, "(photos) => photos.length === 1")
    page.route("**/api/**", lambda route: route.abort())
    page.reload()
    expect(page.locator("#notice")).to_contain_text("No answer from koalarize")
    page.unroute("**/api/**")
    wait_for_colour(page)
    expect(page.locator("#photo-title")).to_contain_text("oma.png")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#model option")).not_to_have_count(0)
    visit.errors = [text for text in visit.errors if "ERR_FAILED" not in text]


def test_a_hint_has_a_reach_of_its_own(visit: Visit) -> None:
    page = visit.page
    open_hint(page)
    name_colour(page, "wine red")
    bodies = asked_for(page)
    before = colourings(page)
    reach = page.get_by_label("Reach of this hint")
    assert "as all others" in (reach.get_attribute("aria-valuetext") or "")
    reach.fill("10")
    wait_for_colour(page, before)
    assert bodies[-1]["steering"]["hints"][0]["reach"] == pytest.approx(0.075, abs=0.001)
    before = colourings(page)
    reach.dblclick()
    wait_for_colour(page, before)
    assert bodies[-1]["steering"]["hints"][0]["reach"] is None


def test_a_place_is_protected(visit: Visit) -> None:
    page = visit.page
    open_hint(page)
    now = page.locator("#editor .pick-row button").nth(1)
    expect(now).to_be_enabled()
    bodies = asked_for(page)
    before = colourings(page)
    now.click()
    wait_for_colour(page, before)
    (hint,) = bodies[-1]["steering"]["hints"]
    assert hint["color"].startswith("#")
    expect(now).to_have_attribute("aria-pressed", "true")


def test_an_open_editor_has_no_stray_ring(visit: Visit) -> None:
    page = visit.page
    open_hint(page)
    chip = page.locator("#editor .chip.empty").bounding_box()
    editor = page.locator("#editor").bounding_box()
    assert chip is not None
    assert editor is not None
    assert chip["width"] < 60 < editor["width"]


#: Ctrl+Z where the keyboard writes Cyrillic.
AS_RUSSIAN = """() => {
  const how = {key: "я", code: "KeyZ", ctrlKey: true, bubbles: true};
  document.body.dispatchEvent(new KeyboardEvent("keydown", how));
}"""


def test_everything_is_reset_and_brought_back(visit: Visit) -> None:
    page = visit.page
    open_hint(page)
    name_colour(page, "field grey")
    page.keyboard.press("Escape")
    page.locator("#warmth").fill("0.5")
    page.click("#reset-all")
    expect(page.locator(".hint")).to_have_count(0)
    assert page.locator("#warmth").input_value() == "0"
    expect(page.locator("#reset-all")).to_be_hidden()
    expect(page.locator("#vividness")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator(".hint")).to_have_count(1)
    assert page.locator("#warmth").input_value() == "0.5"
    for button in ("#clear-hints", "#hint-list .icon-button"):
        page.click(button)
        expect(page.locator("#add-hint")).to_be_focused()  # what had the focus is gone
        page.evaluate(AS_RUSSIAN)
        expect(page.locator(".hint")).to_have_count(1)


def test_only_a_full_queue_is_asked_again_and_until_there_is_a_turn(visit: Visit) -> None:
    page = visit.page
    drop(page, PHOTO)
    wait_for_colour(page)
    asked: list[str] = []
    slug = ["timed-out"]

    def refuse(route):
        asked.append(slug[0])
        status = 503 if slug[0] == "timed-out" else 429
        problem = {"type": f"urn:koalarize:problem:{slug[0]}", "title": "Took too long"}
        body = json.dumps({**problem, "status": status, "detail": "it did"})
        headers = {"retry-after": "0.02"}
        route.fulfill(status=status, body=body, headers=headers)

    page.route("**/preview", refuse)
    page.locator("#vividness").fill("1.4")
    expect(page.locator("#notice")).to_contain_text("Took too long")
    page.wait_for_timeout(1500)
    first = len(asked)  # the slider moving, and the slider let go
    assert first <= 2
    page.wait_for_timeout(1500)
    assert len(asked) == first
    slug[0] = "busy"
    page.locator("#vividness").fill("1.3")
    # A page once gave up after a dozen times; here it asks for the slider moving, and let go.
    for _ in range(200):
        if len(asked) > first + 26:
            break
        page.wait_for_timeout(50)
    assert len(asked) > first + 26
    before = colourings(page)
    page.unroute("**/preview")
    wait_for_colour(page, before)  # so that nothing that was refused is told of any more
    expect(page.locator("#status")).to_contain_text("Coloured in")  # at once: it waits no longer
    visit.errors = [text for text in visit.errors if "503" not in text and "429" not in text]


def test_saving_is_cancelled(visit: Visit) -> None:
    page = visit.page
    drop(page, PHOTO)
    wait_for_colour(page)
    page.route("**/render", lambda route: time.sleep(0))
    page.set_viewport_size({"width": 853, "height": 533})  # 1280 x 800 at 150 %
    page.click("#save")
    page.locator("#close-all").scroll_into_view_if_needed()
    expect(page.locator("#close-all")).to_be_in_viewport(ratio=1)
    page.click("[data-format=png]")
    page.click("#cancel-save")
    expect(page.locator("#status")).to_contain_text("cancelled")
    said, bar = (page.locator(one).bounding_box() for one in ("#status", ".toolbar"))
    assert said is not None
    assert bar is not None
    assert said["y"] + said["height"] <= bar["y"]
    expect(page.locator("#cancel-save")).to_be_hidden()
    expect(page.locator("#save")).not_to_have_attribute("aria-busy", "true")
    page.unroute("**/render")


def test_before_and_after_in_one_picture(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    page.locator(".example").first.click()
    wait_for_colour(page)
    path = save(page, "#save-pair", tmp_path / "pair.jpg")
    with Image.open(path) as pair:
        assert pair.format == "JPEG"
        levels = np.asarray(pair).astype(int)
        if pair.width > pair.height:
            levels = levels.swapaxes(0, 1)
    middle = len(levels) // 2
    spread = levels.max(axis=2) - levels.min(axis=2)
    assert spread[: middle - 16].max() <= 2
    assert spread[middle + 16 :].max() > 20
    assert levels[middle - 3 : middle + 3].min() > 240


def test_a_closed_page_gives_its_photos_up(visit: Visit) -> None:
    page = visit.page
    second = """async () => {
      const {Keeping} = await import("/static/js/keeping.js");
      const said = [];
      await new Keeping(null, {complain: ({title}) => said.push(title)}).start();
      return said;
    }"""
    assert page.evaluate(second) == ["The studio is open in another tab"]
    drop(page, PHOTO)
    wait_for_colour(page)
    with page.expect_request("**/photos/leave") as told:
        page.evaluate("dispatchEvent(new Event('pagehide'))")  # a reload's own is not seen here
    assert len(json.loads(told.value.post_data)["ids"]) == 1
