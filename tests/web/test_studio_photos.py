"""The studio in a real browser: how photos come, go, are shown, shared and saved together."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Request, expect

import koalarize
from koalarize.photo.files import read_extensions
from pages import (
    IN_A_BROWSER,
    WAIT,
    Visit,
    colourings,
    drop,
    name_colour,
    spot,
    wait_for_colour,
)
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(600, 400, "PNG"))
OPA = ("opa.png", picture(300, 200, "PNG"))
MOVING = (
    "oma.png",
    picture(90, 60, "PNG", save_all=True, append_images=[Image.new("L", (90, 60))]),
)
HEIC = ("uncle.heic", b"\0\0\0\x18ftypheic" + bytes(300))


#: Whether anything is drawn in the middle of a canvas.
DRAWN = """(selector) => {
  const canvas = document.querySelector(selector);
  const middle = canvas?.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
  return middle?.data[3] > 0;
}"""


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit
    visit.errors = [text for text in visit.errors if "415" not in text]
    visit.leave()


def download(page: Page, choose: str, path: Path) -> Path:
    page.click("#save")
    with page.expect_download(timeout=WAIT) as downloaded:
        page.click(choose)
    downloaded.value.save_as(path)
    return path


def shown(page: Page, x: float, y: float) -> list[int]:
    """The levels of the viewer's canvas at a place of the window."""
    return page.evaluate(
        """([x, y]) => {
          const canvas = document.querySelector("koala-viewer canvas");
          const box = canvas.getBoundingClientRect();
          const data = canvas.getContext("2d").getImageData(x - box.x, y - box.y, 1, 1).data;
          return Array.from(data.slice(0, 3));
        }""",
        [x, y],
    )


def test_a_colour_is_called_as_the_person_called_it(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "Wine")
    expect(page.locator("#editor strong")).to_have_text("Wine")
    expect(page.locator("#hint-list li")).to_contain_text("wine")
    expect(page.get_by_label("Colour name or #rrggbb")).to_have_value("wine")
    name_colour(page, "tomato")  # a name of CSS alone
    expect(page.locator("#hint-list li")).to_contain_text("tomato")
    page.wait_for_timeout(700)  # work is kept once nothing has changed for 300 ms
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#hint-list li")).to_contain_text("tomato")


def test_a_hint_in_the_half_before_shows_after(visit: Visit) -> None:
    page = visit.page
    page.locator(".example").first.click()
    wait_for_colour(page)
    suit = spot(page, 180, 420, 512, 512)
    assert np.ptp(shown(page, *suit)) <= 2
    page.mouse.click(*suit)
    name_colour(page, "orange")
    page.wait_for_timeout(300)
    assert np.ptp(shown(page, suit[0] + 20, suit[1])) > 20
    divider = page.get_by_role("slider", name="Divider")
    assert int(divider.get_attribute("aria-valuenow") or 50) < 35
    page.keyboard.press("Escape")
    expect(divider).to_have_attribute("aria-valuenow", "50")


def test_the_file_shows_while_it_is_on_its_way(visit: Visit) -> None:
    page = visit.page
    held = []
    page.route("**/photos?name=*", lambda route: held.append(route))
    page.locator(".example").first.click()
    expect(page.locator("#arriving")).to_contain_text("%")
    middle = spot(page, 256, 256, 512, 512)
    page.wait_for_function("document.querySelector('koala-viewer canvas').width > 400")
    page.wait_for_timeout(300)
    assert max(shown(page, *middle)) > 0
    held[0].continue_()
    wait_for_colour(page)
    expect(page.locator("#arriving")).to_be_hidden()
    page.unroute("**/photos?name=*")


def test_edits_are_copied_to_others(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA, OPA, HEIC)
    wait_for_colour(page)
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "teal")
    page.keyboard.press("Escape")
    before = colourings(page)
    page.locator("#vividness").fill("1.4")
    wait_for_colour(page, before)
    page.wait_for_function(DRAWN, arg="#film .tile-place:nth-child(2) canvas")
    page.click("#copy-edits")
    expect(page.locator("#copy-list label")).to_have_text(["opa.png"])
    assert page.evaluate(DRAWN, "#copy-list canvas")
    page.check("#copy-hints")
    page.click("#copy-now")
    expect(page.locator("#status")).to_contain_text("Copied to 1 photo;")

    def shows_colour(asked: Request) -> bool:
        return asked.url.endswith("/preview") and "vividness" in (asked.post_data or "")

    with page.expect_request(shows_colour) as asked:
        page.locator("#film .tile").nth(1).click()
    steering = json.loads(asked.value.post_data or "{}")["steering"]
    assert steering["vividness"] == 1.4
    (hint,) = steering["hints"]
    assert (hint["x"], hint["y"]) == pytest.approx((240, 165), abs=2)
    expect(page.locator("#photo-title")).to_contain_text("opa.png")
    page.click("#undo")
    assert page.locator("#vividness").input_value() == "1"
    expect(page.locator(".hint")).to_have_count(0)


