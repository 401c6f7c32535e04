"""The studio in a real browser where something around it changes: tab, screen, token, a copy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Request, Route, expect
from restarted import Here, here
from test_studio_several import session_of

from pages import IN_A_BROWSER, Visit, drop, drop_and_wait, leave_empty, spot, wait_for_colour
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))
OPA = ("opa.png", picture(50, 40, "PNG"))
HINT = {"x": 9, "y": 9, "color": "#2040ff"}
TILE = "#film .tile:not(.add)"
REFUSED = ("401", "404", "415", "ERR_")  # errors that a test asks for

#: Resolves when something was drawn: a hidden window draws only what changes.
FRAME = """() => new Promise((done) => {
  document.body.style.opacity = 1 - Math.random() / 100;
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""
#: What would come in ten seconds comes at once.
SOONER = """() => {
  const later = window.setTimeout;
  window.setTimeout = (work, wait, ...values) => later(work, wait === 1e4 ? 50 : wait, ...values);
}"""
#: Watch a film that is being coloured, and note what is said of it.
WATCHED = """async () => {
  const {Films} = await import(new URL("static/js/films.js", document.baseURI));
  const shot = {film: {id: "f", number: 0}, edit: {}, made: {}};
  const studio = Object.assign(new EventTarget(), {photos: [shot], active: shot});
  window.said = [];
  new MutationObserver(() => window.said.push(document.querySelector("#announcer").textContent))
    .observe(document.querySelector("#announcer"), {childList: true});
  new Films(studio, {complain: () => {}, say: () => {}, isBusy: () => false});
  studio.dispatchEvent(new Event("photo"));
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
    visit.leave(*REFUSED)


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """One page for all tests; each leaves it empty."""
    page = visit.page
    yield page
    page.set_viewport_size({"width": 1280, "height": 800})
    leave_empty(page)


def painted(page: Page) -> bool:
    """Whether the middle of the photo is drawn."""
    return page.locator("koala-viewer canvas").evaluate(
        """(canvas) => {
          const [across, down] = [canvas.width / 2 + 40, canvas.height / 2].map(Math.round);
          return canvas.getContext("2d").getImageData(across, down, 1, 1).data[3] > 0;
        }"""
    )


def test_the_newest_page_keeps_the_work_where_there_are_no_locks(
    browser: Browser, service: Here
) -> None:
    """From another machine without TLS: a phone that reads the code a second time."""
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'locks', {get: () => undefined})"
    )
    first, second = context.new_page(), context.new_page()
    first.goto(service.address)
    first.wait_for_selector(".example")
    drop_and_wait(first, OMA)
    first.wait_for_timeout(500)  # until it is kept
    second.goto(service.address)
    wait_for_colour(second)
    expect(first.locator("#notice")).to_contain_text("was opened in another tab")
    drop(second, OPA)
    expect(second.locator("#film .waiting")).to_have_count(0)
    second.wait_for_timeout(500)
    first.bring_to_front()
    drop(first, ("aunt.png", picture(30, 30, "PNG")))
    expect(first.locator(TILE)).to_have_count(2)
    first.wait_for_timeout(500)
    second.on("dialog", lambda dialog: dialog.accept())
    second.reload()
    expect(second.locator(TILE)).to_have_count(2)
    titles = [tile.get_attribute("title") for tile in second.locator(TILE).all()]
    assert titles == ["oma.png", "opa.png"]
    context.close()


def test_of_two_copies_the_one_on_the_table_gets_the_session(page: Page) -> None:
    forgotten: list[str] = []

    def note(asked: Request) -> None:
        if asked.method == "DELETE":
            forgotten.append(asked.url)

    page.on("request", note)
    drop_and_wait(page, OMA)
    drop_and_wait(page, OMA)
    expect(page.get_by_role("button", name="oma.png (2)", exact=True)).to_have_count(1)
    drop_and_wait(page, session_of(OMA, hints=[HINT]))
    expect(page.locator("#photo-title")).to_contain_text("oma.png (2)")
    expect(page.locator("#hint-list li")).to_have_count(1)
    page.locator(TILE).nth(0).click()
    expect(page.locator("#hint-list li")).to_have_count(0)
    page.locator("#film .remove").nth(0).dispatch_event("click")
    expect(page.locator("#hint-list li")).to_have_count(1)
    page.locator("#close-all").dispatch_event("click")
    expect(page.locator("#empty")).to_be_visible()
    page.wait_for_timeout(100)
    assert len(forgotten) == 1  # with the last of them, not with the first


def test_the_picture_is_as_sharp_as_the_screen_it_is_moved_to(page: Page) -> None:
    drop_and_wait(page, OMA)
    # Chromium tells of an emulated density only with a new size; that of the photo stays.
    page.locator("#viewer").evaluate(
        "({style}) => { style.bottom = 'auto'; style.height = '90%'; }"
    )
    page.locator("#stage").evaluate("({style}) => { style.height = '600px'; }")
    session = page.context.new_cdp_session(page)
    canvas = page.locator("koala-viewer canvas")
    there = int(canvas.get_attribute("width") or 0)
    for height, density in ((790, 2), (780, 1), (790, 1.5)):
        asked = {"width": 1280, "height": height, "mobile": False, "deviceScaleFactor": density}
        session.send("Emulation.setDeviceMetricsOverride", asked)
        page.evaluate(FRAME)
        expect(canvas).to_have_attribute("width", str(round(density * there)))
    session.detach()
    for part in ("#viewer", "#stage"):
        page.locator(part).evaluate("(element) => element.removeAttribute('style')")


def test_another_token_is_asked_for_and_nothing_is_lost(page: Page) -> None:
    drop_and_wait(page, OMA)
    said = {"type": "urn:koalarize:problem:token-needed", "title": "A token is needed"}
    refused = json.dumps({**said, "detail": "open the whole address"})
    page.route("**/preview", lambda route: route.fulfill(status=401, body=refused))
    page.once("framenavigated", lambda _: page.unroute_all())  # no sooner: the page asks again
    page.locator("#vividness").fill("2")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The studio asks for its token")
    expect(notice).to_contain_text("What you did is kept in this browser")
    page.wait_for_timeout(500)
    with page.expect_navigation():
        notice.get_by_role("button", name="Enter the token").click()
    wait_for_colour(page)
    expect(page.locator("#vividness")).to_have_value("2")


def test_what_went_wrong_has_room_beside_its_buttons(page: Page) -> None:
    drop(page, ("oma.jpg", b"no picture"))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Cannot be read as a picture")
    for width, height in ((390, 844), (683, 455), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        text, box = notice.locator(".grow").bounding_box(), notice.bounding_box()
        assert text and box
        assert text["width"] > 0.6 * box["width"]
        assert box["height"] < 200
        for part in notice.locator("button").all():
            inside = part.bounding_box()
            assert inside and inside["x"] + inside["width"] <= box["x"] + box["width"]


def test_the_bar_that_straightens_has_room_for_its_slider(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.set_viewport_size({"width": 683, "height": 455})
    page.click("#level")
    slider = page.locator("#straighten").bounding_box()
    assert slider and slider["width"] > 80


def test_the_bar_of_a_crop_leaves_its_corners_free(page: Page) -> None:
    drop_and_wait(page, ("tall.png", picture(40, 60, "PNG")))
    page.set_viewport_size({"width": 568, "height": 320})
    page.click("#crop")
    page.set_viewport_size({"width": 560, "height": 330})  # it stays so in another window
    page.evaluate(FRAME)
    bar, stage = page.locator(".crop-bar").bounding_box(), page.locator("#viewer").bounding_box()
    assert bar and stage
    assert stage["x"] <= bar["x"]
    assert bar["x"] + bar["width"] <= stage["x"] + stage["width"]
    for corner in page.locator(".crop-corner").all():
        box = corner.bounding_box()
        assert box and box["y"] + box["height"] < bar["y"]
    before = page.locator(".crop-box").bounding_box()
    page.click("#crop")
    page.evaluate(FRAME)
    page.locator("#crop").dispatch_event("click")
    assert page.locator(".crop-box").bounding_box() == before
    page.keyboard.press("Escape")


def test_a_turned_photo_shows_while_it_is_asked_for(page: Page) -> None:
    drop_and_wait(page, OMA)
    held: list[Route] = []
    page.route("**/preview", lambda route: held.append(route))
    page.evaluate(SOONER)
    page.click("#turn")
    expect(page.locator("#photo-title")).to_contain_text("40 × 60")
    page.wait_for_timeout(150)  # until it is drawn
    assert painted(page)
    expect(page.locator("#status")).to_contain_text("No answer yet")
    for route in held:
        route.abort()


def test_a_film_is_watched_through_a_gap_and_told_without_chatter(page: Page) -> None:
    frames = iter([*range(5), None, *range(5, 8)])

    def answer(route: Route) -> None:
        done = next(frames, 9)
        render = {"state": "done" if done == 9 else "running", "done": done, "total": 9}
        info = {"id": "f", "shots": [], "render": {**render, "bytes": 100, "notes": []}}
        if done is None:
            route.abort()
        else:
            route.fulfill(body=json.dumps(info))

    page.route("**/films/f", answer)
    page.evaluate(WATCHED)
    expect(page.locator("#film-state")).to_have_text("The film is coloured.", timeout=20_000)
    said = page.evaluate("window.said")
    first, *others = [text for text in said if "frames" in text]
    assert first == "0 of 9 frames, 0.0 MB"
    assert len(others) <= 1  # how long it still takes
    assert said[-1] == "The film is coloured."


def test_a_colouring_that_a_restart_has_ended_can_be_asked_for_again(page: Page) -> None:
    running = {"state": "running", "done": 0, "total": 9, "bytes": 0, "notes": []}
    page.route("**/films/f", lambda route: route.fulfill(status=404, body="{}"))
    info = json.dumps({"id": "f", "shots": [], "render": running})
    page.route("**/films/f", lambda route: route.fulfill(body=info), times=1)
    page.evaluate(WATCHED)
    expect(page.locator("#film-state")).to_contain_text("was started again", timeout=20_000)
    for button, is_hidden in (("#film-render", False), ("#film-cancel", True)):
        assert page.locator(button).evaluate("(button) => button.hidden") is is_hidden


@pytest.mark.parametrize(("height", "least"), [(256, 150), (180, 80)])
def test_a_window_at_400_percent_shows_the_photo(page: Page, height: int, least: int) -> None:
    drop_and_wait(page, OMA)
    page.set_viewport_size({"width": 320, "height": height})
    viewer, tools = (page.locator(id).bounding_box() for id in ("#viewer", ".toolbar"))
    assert viewer and tools
    assert viewer["height"] >= least
    assert viewer["x"] >= tools["x"] + tools["width"]  # nothing lies over it
    page.locator("#level").scroll_into_view_if_needed()
    expect(page.locator("#level")).to_be_in_viewport(ratio=0.9)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def wait_for_entry(page: Page, wanted: bool) -> None:
    """Wait until the browser's history has an entry for what is open, or none."""
    for _ in range(100):  # the page's policy does not let `wait_for_function` look again
        if bool(page.evaluate("history.state")) == wanted:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"the entry is {'not there' if wanted else 'left behind'}")


def wait_for_viewer(page: Page, place: tuple[float, float]) -> None:
    """Wait until nothing lies over a place of the viewer."""
    above = "([x, y]) => document.elementFromPoint(x, y)?.closest('#viewer') != null"
    for _ in range(100):
        if page.evaluate(above, place):
            return
        page.wait_for_timeout(50)
    raise AssertionError("something lies over the viewer")


def test_back_closes_what_is_open_and_leaves_nothing_behind(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    drop_and_wait(page, OMA)
    opened = {
        "#save-menu": "#save",
        "#level-bar": "#level",
        ".panel.open": "#sheet-handle",
    }
    for shown, button in opened.items():
        page.click(button)
        expect(page.locator(shown)).to_be_visible()
        wait_for_entry(page, True)
        page.evaluate("history.back()")
        expect(page.locator(shown)).to_be_hidden()
    wait_for_viewer(page, spot(page, 45, 20, 60, 40))  # the sheet slides away
    page.mouse.click(*spot(page, 45, 20, 60, 40))
    expect(page.locator("#editor")).to_be_visible()
    wait_for_entry(page, True)
    page.evaluate("history.back()")
    expect(page.locator("#editor")).to_be_hidden()
    page.click("#sheet-handle")
    page.locator("#help").evaluate("(dialog) => dialog.showModal()")
    page.evaluate("history.back()")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator(".panel.open")).to_be_visible()  # one at a time
    wait_for_entry(page, True)
    page.click("#sheet-handle")  # closed otherwise: the next Back is no empty one
    wait_for_entry(page, False)
    page.click("#level")
    wait_for_entry(page, True)
    page.wait_for_timeout(400)  # until it is kept
    page.reload()
    wait_for_colour(page)
    wait_for_entry(page, False)
