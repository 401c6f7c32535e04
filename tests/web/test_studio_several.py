"""The studio in a real browser: what is asked of one photo never becomes another's, nor is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Route, expect

from koalarize import Photo
from pages import IN_A_BROWSER, WAIT, Visit, colourings, drop, name_colour, spot, wait_for_colour
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(600, 400, "PNG"))
OPA = ("opa.png", picture(300, 200, "PNG"))
AUNT = ("aunt.png", picture(320, 200, "PNG"))
#: Another program has written into the file.
RATED = ("opa.png", picture(300, 200, "PNG", dpi=(72, 72)))
REFUSED = ("404", "409", "500", "ERR_")  # errors that a test asks for


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit
    visit.leave(*REFUSED)


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def choose(page: Page, index: int) -> None:
    page.locator("#film .tile:not(.add)").nth(index).click()


def hold(page: Page, name: str) -> list[Route]:
    """Keep the uploads of a file of this name from going on."""
    held: list[Route] = []
    page.route(f"**/photos?name={name}", lambda route: held.append(route))
    return held


def session_of(photo: tuple[str, bytes], **steering: object) -> tuple[str, bytes]:
    digest = hashlib.sha256(photo[1]).hexdigest()
    pixels = Photo.read(photo[1]).digest()
    session = {
        "format": "koalarize-session-1",
        "photo": {"name": photo[0], "sha256": digest, "pixels": pixels},
        "weights": None,
        "steering": steering,
    }
    return f"{photo[0]}.json", json.dumps(session).encode()


def forgotten(page: Page, photo: tuple[str, bytes]) -> None:
    """The service lets a photo go, as after a restart."""
    digest = hashlib.sha256(photo[1]).hexdigest()
    page.evaluate("(id) => fetch(`api/v1/photos/${id}`, {method: 'DELETE'})", digest)


def hint_it(page: Page, name: str = "teal") -> None:
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, name)
    page.keyboard.press("Escape")


def close_all(page: Page) -> None:
    page.click("#save")
    page.click("#close-all")
    expect(page.locator("#empty")).to_be_visible()


def test_straightening_one_photo_leaves_the_next_alone(page: Page) -> None:
    drop(page, OMA, OPA)
    wait_for_colour(page)
    page.click("#level")
    before = colourings(page)
    page.locator("#straighten").fill("5")
    wait_for_colour(page, before)
    choose(page, 1)
    expect(page.locator("#photo-title")).to_contain_text("300 × 200")
    expect(page.locator("#undo")).to_be_disabled()


def test_a_tilt_that_has_not_settled_belongs_to_its_photo(page: Page) -> None:
    drop(page, OMA, OPA)
    wait_for_colour(page)
    page.click("#level")
    page.evaluate(
        """() => {
          const slider = document.querySelector("#straighten");
          slider.value = "5";
          slider.dispatchEvent(new Event("input"));
          document.querySelectorAll("#film .tile:not(.add)")[1].click();
        }"""
    )
    expect(page.locator("#photo-title")).to_contain_text("300 × 200")
    expect(page.locator("#undo")).to_be_disabled()

    def is_upright(asked) -> bool:
        body = json.loads(asked.post_data or "{}")
        return bool(body.get("grey")) and body["steering"]["straighten"] == 5

    with page.expect_request(is_upright):  # the pictures of the old pose are given up
        choose(page, 0)
    expect(page.locator("#photo-title")).not_to_contain_text("600 × 400")
    expect(page.locator("#undo")).to_be_enabled()


def test_a_photo_closed_before_it_is_uploaded_keeps_its_work(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    hint_it(page)
    page.wait_for_timeout(700)
    held = hold(page, "oma.png")
    oma = hashlib.sha256(OMA[1]).hexdigest()
    page.evaluate("(id) => fetch(`api/v1/photos/${id}`, { method: 'DELETE' })", oma)
    page.reload()  # the service has let it go, so it is uploaded again
    page.wait_for_selector("body[data-state=waiting]")
    page.locator("#close-all").evaluate("(button) => button.click()")
    expect(page.locator("#recents button")).to_have_count(1)
    for route in held:
        route.abort()
    page.unroute("**/photos?name=oma.png")
    page.click("#recents button")
    expect(page.locator(".hint")).to_have_count(1)


def test_the_same_file_opened_again_and_closed_costs_no_work(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    hint_it(page)
    close_all(page)
    before = colourings(page)
    drop(page, OMA)
    wait_for_colour(page, before)
    expect(page.locator(".hint")).to_have_count(0)
    close_all(page)
    expect(page.locator("#recents button")).to_have_count(1)
    before = colourings(page)
    page.click("#recents button")
    wait_for_colour(page, before)
    expect(page.locator(".hint")).to_have_count(1)


def test_a_session_waits_for_its_photo_on_its_way(page: Page) -> None:
    held = hold(page, "opa.png")
    drop(page, OMA, OPA, session_of(OPA, vividness=0.5))
    wait_for_colour(page)
    page.wait_for_timeout(300)
    expect(page.locator("#notice")).to_be_hidden()
    held[0].continue_()
    expect(page.locator("#photo-title")).to_contain_text("opa.png")
    assert page.locator("#vividness").input_value() == "0.5"
    page.unroute("**/photos?name=opa.png")


def test_sessions_wait_for_their_photos(page: Page) -> None:
    drop(page, session_of(OMA, vividness=0.5), session_of(OPA, vividness=0.6))
    expect(page.locator("#status")).to_contain_text("Session ready")
    drop(page, OMA, OPA)
    vividness = page.locator("#vividness")
    expect(vividness).to_have_value("0.5")
    page.wait_for_selector("#film .waiting", state="detached")
    choose(page, 1)
    expect(vividness).to_have_value("0.6")


def test_a_session_is_not_that_of_its_reference(page: Page, address: str) -> None:
    drop(page, OMA, RATED)
    wait_for_colour(page)
    page.wait_for_selector("#film .waiting", state="detached")
    reference = page.request.post(f"{address}api/v1/references?name=oma.png", data=OMA[1]).json()
    drop(page, session_of(OPA, reference=reference))
    expect(page.locator("#photo-title strong[dir=auto]")).to_have_text("opa.png")
    expect(page.locator("#notice")).to_be_hidden()
    page.locator("#film .remove").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_focused()


def test_a_session_that_turns_gives_old_pictures_up(page: Page) -> None:
    drop(page, OMA, OPA)
    wait_for_colour(page)
    before = colourings(page)
    choose(page, 1)
    wait_for_colour(page, before)

    def is_turned(asked) -> bool:
        body = json.loads(asked.post_data or "{}")
        return bool(body.get("grey")) and body["steering"]["turn"] == 90

    forgotten(page, OMA)
    with page.expect_request(is_turned):
        drop(page, session_of(OMA, turn=90))
    expect(page.locator("#photo-title")).to_contain_text("400 × 600")


def test_hints_are_copied_to_a_photo_on_its_way(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    hint_it(page)
    held = hold(page, "opa.png")
    page.route("**/photos?name=aunt.png", lambda route: route.fulfill(status=500), times=1)
    drop(page, OPA, AUNT)
    choose(page, 0)
    page.click("#copy-edits")
    page.check("#copy-hints")
    page.click("#copy-now")
    page.click("#undo")  # what was asked at the click is copied
    held[0].continue_()
    page.wait_for_selector("#film .waiting", state="detached")
    choose(page, 1)
    expect(page.locator(".hint")).to_have_count(1)
    choose(page, 2)  # its upload failed
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".hint")).to_have_count(1)
    page.unroute("**/photos?name=opa.png")


def test_a_complaint_outlives_a_preview(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    drop(page, session_of(OPA, vividness=0.6))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The session waits for its photo")
    expect(notice).to_contain_text("belongs to")
    before = colourings(page)
    page.locator("#vividness").fill("1.4")
    wait_for_colour(page, before)
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("belongs to")
    page.route("**/preview", lambda route: route.abort())  # the server goes and comes back
    page.locator("#vividness").fill("1.3")
    expect(notice).to_contain_text("Nothing is lost")
    page.unroute("**/preview")
    expect(notice).to_be_hidden()
    drop(page, RATED)  # the session has waited for it
    expect(page.locator("#vividness")).to_have_value("0.6")


def test_photos_that_fail_among_many_are_named(page: Page) -> None:
    held = hold(page, "aunt.png")
    problem = {"title": "No", "detail": "this is no picture", "type": "not-a-picture"}
    page.route("**/photos?name=no*", lambda route: route.fulfill(status=500, json=problem))
    broken = [(f"no{number}.jpg", b"no") for number in range(2)]
    drop(page, OMA, OPA, *broken, AUNT)
    arriving = page.locator("#photos-arriving")
    expect(arriving).to_have_text("4 of 5 photos uploaded", timeout=WAIT)
    expect(arriving).to_be_visible()
    held[0].continue_()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("2 of 5 photos cannot be used", timeout=WAIT)
    expect(notice).to_contain_text("no0.jpg, no1.jpg: This is no picture")
    expect(arriving).to_be_hidden()
    page.get_by_role("button", name="Remove them").click()
    expect(page.locator("#film .tile:not(.add)")).to_have_count(3)
    expect(notice).to_be_hidden()


#: A strip of forty photos that have come, the 31st of them on the table, and what is done with it.
FORTY = """async () => {
  const { Film } = await import("/static/js/film.js");
  const strip = document.createElement("nav");
  for (const [name, value] of [["display", "flex"], ["overflow-x", "auto"], ["width", "300px"]])
    strip.style.setProperty(name, value);
  document.body.append(strip);
  const asked = [];
  const photos = Array.from({length: 40}, (_, number) => ({title: String(number), info: {}}));
  const tried = async ({title}) => void asked.push(Number(title));
  const parts = {photos, active: photos[30], tried, steering: () => ({})};
  const studio = Object.assign(new EventTarget(), parts);
  const film = new Film(strip, studio, {add() {}});
  film.show();
  %s
}"""
ASKED = """while (asked.length < 39) await new Promise((done) => setTimeout(done));
  strip.remove();
  return asked;"""
#: Which buttons Tab comes to, and which photo is on the table after each key.
KEYS = """studio.select = (photo) => { studio.active = photo; film.show(); };
  const stops = [...strip.querySelectorAll("button")].filter(({tabIndex}) => tabIndex === 0);
  stops[0].focus();
  const on = (key) => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    return document.activeElement.title;
  };
  const found = ["ArrowRight", "Home", "ArrowLeft", "End", "ArrowLeft"].map(on);
  strip.remove();
  return [stops.map((button) => button.ariaLabel), found];"""


def test_small_pictures_come_first_where_the_strip_is_looked_at(page: Page) -> None:
    asked = page.evaluate(FORTY % ASKED)
    assert sorted(asked) == [number for number in range(40) if number != 30]
    assert {27, 28, 29} <= set(asked[:5])


def test_the_film_strip_is_one_stop_and_arrow_keys_go_along_it(page: Page) -> None:
    stops, found = page.evaluate(FORTY % KEYS)
    assert stops == ["30", "Remove 30", "Add photos"]
    assert found == ["31", "0", "0", "39", "38"]


#: What is said to screen readers while one photo, and while four are on their way.
COMING = """async (count) => {
  const { Arrivals } = await import("/static/js/arrivals.js");
  const photos = Array.from({length: count}, () => ({}));
  const studio = Object.assign(new EventTarget(), {photos});
  new Arrivals(studio, {complain() {}});
  document.querySelector("#announcer").textContent = "";
  studio.dispatchEvent(new Event("photos"));
  return document.querySelector("#announcer").textContent;
}"""


def test_one_photo_on_its_way_is_not_counted_aloud(page: Page) -> None:
    assert page.evaluate(COMING, 1) == ""
    assert page.evaluate(COMING, 4) == "0 of 4 photos uploaded"


def test_all_of_a_large_folder_is_kept(page: Page) -> None:
    hold(page, "*")  # no upload goes on
    page.evaluate("""() => {
      window.kept = new Set();  // noted instead of written, which takes seconds
      IDBObjectStore.prototype.put = (value, key) => key && kept.add(key);
    }""")
    drop(page, *((f"{number}.png", b"a picture") for number in range(500)))
    page.wait_for_function("() => kept.size === 500")


def test_colourings_come_again_with_their_photo(page: Page) -> None:
    drop(page, OMA, OPA)
    page.wait_for_selector("#alternatives button")
    before = colourings(page)
    choose(page, 1)
    wait_for_colour(page, before)
    page.wait_for_selector("#alternatives button")
    forgotten(page, OMA)
    choose(page, 0)
    page.wait_for_selector("#alternatives button")


def test_a_file_that_is_gone_is_no_dead_server(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / name for name, _ in (OMA, OPA)]
    for path, (_, content) in zip(paths, (OMA, OPA), strict=True):
        path.write_bytes(content)
    held = hold(page, "oma.png")
    with page.expect_file_chooser() as chooser:
        page.click("#choose")
    chooser.value.set_files(paths)
    page.wait_for_selector("body[data-state=waiting]")
    paths[1].unlink()
    held[0].continue_()
    wait_for_colour(page)
    page.wait_for_selector("#film .failed")
    choose(page, 1)
    expect(page.locator("#notice")).to_contain_text("choose it again")
    page.unroute("**/photos?name=oma.png")


def test_a_first_hint_stays_while_the_photo_is_uploaded_again(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    page.wait_for_selector("#alternatives button")
    forgotten(page, OMA)
    held = hold(page, "oma.png")
    with page.expect_request("**/photos?name=oma.png"):
        page.mouse.click(*spot(page, 480, 330))
    expect(page.locator("#editor")).to_be_visible()
    page.wait_for_timeout(50)
    held[0].continue_()
    page.wait_for_selector("#editor .swatch .paint")
    expect(page.locator(".hint")).to_have_count(1)
    page.unroute("**/photos?name=oma.png")


def test_drags_that_end_without_a_word_are_let_go(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    hint_it(page)
    page.click("#hint-list .hint-row")
    page.get_by_label("Brush radius").evaluate(
        """(slider) => {
          const usual = slider.value;
          for (const value of ["90", usual]) {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
          }
          slider.dispatchEvent(new Event("pointerup"));  // and no "change", since nothing changed
        }"""
    )
    page.keyboard.press("Escape")
    page.locator("#vividness").fill("1.4")
    page.click("#undo")
    page.click("#undo")
    expect(page.locator(".hint")).to_have_count(1)  # the drag was a step of its own
    page.locator("#vividness").evaluate(
        "(slider) => { slider.value = 2; slider.dispatchEvent(new Event('input')); }"
    )
    page.click("#undo")  # of a drag that has not ended
    expect(page.locator(".hint")).to_have_count(1)
    page.click("#hint-list .hint-row")
    before = colourings(page)
    page.locator("ab-picker").evaluate(
        """(picker) => {
          picker.setPointerCapture = () => {};
          picker.hasPointerCapture = () => true;
          const {x, y} = picker.getBoundingClientRect();
          for (const name of ["pointerdown", "pointercancel"])
            picker.dispatchEvent(new PointerEvent(name, {clientX: x + 70, clientY: y + 60}));
        }"""
    )
    wait_for_colour(page, before)
    page.locator("#editor").get_by_role("button", name="Close").focus()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#editor")).to_be_hidden()  # its hint is gone
    expect(page.locator("#viewer")).to_be_focused()


def test_a_picture_for_the_eyedropper_ends_the_drag(page: Page) -> None:
    drop(page, OMA)
    wait_for_colour(page)
    hint_it(page)
    page.click("#hint-list .hint-row")
    page.click("#editor summary")
    told = "new Promise((done) => document.addEventListener('dropped', () => done(true)))"
    page.evaluate(f"() => {{ window.told = {told}; }}")
    drop(page, OPA, onto="eye-dropper")
    assert page.evaluate("Promise.race([told, new Promise((done) => setTimeout(done, 2000))])")