def test_edits_are_not_offered_to_photos_that_cannot_be_used(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA, HEIC)
    wait_for_colour(page)
    expect(page.locator("#film .failed")).to_have_count(1)
    expect(page.locator("#copy-edits")).to_be_hidden()
    drop(page, OPA)
    expect(page.locator("#copy-edits")).to_be_visible()


def test_all_photos_are_saved_as_one_zip_and_failures_are_named(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    drop(page, OMA, HEIC, MOVING, ("twin.png", OMA[1]))
    wait_for_colour(page)
    page.locator("#warmth").fill("0.2")
    page.click("#copy-edits")
    page.click("#copy-now")
    unsaved = page.locator("#film .unsaved")
    expect(unsaved).to_have_count(3)
    path = download(page, "#save-all", tmp_path / "all.zip")
    with zipfile.ZipFile(path) as together:
        assert together.testzip() is None
        assert together.namelist() == ["oma.color.png", "oma (2).color.png", "twin.color.png"]
        sizes = [Image.open(io.BytesIO(together.read(name))).size for name in together.namelist()]
    assert sizes == [(600, 400), (90, 60), (600, 400)]
    said = page.locator("#save-problem")
    expect(said).to_contain_text("3 of 4 photos are in the ZIP file")
    expect(said).to_contain_text("uncle.heic: The file is a HEIC picture")
    expect(said).to_contain_text("save it as JPEG or PNG")
    noted = page.locator("#notice p")
    expect(noted).to_contain_text("oma.color.png: frame 1 of 2: the others")
    assert noted.inner_text().startswith("oma.")  # as it is shown: names keep their letters
    expect(unsaved).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator("#film .tile").nth(2).click()
    expect(page.locator("#photo-title")).to_contain_text("the first of 2 pictures in its file")


def test_all_photos_as_jpeg_and_all_sessions_are_one_file_each(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    drop(page, OMA, OPA, ("aunt.jpg", picture(90, 60)))
    wait_for_colour(page)
    expect(page.locator("#film .waiting")).to_have_count(0)
    page.click("#save")
    expect(page.locator("#save-sessions")).to_be_hidden()  # nothing is asked of any
    page.keyboard.press("Escape")
    path = download(page, "#save-all-jpeg", tmp_path / "all.zip")
    with zipfile.ZipFile(path) as together:
        names = together.namelist()
        kinds = {Image.open(io.BytesIO(together.read(name))).format for name in names}
    assert (names, kinds) == (["oma.color.jpg", "opa.color.jpg", "aunt.color.jpg"], {"JPEG"})
    page.locator("#warmth").fill("0.2")
    page.click("#copy-edits")
    page.locator("#copy-list input").first.uncheck()
    page.click("#copy-now")
    path = download(page, "#save-sessions", tmp_path / "sessions.zip")
    with zipfile.ZipFile(path) as together:
        sessions = {name: json.loads(together.read(name)) for name in together.namelist()}
    assert list(sessions) == ["oma.koalarize.json", "aunt.koalarize.json"]
    assert [one["steering"]["warmth"] for one in sessions.values()] == [0.2, 0.2]
    expect(page.locator("#film .unsaved")).to_have_count(0)


def test_all_sessions_go_on_past_one_that_fails(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    drop(page, OMA, OPA)
    wait_for_colour(page)
    expect(page.locator("#film .waiting")).to_have_count(0)
    page.locator("#warmth").fill("0.2")
    page.click("#copy-edits")
    page.click("#copy-now")
    expect(page.locator("#film .unsaved")).to_have_count(2)
    page.route(  # of the first photo alone
        f"**/photos/{hashlib.sha256(OMA[1]).hexdigest()}/session",
        lambda route: route.fulfill(status=415, json={"title": "No", "detail": "not today"}),
    )
    path = download(page, "#save-sessions", tmp_path / "sessions.zip")
    with zipfile.ZipFile(path) as together:
        assert together.namelist() == ["opa.koalarize.json"]
    said = page.locator("#save-problem")
    expect(said).to_contain_text("1 of 2 sessions are in the ZIP file. Not saved:")
    expect(said).to_contain_text("oma.png: Not today")
    expect(page.locator("#film .unsaved")).to_have_count(1)


def test_a_copy_to_several_photos_is_one_step_of_undo(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA, OPA, ("aunt.jpg", picture(90, 60)))
    wait_for_colour(page)
    expect(page.locator("#film .waiting")).to_have_count(0)
    page.locator("#warmth").fill("0.2")
    page.click("#copy-edits")
    page.click("#copy-now")
    unsaved, said = page.locator("#film .unsaved"), page.locator("#status")
    expect(unsaved).to_have_count(3)
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: copy to 2 photos")
    page.click("#undo")
    expect(said).to_have_text("Undone: copy to 2 photos")
    expect(unsaved).to_have_count(1)
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: warmth")
    page.click("#redo")
    expect(said).to_have_text("Done again: copy to 2 photos")
    expect(unsaved).to_have_count(3)
    page.locator("#film .tile").nth(1).click()
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: warmth")
    page.click("#undo")  # of this photo alone
    expect(unsaved).to_have_count(2)
    page.locator("#film .tile").nth(0).click()
    page.click("#undo")
    expect(said).to_have_text("Undone: copy to 1 photo; 1 photo changed since")
    expect(unsaved).to_have_count(1)


def drop_folder(visit: Visit, folder: Path) -> None:
    """Drag a folder onto the page; what it drags is a real one."""
    devtools = visit.context.new_cdp_session(visit.page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 400, "data": data})


def test_every_kind_that_is_read_is_taken_from_a_folder() -> None:
    taking = Path(koalarize.__file__).parent / "web/studio/static/js/taking.js"
    (kinds,) = re.findall(r"^  /\\\.\((.*)\)\$/i;$", taking.read_text("utf-8"), re.MULTILINE)
    assert not [one for one in read_extensions() if not re.fullmatch(kinds, one[1:])]


def test_closed_photos_are_among_the_recent_ones_until_forgotten(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    (tmp_path / OMA[0]).write_bytes(OMA[1])
    (tmp_path / "notes.txt").write_text("of the box")
    drop_folder(visit, tmp_path)
    wait_for_colour(page)
    expect(page.locator("#notice")).to_contain_text("No picture, or not readable: notes.txt.")
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "teal")
    page.keyboard.press("Escape")
    page.click("#save")
    page.click("#close-all")
    expect(page.locator("#recents button")).to_have_count(1)
    page.wait_for_timeout(700)
    page.reload()
    page.click("#recents button")
    wait_for_colour(page)
    expect(page.locator(".hint")).to_have_count(1)
    page.click("#save")
    page.click("#close-all")
    page.click("#forget-recent")
    expect(page.locator("#recent")).to_be_hidden()
    page.wait_for_timeout(700)
    count = """() => new Promise((done) => {
      indexedDB.open("koalarize", 1).onsuccess = (event) => {
        const store = event.target.result.transaction("files").objectStore("files");
        store.count().onsuccess = (found) => done(found.target.result);
      };
    })"""
    assert page.evaluate(count) == 0


def test_a_page_with_a_slider_needs_nothing_else(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    page.locator(".example").first.click()
    wait_for_colour(page)
    path = download(page, "#save-slider", tmp_path / "slider.html")
    text = path.read_text(encoding="utf-8")
    assert "http" not in text
    other = visit.context.new_page()
    other.goto(path.as_uri())
    other.locator("input").fill("20")
    image = Image.open(io.BytesIO(other.screenshot())).convert("RGB")
    box = other.locator("main").bounding_box()
    assert box is not None
    levels = np.asarray(image).astype(int)
    spread = (levels.max(axis=2) - levels.min(axis=2))[
        round(box["y"]) + 5 : round(box["y"] + box["height"]) - 5
    ]
    left, width = round(box["x"]), box["width"]
    assert spread[:, left + 4 : left + round(0.19 * width)].max() <= 3
    assert spread[:, left + round(0.22 * width) : left + round(0.9 * width)].max() > 40


def test_icons_and_the_good_sentence_stay_without_the_server(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    page.route("**/*", lambda route: route.abort())
    page.locator("#vividness").fill("1.5")
    expect(page.locator("#notice")).to_contain_text("Nothing is lost")
    page.wait_for_timeout(500)
    expect(page.locator("#notice")).to_contain_text("Nothing is lost")
    box = page.locator("#notice .icon-warning use").bounding_box()
    assert box is not None
    assert box["width"] > 5  # it is drawn
    page.unroute("**/*")
    expect(page.locator("#notice")).to_be_hidden()
    visit.errors = [text for text in visit.errors if "ERR_FAILED" not in text]


def test_the_theme_button_shows_one_icon_in_its_middle(visit: Visit) -> None:
    page = visit.page
    for _ in range(3):
        seen = page.locator("#theme .icon:visible")
        expect(seen).to_have_count(1)
        icon, button = seen.bounding_box(), page.locator("#theme").bounding_box()
        assert icon is not None
        assert button is not None
        for side, size in (("x", "width"), ("y", "height")):
            middle = button[side] + button[size] / 2
            assert icon[side] + icon[size] / 2 == pytest.approx(middle, abs=1)
        page.click("#theme")


def test_a_session_that_waits_is_said_above_the_start_card(visit: Visit) -> None:
    page = visit.page
    drop(page, ("package.json", b'{"name": "x"}'))
    expect(page.locator("#notice")).to_contain_text("Not a session")
    session = {"format": "koalarize-session-1", "photo": {"name": "oma.png", "sha256": "0" * 64}}
    drop(page, ("a.koalarize.json", json.dumps(session).encode()))
    status = page.locator("#status")
    expect(status).to_contain_text("Session ready")
    on_top = """() => {
      const status = document.querySelector("#status");
      const box = status.getBoundingClientRect();
      status.style.pointerEvents = "auto";
      const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return found === status;
    }"""
    assert page.evaluate(on_top)


def test_the_top_of_the_first_page_can_be_reached_in_a_low_window(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 480})
    stage, card = (visit.page.locator(one).bounding_box() for one in ("#empty", ".empty-card"))
    assert stage is not None
    assert card is not None
    assert card["height"] > stage["height"]
    assert card["y"] >= stage["y"]


def test_the_panel_does_not_jump_when_colourings_come(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    first = page.locator("#vividness").bounding_box()
    page.wait_for_selector("#alternatives button:nth-of-type(2)")
    assert page.locator("#vividness").bounding_box() == pytest.approx(first, abs=0.5)


def test_the_photo_is_printed_alone_and_cropped(visit: Visit) -> None:
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    page.click("#crop")
    page.locator(".crop-corner").nth(3).press("Shift+ArrowLeft")
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".topbar")).to_be_hidden()
    printed = page.locator("#printed")
    expect(printed).to_be_visible()
    crop = page.locator(".crop-bar span").evaluate("(size) => size.textContent")
    size = printed.evaluate("(canvas) => [canvas.width, canvas.height]")
    across, down = (int(part) for part in crop.split(" × "))
    assert size[0] / size[1] == pytest.approx(across / down, rel=0.02)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(printed).to_have_count(0)
    expect(page.locator(".topbar")).to_be_visible()


def test_a_small_version_is_never_shown_as_squares(visit: Visit) -> None:
    page = visit.page
    drop(page, ("large.jpg", picture(1800, 1200)))
    wait_for_colour(page)
    page.route("**/region", lambda route: None)  # its detail never comes
    page.focus("#vividness")  # a slider takes no letters
    page.keyboard.press("c")
    expect(page.locator("#compare")).to_have_attribute("aria-pressed", "false")
    page.evaluate("() => { const viewer = document.querySelector('#viewer'); viewer.zoomBy(100); }")
    page.wait_for_timeout(300)
    middle = spot(page, 900, 600, 1800, 1200)
    row = [shown(page, middle[0] + step, middle[1]) for step in range(12)]
    assert len({tuple(levels) for levels in row}) > 3  # squares would be alike
    page.unroute("**/region")


def test_a_phone_on_its_side_has_room_for_the_photo(browser: Browser, address: str) -> None:
    size = {"width": 740, "height": 360}
    visit = Visit(browser, address, viewport=size, has_touch=True, is_mobile=True)
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    stage, viewer = page.locator("#stage").bounding_box(), page.locator("#viewer").bounding_box()
    assert stage is not None
    assert viewer is not None
    assert viewer["height"] == stage["height"] > 300
    page.touchscreen.tap(viewer["x"] + viewer["width"] / 2 + 60, 200)
    page.wait_for_selector("#editor .swatch .paint")
    editor = page.locator("#editor").bounding_box()
    assert editor is not None
    assert editor["x"] >= 360
    assert editor["x"] + editor["width"] == 740
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    visit.leave()
