"""The studio in a real browser opens a film: its shots are steered, it is coloured and kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("playwright", reason="driving the page needs playwright")

import av
from playwright.sync_api import Browser, Route, expect

from koalarize.film.options import OF_PHOTOS
from pages import IN_A_BROWSER, WAIT, Visit, drop, name_colour, spot, wait_for_colour
from rest import film_of

pytestmark = IN_A_BROWSER

#: Where the page asks for what a film cannot be asked.
PLACES = {"straighten": "level", "alternative": "colourings"}

#: How many films this browser keeps.
KEPT_FILMS = """() => new Promise((resolve) => {
  const opening = indexedDB.open("koalarize-films", 1);
  opening.onsuccess = () => {
    const films = opening.result.transaction("films").objectStore("films");
    films.count().onsuccess = (event) => resolve(event.target.result);
  };
})"""


def blueness(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        shown = [frame.to_ndarray(format="rgb24").mean((0, 1)) for frame in film.decode(video=0)]
    return [float(blue - red) for red, _, blue in shown]


def test_a_film_is_steered_kept_coloured_and_listed(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, address)
    page = visit.page
    drop(page, ("oma.mp4", film_of(tmp_path / "oma.mp4")))
    wait_for_colour(page)
    expect(page.locator("#film .tile:not(.add)")).to_have_count(2)
    expect(page.locator("#film-about")).to_contain_text("2 shots")
    expect(page).to_have_title("oma, shot 1 – Koalarize studio")
    expect(page.locator("#film .tile").nth(1)).to_have_attribute("title", "oma, shot 2")
    for field in OF_PHOTOS:
        expect(page.locator(f"#{PLACES.get(field, field)}")).to_be_hidden()
    page.mouse.click(*spot(page, 20, 24, 64, 48))
    name_colour(page, "#2030e0")
    page.keyboard.press("Escape")
    page.on("dialog", lambda dialog: dialog.accept())
    page.wait_for_timeout(500)  # what is kept is kept a moment later
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#hint-list li")).to_have_count(1)

    page.click("#film-render")
    expect(page.locator("#film-download")).to_be_visible(timeout=WAIT)
    expect(page.locator("#film-state")).to_contain_text("The film is coloured", timeout=WAIT)
    with page.expect_download(timeout=WAIT) as download:
        page.click("#film-download")
    made = tmp_path / "oma.color.mp4"
    download.value.save_as(made)
    assert download.value.suggested_filename == "oma.color.mp4"
    blue = blueness(made)
    assert len(blue) == 28
    assert np.mean(blue[:16]) > np.mean(blue[16:]) + 5

    with page.expect_download(timeout=WAIT) as download:
        page.click("#film-list")
    shots = json.loads(download.value.path().read_text())["shots"]
    assert [len(shot["hints"]) for shot in shots] == [1, 0]
    visit.leave()


def test_a_download_saves_what_the_film_was_coloured_with(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, address)
    page = visit.page
    drop(page, ("oma.mp4", film_of(tmp_path / "oma.mp4", shots=((5, 12), (6, 12)))))
    wait_for_colour(page)
    unsaved = page.locator("#film .tile-place.unsaved")
    page.locator("#vividness").fill("1.2")
    page.click("#film-render")
    expect(page.locator("#film-download")).to_be_visible(timeout=WAIT)
    state = page.locator("#film-state")
    expect(state).to_have_text("The film is coloured.")
    page.on("dialog", lambda dialog: dialog.accept())
    page.wait_for_timeout(500)  # what is kept is kept a moment later
    page.reload()
    expect(state).to_have_text("The film is coloured.")
    expect(unsaved).to_have_count(1)
    page.locator("#vividness").fill("1.3")  # after the render: no file holds it
    expect(state).to_contain_text("before your last change")
    with page.expect_download(timeout=WAIT):
        page.click("#film-download")
    expect(unsaved).to_have_count(1)
    page.click("#undo")
    expect(unsaved).to_have_count(0)
    expect(state).to_have_text("The film is coloured.")
    visit.leave()


def test_closing_all_lets_a_film_go(browser: Browser, address: str, tmp_path: Path) -> None:
    visit = Visit(browser, address)
    page = visit.page
    drop(page, ("oma.mp4", film_of(tmp_path / "oma.mp4")))
    wait_for_colour(page)
    expect(page.locator("#film .tile:not(.add)")).to_have_count(2)
    assert page.evaluate(KEPT_FILMS) == 1
    gone: list[str] = []
    page.on("request", lambda asked: asked.method == "DELETE" and gone.append(asked.url))
    page.click("#save")
    with page.expect_request(lambda asked: asked.method == "DELETE" and "/films/" in asked.url):
        page.click("#close-all")
    page.wait_for_timeout(500)
    assert page.evaluate(KEPT_FILMS) == 0
    assert len([url for url in gone if "/films/" in url]) == 1  # not one for each shot
    visit.leave()


@pytest.mark.parametrize("when", ["sent", "looked at", "sent again"])
def test_a_film_on_its_way_can_be_cancelled(browser: Browser, address: str, when: str) -> None:
    visit = Visit(browser, address)
    page = visit.page
    looking = {"id": "0" * 64, "state": "looking", "seen": 7, "frames": 90, "shots": []}
    ended: list[str] = []
    page.on("requestfailed", lambda asked: ended.append(asked.method))

    def answer(route: Route) -> None:
        if route.request.method == "DELETE":
            ended.append("DELETE")
            route.fulfill(status=204)
        elif when == "sent again" and not ended:
            route.abort()  # the service is away for once
        elif when != "sent":
            route.fulfill(json=looking)

    page.route("**/api/v1/films**", answer)
    page.route("**/api/v1/films/**", answer)
    drop(page, ("oma.mp4", b"a film"))
    expected = "Uploading oma.mp4" if when == "sent" else "7 of about 90 frames"
    expect(page.locator("#film-arriving")).to_contain_text(expected, timeout=WAIT)
    page.locator("#film-give-up").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#film-arriving")).to_be_hidden()
    expect(page.locator("#choose")).to_be_focused()
    expect(page.locator("#notice")).to_be_hidden()
    page.wait_for_timeout(50)
    told = {"sent": ["POST"], "looked at": ["DELETE"], "sent again": ["POST", "DELETE"]}
    assert ended == told[when]
    visit.leave("ERR_FAILED")


def test_what_is_no_film_is_told(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    drop(visit.page, ("oma.mp4", b"no film at all " * 40))
    expect(visit.page.locator("#notice")).to_contain_text("oma.mp4", timeout=WAIT)
    visit.errors = [text for text in visit.errors if "415" not in text]
    visit.leave()
