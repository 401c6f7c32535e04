"""The page of `koalarize lab turing` in a browser: fingers, large letters, contrast, windows."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Route, expect

import koalarize.web.study_page
from pages import IN_A_BROWSER, WAIT
from rest import picture

pytestmark = IN_A_BROWSER
HOST = "http://127.0.0.1:8765"
FILES = Path(koalarize.web.study_page.__file__).parent
STATE = {
    "mode": "pair", "seconds": 0.1, "size": 96, "person": None, "practice": 4, "answered": 0,
    "total": 7, "finished": False, "file": "s.json",
}  # fmt: skip

#: The phone is turned as soon as the pictures stand there.
TURNED_ONCE_SHOWN = """() => new MutationObserver(() => {
  if (document.querySelector("#pictures.on")) matchMedia = () => ({ matches: false });
}).observe(document.querySelector("#pictures"), { attributes: true })"""


def answered(asked: Route) -> None:
    """Serve the page's own files, and a session that has not begun and opens its trials."""
    path = asked.request.url.removeprefix(HOST)
    if path == "/api/state":
        asked.fulfill(json=STATE)
    elif path == "/api/next":
        asked.fulfill(json={"trial": "t", "pictures": ["one", "two"]})
    elif path.startswith("/picture/"):
        asked.fulfill(body=picture(96, 80, "PNG"), content_type="image/png")
    else:
        asked.fulfill(path=FILES / (path.lstrip("/") or "page.html"))


@pytest.mark.parametrize("touch", [True, False])
def test_keys_are_named_where_there_are_keys(browser: Browser, touch: bool) -> None:
    context = browser.new_context(has_touch=touch, is_mobile=touch)
    page = context.new_page()
    page.route("**/*", answered)
    page.goto(HOST)
    keys = "by tapping one of two buttons" if touch else "with the keys ← (the left one)"
    expect(page.locator("#keys")).to_contain_text(f"Answer {keys}")
    shown = page.locator("#pause kbd").evaluate("(key) => getComputedStyle(key).display")
    assert (shown == "none") is touch
    context.close()


def begun(browser: Browser, **options: object) -> Page:
    """Open the page and begin; the pictures are about to come."""
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.route("**/*", answered)
    page.goto(HOST)
    page.click("#start")
    return page


def test_a_contrast_theme_keeps_the_cross_and_the_grey(browser: Browser) -> None:
    page = begun(browser, forced_colors="active")
    page.wait_for_selector("#cross.on")
    colour = "([id, part]) => getComputedStyle(document.getElementById(id), part).backgroundColor"
    assert page.evaluate(colour, ["cross", "::before"]) == "rgb(0, 0, 0)"
    assert page.evaluate(colour, ["trial", None]) == "rgb(119, 119, 119)"
    page.context.close()


def test_large_letters_leave_both_answers_within_reach(browser: Browser) -> None:
    page = begun(browser, viewport={"width": 380, "height": 360}, bypass_csp=True)
    page.add_style_tag(content="html { font-size: 200% }")
    expect(page.locator("#question")).to_be_visible(timeout=WAIT)
    bar, asked, second = (page.locator(id).bounding_box() for id in (".bar", "#asked", "#second"))
    assert bar and asked and second
    assert asked["y"] >= bar["y"] + bar["height"]
    assert second["x"] >= 0
    page.locator("#second").scroll_into_view_if_needed()
    expect(page.locator("#second")).to_be_in_viewport(ratio=1)
    page.context.close()


def test_a_pair_is_asked_about_as_it_stood(browser: Browser) -> None:
    page = begun(browser, viewport={"width": 390, "height": 700})
    page.evaluate(TURNED_ONCE_SHOWN)
    expect(page.locator("#first")).to_contain_text("The upper one", timeout=WAIT)
    page.context.close()


def test_a_second_window_opens_no_trial_and_says_so(browser: Browser) -> None:
    first = begun(browser)
    second = first.context.new_page()
    second.route("**/*", answered)
    second.goto(HOST)
    expect(second.locator("#trouble-text")).to_contain_text("open in another window")
    first.close()
    second.click("#again")
    expect(second.locator("#start")).to_be_visible()
    second.context.close()


def test_pictures_of_a_trial_that_another_window_went_past_are_said_to_be(browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/*", answered)
    page.route("**/picture/*", lambda asked: asked.fulfill(status=404, json={}))
    page.goto(HOST)
    page.click("#start")
    expect(page.locator("#trouble-text")).to_contain_text("went on in another window")
    page.close()


def test_a_long_name_of_a_model_leaves_its_numbers_in_sight(browser: Browser) -> None:
    fooled = {"count": 7, "n": 24, "rate": 0.292, "interval": [0.15, 0.49]}
    name = "a_model_by_somebody-with-a-long-name_v2.safetensors"
    report = {
        "mode": "pair", "models": [{"name": name, "fooled": fooled, "p_value": 0.0012}],
        "catch": {"n": 0}, "excluded": {}, "notes": [],
    }  # fmt: skip
    page = browser.new_page()
    page.route("**/*", answered)
    page.route("**/api/state", lambda asked: asked.fulfill(json={**STATE, "finished": True}))
    page.route("**/api/results", lambda asked: asked.fulfill(json=report))
    page.goto(HOST)
    page.wait_for_selector("#models td")
    for width in (320, 560, 710, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        room = page.locator(".scroll").evaluate("(box) => box.clientWidth - box.scrollWidth")
        assert room >= 0, width
    page.close()
