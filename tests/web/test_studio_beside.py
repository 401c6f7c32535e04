"""The studio in a real browser: a film on its way, and one that is coloured, beside other work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Route, expect
from restarted import here

from pages import IN_A_BROWSER, WAIT, Visit, drop, drop_and_wait, leave_empty, spot
from rest import film_of, picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))

#: What is said while frames are coloured at an even pace: [milliseconds, frames] of so many.
SAID = """async ([seen, total]) => {
  const {Pace} = await import(new URL("static/js/film-progress.js", document.baseURI));
  const pace = new Pace();
  return seen.map(([at, done]) => pace.left("f", {state: "running", done, total}, at));
}"""
#: A film that is coloured while a photo is on the table; a person looks at it, and away.
BESIDE = """async () => {
  const {Films} = await import(new URL("static/js/films.js", document.baseURI));
  const shot = {film: {id: "f", number: 0}, edit: {}, made: {}};
  const studio = Object.assign(new EventTarget(), {photos: [shot], active: shot});
  window.said = [];
  const commands = {
    say: (text) => window.said.push(text),
    complain: ({title, detail}) => window.said.push(`${title}: ${detail}`),
    isBusy: () => false,
  };
  new Films(studio, commands);
  studio.dispatchEvent(new Event("photo"));
  studio.active = {edit: {}};
  studio.dispatchEvent(new Event("photo"));
}"""


#: No film finds room from now on.
FULL = """() => {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...values) {
    const asked = put.apply(this, values);
    if (this.name === "films") this.transaction.abort();
    return asked;
  };
}"""
#: Leave a film behind.
LEFT = """async () => {
  const {keep} = await import(new URL("static/js/kept-films.js", document.baseURI));
  await keep({id: "left", file: new File(["a"], "a.mp4"), name: "a.mp4"});
}"""
#: The ids of the films that this browser keeps.
KEPT = """async () => {
  const opening = indexedDB.open("koalarize-films", 1);
  await new Promise((done) => { opening.onsuccess = done; });
  const asked = opening.result.transaction("films").objectStore("films").getAllKeys();
  await new Promise((done) => { asked.onsuccess = done; });
  opening.result.close();
  return asked.result;
}"""


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Iterator[Visit]:
    with here() as service:
        visit = Visit(browser, service.address)
        visit.page.on("dialog", lambda dialog: dialog.accept())
        yield visit
        visit.leave("404", "ERR_")


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """One page for all tests; each leaves it empty."""
    yield visit.page
    leave_empty(visit.page)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    pytest.importorskip("av", reason="films need the extra `video`")
    return "f.mp4", film_of(tmp_path_factory.mktemp("films") / "f.mp4")


def test_a_film_takes_no_photo_off_the_table_that_somebody_works_on(
    page: Page, film: tuple[str, bytes]
) -> None:
    frames = page.locator("#film .tile[aria-label*='shot']")
    drop_and_wait(page, OMA, film)
    expect(frames).to_have_count(2, timeout=WAIT)
    expect(page).to_have_title("oma.png – Koalarize studio")  # it was given together with it
    expect(page.locator("#status")).to_contain_text("f.mp4: 2 shots, in the film strip")
    leave_empty(page)

    drop_and_wait(page, OMA)
    held: list[Route] = []
    page.route("**/frame", lambda route: held.append(route))
    drop(page, film)
    expect(page.locator("#film-arriving")).to_contain_text("Fetching shot", timeout=WAIT)
    page.mouse.click(*spot(page, 45, 20, 60, 40))
    expect(page.locator("#editor .swatch .paint").first).to_be_visible()
    held.pop().continue_()
    page.unroute("**/frame")
    expect(frames).to_have_count(2, timeout=WAIT)
    expect(page.locator("#editor")).to_be_visible()
    page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"state": "done"}, "f.mp4 is coloured"),
        ({"state": "failed", "problem": "the disk is full"}, "f.mp4 was not coloured: The disk"),
    ],
)
def test_how_a_film_ended_is_told_beside_other_work(
    page: Page, end: dict[str, str], said: str
) -> None:
    states = iter([{"state": "running"}, {"state": "running"}])

    def answer(route: Route) -> None:
        render = {"done": 1, "total": 9, "bytes": 0, "notes": [], **next(states, end)}
        info = {"id": "f", "name": "f.mp4", "shots": [], "render": render}
        route.fulfill(body=json.dumps(info))

    page.route("**/films/f", answer)
    page.evaluate(BESIDE)
    heard: list[str] = []
    for _ in range(100):
        if heard := page.evaluate("window.said"):
            break
        page.wait_for_timeout(50)
    assert len(heard) == 1
    assert heard[0].startswith(said)


def test_how_long_a_film_still_takes_is_told(page: Page) -> None:
    even = [[1000 * second, 10 * second] for second in range(0, 121, 5)]
    told = page.evaluate(SAID, [even, 6000])
    assert told[0] == ""
    assert told[1] == told[2] == "about 10 minutes left"
    assert page.evaluate(SAID, [even, 1800])[-1] == "about a minute left"
    assert page.evaluate(SAID, [even, 1300])[-1] == "less than a minute left"
    assert page.evaluate(SAID, [even, 100_000])[1] == "about 2.8 hours left"
    slower = [*even, *([1000 * (120 + second), 1200 + second] for second in range(5, 90, 5))]
    assert page.evaluate(SAID, [slower, 2500])[-1] == "about 20 minutes left"


def test_a_film_that_the_browser_has_no_room_for_is_told(
    page: Page, film: tuple[str, bytes]
) -> None:
    page.evaluate(FULL)
    drop_and_wait(page, film)
    expect(page.locator("#notice")).to_contain_text("This browser has no room to keep f.mp4")
    assert page.evaluate(KEPT) == []
    page.reload()  # to have room again
    page.wait_for_selector("#film .tile[aria-label*='shot']")


def test_a_film_that_no_page_shows_is_not_kept(page: Page, film: tuple[str, bytes]) -> None:
    drop_and_wait(page, film)
    expect(page.locator("#film-work")).to_be_visible()
    [own] = page.evaluate(KEPT)
    page.evaluate(LEFT)  # as by a second tab, which keeps none of its work
    assert page.evaluate(KEPT) == [own, "left"]
    page.reload()
    page.wait_for_selector("#film .tile[aria-label*='shot']")
    for _ in range(100):
        if page.evaluate(KEPT) == [own]:
            break
        page.wait_for_timeout(50)
    assert page.evaluate(KEPT) == [own]
