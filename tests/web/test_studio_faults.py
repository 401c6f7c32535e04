"""The studio in a real browser where something comes in between: restarts, reloads, cancelling."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Route, expect
from restarted import Here, here

from pages import (
    IN_A_BROWSER,
    WAIT,
    Visit,
    colourings,
    drop,
    drop_and_wait,
    leave_empty,
    save,
    spot,
    wait_for_colour,
)
from rest import film_of, picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))
OPA = ("opa.png", picture(50, 40, "PNG"))
COLOURED = io.BytesIO()
Image.fromarray(np.full((40, 60, 3), (60, 90, 200), np.uint8)).save(COLOURED, "PNG")
AWAY = ("ERR_", "404")  # what a browser says of a service that is away, or has forgotten a photo

#: Resolves to how many photos are kept, work and files.
KEPT = """() => new Promise((resolve) => {
  const opening = indexedDB.open("koalarize", 1);
  opening.onsuccess = () => {
    const stores = opening.result.transaction(["work", "files"]);
    const counts = ["work", "files"].map((name) => stores.objectStore(name).count());
    stores.oncomplete = () => resolve(counts.map(({ result }) => result));
  };
})"""


CHANGED_AND_CLOSED = """() => {
  const slider = document.querySelector("#vividness");
  slider.value = 1.5;
  for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind, { bubbles: true }));
  document.querySelector("#close-all").click();
}"""


@pytest.fixture(scope="module")
def service() -> Iterator[Here]:
    with here() as found:
        yield found


@pytest.fixture(scope="module")
def visit(browser: Browser, service: Here) -> Iterator[Visit]:
    visit = Visit(browser, service.address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit
    visit.leave(*AWAY)


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """One page for all tests; each leaves it empty."""
    page = visit.page
    yield page
    page.emulate_media(forced_colors="none")
    leave_empty(page)


def uploads(page: Page) -> list[str]:
    """The names of what is uploaded from now on."""
    found: list[str] = []

    def note(asked: object) -> None:
        url = str(getattr(asked, "url", ""))
        if "/photos?name=" in url:
            found.append(url.rpartition("=")[2])

    page.on("request", note)
    return found


def test_new_photos_are_kept_at_once(page: Page) -> None:
    # Nothing that waits a while happens before it is looked.
    page.evaluate(
        """() => {
          window.realTimeout = window.setTimeout;
          window.setTimeout = (work, wait) => (wait < 200 ? window.realTimeout(work, wait) : 0);
        }"""
    )
    drop(page, OMA, OPA)
    assert page.evaluate(KEPT) == [2, 2]
    page.evaluate("() => { window.setTimeout = window.realTimeout; }")


def test_what_changes_without_a_pause_is_kept_now_and_then(page: Page) -> None:
    calls = page.evaluate(
        """async () => {
          const { debounce } = await import("/static/js/dom.js");
          const real = [window.setTimeout, window.clearTimeout];
          let [clock, due] = [0, []];
          performance.now = () => clock;
          window.setTimeout = (work, wait) => due.push({ work, at: clock + wait });
          window.clearTimeout = (number) => number && (due[number - 1].at = Infinity);
          const calls = { busy: 0, patient: 0 };
          const busy = debounce(() => (calls.busy += 1), 300, 2000);
          const patient = debounce(() => (calls.patient += 1), 300);
          for (; clock < 7000; clock += 100) {
            for (const timer of due.filter(({ at }) => at <= clock)) {
              timer.at = Infinity;
              timer.work();
            }
            busy();
            patient();
          }
          delete performance.now;
          [window.setTimeout, window.clearTimeout] = real;
          return calls;
        }"""
    )
    assert calls == {"busy": 3, "patient": 0}


def test_redo_outlives_a_reload(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.locator("#warmth").fill("0.4")
    page.locator("#tint").fill("0.2")
    page.click("#undo")
    page.click("#undo")
    expect(page.locator("#redo")).to_be_enabled()
    page.wait_for_timeout(500)  # what is kept is kept a moment later
    page.reload()
    wait_for_colour(page)
    page.click("#redo")
    expect(page.locator("#warmth")).to_have_value("0.4")
    expect(page.locator("#tint")).to_have_value("0")
    page.click("#redo")
    expect(page.locator("#tint")).to_have_value("0.2")
    expect(page.locator("#redo")).to_be_disabled()


def test_a_reload_uploads_only_what_the_service_has_no_longer(page: Page) -> None:
    drop_and_wait(page, OMA, OPA)
    expect(page.locator("#film .waiting")).to_have_count(0)
    page.wait_for_timeout(500)  # what is kept is kept a moment later
    sent = uploads(page)
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#film .waiting")).to_have_count(0)
    assert sent == []
    opa = hashlib.sha256(OPA[1]).hexdigest()
    page.evaluate("(id) => fetch(`api/v1/photos/${id}`, { method: 'DELETE' })", opa)
    page.wait_for_timeout(500)
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#film .waiting")).to_have_count(0)
    assert sent == ["opa.png"]


#: As browsers do where site data are blocked, and where there is no room for work.
BLOCKED = """
IDBFactory.prototype.open = () => { throw new DOMException("denied", "SecurityError"); };
LockManager.prototype.request = async () => { throw new DOMException("denied", "SecurityError"); };
"""
NO_ROOM = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (...words) {
  if (this.name === "work") queueMicrotask(() => this.transaction.abort());
  return put.apply(this, words);
};
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [(BLOCKED, "keeps nothing for the studio"), (NO_ROOM, "would lose what you did last")],
)
def test_what_this_browser_does_not_keep_is_said(
    browser: Browser, service: Here, script: str, said: str
) -> None:
    page = browser.new_page()
    page.add_init_script(script)
    page.goto(service.address)
    page.wait_for_selector(".example")
    expect(page.locator("#notice")).to_be_hidden()  # there is nothing to lose yet
    drop_and_wait(page, OMA)
    expect(page.locator("#notice")).to_contain_text(said)
    page.close()


def test_data_that_are_deleted_in_the_browser_are_said(browser: Browser, service: Here) -> None:
    page = browser.new_page()
    page.goto(service.address)
    page.wait_for_selector(".example")
    drop_and_wait(page, OMA)
    told = {"origin": service.address.rstrip("/"), "storageTypes": "indexeddb"}
    page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", told)
    expect(page.locator("#notice")).to_contain_text("keeps nothing for the studio")
    page.close()


def test_a_photo_that_the_service_forgot_is_uploaded_once(page: Page) -> None:
    sent = uploads(page)
    answers = page.evaluate(
        """async (bytes) => {
          const { Studio } = await import("/static/js/studio.js");
          const { Photo } = await import("/static/js/photos.js");
          const { Problem } = await import("/static/js/api.js");
          const studio = new Studio();
          const photo = new Photo(new File([Uint8Array.from(bytes)], "oma.png"));
          photo.info = { id: "forgotten", width: 60, height: 40 };
          const later = (wait) => async (id) => {
            await new Promise((resolve) => setTimeout(resolve, id === "forgotten" ? wait : 0));
            if (id === "forgotten") throw new Problem("Gone", "", { status: 404 });
            return id.length;
          };
          // The last one learns of it when the photo is there again.
          return Promise.all([1, 1, 800].map((wait) => studio.tried(photo, later(wait))));
        }""",
        list(OMA[1]),
    )
    assert answers == [64, 64, 64]
    assert sent == ["oma.png"]


def test_colourings_come_after_the_service_was_away(page: Page) -> None:
    page.route("**/alternatives", lambda asked: asked.abort())
    drop_and_wait(page, OMA)
    expect(page.locator("#notice")).to_contain_text("does not answer")
    expect(page.locator("#alternatives .loading")).to_have_count(6)
    page.unroute("**/alternatives")
    expect(page.locator("#alternatives button").first).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()


def test_a_photo_that_is_removed_stops_its_upload(page: Page) -> None:
    page.route("**/photos?name=oma.png", lambda asked: None)  # it takes for ever
    drop(page, OMA, OPA)
    expect(page.locator("#arriving")).to_be_visible()
    sent = uploads(page)
    since = colourings(page)
    with page.expect_event("requestfailed", lambda asked: "oma.png" in asked.url):
        page.locator(".tile-place .remove").first.dispatch_event("click")
    wait_for_colour(page, since)
    assert sent == ["opa.png"]
    expect(page).to_have_title("opa.png – Koalarize studio")


def test_a_photo_that_is_closed_just_after_a_change_is_not_asked_for(page: Page) -> None:
    drop_and_wait(page, OMA)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.evaluate(CHANGED_AND_CLOSED)
    page.wait_for_timeout(200)  # a change is asked for after 40 ms
    assert troubles == []


@pytest.mark.parametrize("choose", ["#save-session", "#save-all"])
def test_saving_is_cancelled_wherever_it_waits(page: Page, choose: str) -> None:
    page.route("**/session", lambda asked: None)
    page.route("**/photos?name=opa.png", lambda asked: None)
    drop_and_wait(page, OMA, OPA)
    page.click("#save")
    page.click(choose)
    page.click("#cancel-save")
    expect(page.locator("#status")).to_have_text("Saving was cancelled")
    expect(page.locator("#save span")).to_have_text("Save")


def test_a_late_colouring_does_not_take_the_place_of_saved(page: Page, tmp_path: Path) -> None:
    drop_and_wait(page, OMA)
    held: list[Route] = []
    page.route("**/preview", lambda route: held.append(route))
    page.locator("#vividness").fill("1.5")
    save(page, "[data-format=png]", tmp_path / "oma.png")
    expect(page.locator("#status")).to_contain_text("Saved")
    since = colourings(page)
    page.route("**/preview", lambda route: route.continue_())  # the newest rule counts
    for route in held:
        route.continue_()
    wait_for_colour(page, since)
    expect(page.locator("#status")).to_contain_text("Saved")


def test_a_double_click_shows_a_small_photo_at_its_size_and_back(page: Page) -> None:
    drop_and_wait(page, OMA)
    shown = page.locator("#actual")
    for text in ("400 %", "100 %", "400 %"):
        expect(shown).to_have_text(text)
        page.mouse.dblclick(*spot(page, 35, 20, 60, 40))


def test_the_photos_colours_stay_under_a_persons_own(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    drop_and_wait(page, OMA)
    page.mouse.click(*spot(page, 35, 20, 60, 40))
    page.locator("#editor .swatch").first.click()
    for part in ("#editor .swatch:first-child .paint", "#editor .chip.big", "#hint-list .chip"):
        place = page.locator(part)
        wanted = place.evaluate("(element) => element.style.background")
        image = Image.open(io.BytesIO(place.screenshot(animations="disabled"))).convert("RGB")
        red, green, blue = np.asarray(image)[image.height // 2, image.width // 2]
        assert wanted == f"rgb({red}, {green}, {blue})"


def test_a_long_name_leaves_room_for_what_stands_beside_it(page: Page) -> None:
    drop_and_wait(page, (f"{'a long name ' * 9}.png", COLOURED.getvalue()))
    name, size = page.locator("#photo-title > *").all()
    expect(size).to_contain_text("its own colours are replaced")
    for width in (640, 800, 1280):
        page.set_viewport_size({"width": width, "height": 800 if width > 1000 else 400})
        parts = (name, size, page.locator("#undo"))
        first, second, after = (part.bounding_box() for part in parts)
        assert first and second and after
        assert first["width"] > 60
        assert first["x"] + first["width"] <= second["x"]
        assert second["x"] + second["width"] <= after["x"]


def test_a_photo_that_is_not_here_yet_is_not_shown_as_the_last_one(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.route("**/photos?name=opa.tif", lambda asked: None)
    drop(page, ("opa.tif", picture(60, 40, "TIFF")))
    expect(page.locator("#arriving")).to_be_visible()
    page.wait_for_timeout(100)  # until it is drawn
    paint = "(canvas) => canvas.getContext('2d').getImageData(480, 300, 1, 1).data[3]"
    assert page.locator("koala-viewer canvas").evaluate(paint) == 0
    expect(page.locator(".divider")).to_be_hidden()


def test_a_film_that_the_service_forgot_is_not_taken_for_downloaded(
    page: Page, service: Here, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="needs the extra `video`")
    film = ("oma.mp4", film_of(tmp_path / "oma.mp4", shots=((3, 8), (8, 8), (9, 8))))
    drop_and_wait(page, film)
    unsaved, state = page.locator("#film .tile-place.unsaved"), page.locator("#film-state")
    page.locator("#warmth").fill("0.4")
    page.click("#film-render")
    expect(page.locator("#film-download")).to_be_visible(timeout=WAIT)
    expect(state).to_have_text("The film is coloured.")

    page.click("#save")  # a picture of a frame holds nothing of its film
    with page.expect_download():
        page.click("[data-format=png]")
    expect(page.locator("#status")).to_contain_text("Saved oma, shot 1.color.png")
    expect(unsaved).to_have_count(1)

    remove = page.locator("#film .tile-place .remove")
    remove.last.dispatch_event("click")
    expect(state).to_have_text("The film is coloured.")  # nothing was asked of that shot
    remove.first.dispatch_event("click")
    expect(state).to_contain_text("before you removed a shot")
    tiles = page.locator("#film .tile:not(.add)")
    expect(tiles).to_have_count(1)
    page.locator("#model").select_option("plain")
    drop(page, film)  # opened again, it brings back what was removed
    expect(tiles).to_have_count(3)
    expect(page).to_have_title("oma, shot 1 – Koalarize studio")
    expect(page.locator("#model")).to_have_value("plain")

    page.locator("#warmth").fill("0.2")
    page.click("#film-render")
    expect(state).to_have_text("The film is coloured.", timeout=WAIT)
    service.stop()
    service.start()
    page.click("#film-download")
    expect(page.locator("#film-problem")).to_contain_text("colour it again")
    expect(page.locator("#film-download")).to_be_hidden()
    expect(unsaved).to_have_count(3)
    page.click("#film-render")
    expect(state).to_have_text("The film is coloured.", timeout=WAIT)
    with page.expect_download():
        page.click("#film-download")
    expect(unsaved).to_have_count(0)


def test_the_focus_is_not_lost_with_the_hint_that_undo_takes_away(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.mouse.click(*spot(page, 35, 20, 60, 40))
    page.locator("#editor .swatch").first.click()
    page.keyboard.press("Escape")
    expect(page.locator("#hints .hint")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator("#hints .hint")).to_have_count(0)
    expect(page.locator("#viewer")).to_be_focused()


def test_a_step_is_called_by_what_a_person_did(page: Page) -> None:
    steps = page.evaluate(
        """async () => {
          const { stepBetween } = await import("/static/js/history.js");
          const before = { model: null, alternative: 2, hints: [1], turn: 0 };
          const other = { model: "plain", alternative: 0 };
          const after = [other, { turn: 90, hints: [] }, { turn: 90, model: "plain" }];
          return after.map((change) => stepBetween(before, { ...before, ...change }));
        }"""
    )
    assert steps == ["model", "turn", "several settings"]


def test_text_is_pasted_into_a_field_though_a_picture_comes_with_it(page: Page) -> None:
    drop_and_wait(page, OMA)
    paste = """(field, [text, bytes]) => {
      const clipboardData = new DataTransfer();
      if (text) clipboardData.setData("text/plain", text);
      const file = new File([Uint8Array.from(bytes)], "image.png", { type: "image/png" });
      clipboardData.items.add(file);
      const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      field.dispatchEvent(paste);
      return paste.defaultPrevented;
    }"""
    field = page.locator("#recolor-was")
    assert not field.evaluate(paste, ["navy", list(OPA[1])])
    assert page.locator("#viewer").evaluate(paste, ["navy", list(OPA[1])])
    assert field.evaluate(paste, ["", list(OPA[1])])
