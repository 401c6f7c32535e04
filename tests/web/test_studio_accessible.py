"""The pages for everybody: axe-core finds nothing in any state; skipped without node_modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, Route, expect

from pages import IN_A_BROWSER, WAIT, Visit, drop, name_colour, spot, wait_for_colour
from rest import API, film_of, picture

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    *IN_A_BROWSER,
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: npm ci"),
]
OMA, OPA = ("oma.png", picture(600, 400, "PNG")), ("opa.png", picture(90, 60, "PNG"))


SCHEMES = pytest.mark.parametrize(
    ("scheme", "rules"), [("light", "all"), ("dark", "color-contrast")]
)
RUN = """async (options) => {
  const moving = document.getAnimations().filter((one) => one instanceof CSSTransition);
  await Promise.allSettled(moving.map(({finished}) => finished));
  return (await axe.run(document, options)).violations;
}"""


def check(page: Page, state: str, rules: str = "all") -> None:
    """Check the page as it is; ``rules`` is one of axe's, or all of them."""
    page.wait_for_timeout(100)
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(RUN, {} if rules == "all" else {"runOnly": [rules]})
    told = [
        f"{state}: {one['id']}: {one['help']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for one in found
        for node in one["nodes"]
    ]
    assert not told, "\n".join(told)


@SCHEMES
def test_every_state(browser: Browser, address: str, scheme: str, rules: str) -> None:
    visit = Visit(browser, address, color_scheme=scheme, reduced_motion="reduce")
    page = visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    drop(page, OMA, OPA, ("a.txt", b"no"))
    wait_for_colour(page)
    page.wait_for_selector("#alternatives button:nth-of-type(2)")
    page.mouse.click(*spot(page, 420, 300))
    page.wait_for_selector("#editor .swatch .paint")
    check(page, "hint without colour", rules)
    name_colour(page, "teal")
    page.click("#editor summary")
    check(page, "hint with colour", rules)
    page.keyboard.press("Escape")
    page.fill("#recolor-was", "green")
    page.fill("#recolor-becomes", "blue")
    page.keyboard.press("Enter")
    page.locator("#recolor-list li").wait_for()
    check(page, "hints and recolourings", rules)
    page.click("#crop")
    check(page, "crop", rules)
    page.keyboard.press("Escape")
    page.click("#save")
    check(page, "save menu", rules)
    page.keyboard.press("Escape")
    page.click("#copy-edits")
    check(page, "copy dialog", rules)
    page.keyboard.press("Escape")
    page.click("#help-button")
    check(page, "help", rules)
    page.keyboard.press("Escape")
    page.locator("#film .tile").nth(2).click()
    expect(page.locator("#notice")).to_be_visible()
    check(page, "no picture", rules)
    page.locator("#film .tile").nth(0).click()
    page.click("#save")
    page.click("#close-all")
    page.locator("#recents button").first.wait_for()
    check(page, "start, with recent photos", rules)
    visit.errors = [text for text in visit.errors if "415" not in text]
    visit.leave()


def test_a_phone(browser: Browser, address: str) -> None:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, address, viewport=size, has_touch=True, reduced_motion="reduce")
    page = visit.page
    drop(page, OMA)
    wait_for_colour(page)
    page.locator("#crop").tap()
    expect(page.locator(".crop-bar")).to_be_visible()
    apart = """() => {
        document.querySelector("#status").hidden = false;
        document.querySelector("#status").textContent = "No answer yet. The page waits for it…";
        const boxOf = (one) => one.getBoundingClientRect();
        const said = boxOf(document.querySelector("#status"));
        return [...document.querySelectorAll(".crop-bar, .crop-corner")].map(boxOf).every((box) =>
            box.left >= said.right || box.right <= said.left ||
            box.top >= said.bottom || box.bottom <= said.top);
    }"""
    for width, height in ((740, 360), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(apart, timeout=5000)
    page.locator("#crop").tap()
    page.locator("#sheet-handle").tap()
    check(page, "panel on a phone")
    visit.leave()


@SCHEMES
def test_the_panel_of_a_film(
    browser: Browser, address: str, tmp_path: Path, scheme: str, rules: str
) -> None:
    pytest.importorskip("av", reason="needs the extra `video`")
    visit = Visit(browser, address, color_scheme=scheme, reduced_motion="reduce")
    page = visit.page
    # What the service is made to say of the colouring: at first, that somebody else asked for it.
    told: dict[str, object] = {"state": "done"}
    known: dict[str, object] = {}

    def say(route: Route) -> None:
        answer = route.fetch()
        known.update(answer.json())
        route.fulfill(response=answer, json=known | ({"render": told} if told else {}))

    page.route(re.compile(r"/films/[^/]+$"), say)
    drop(page, ("oma.mp4", film_of(tmp_path / "oma.mp4")))
    wait_for_colour(page)
    expect(page.locator("#film-render")).to_be_visible()
    expect(page.locator("#film-state")).to_contain_text("perhaps with other settings")
    check(page, "film, open", rules)
    page.route("**/render", lambda route: route.fulfill(json=known | {"render": told}))
    told |= {"state": "running", "done": 5, "total": 28, "bytes": 12_000}
    page.click("#film-render")
    expect(page.locator("#film-state")).to_contain_text("5 of 28 frames")
    expect(page.locator("#film-progress")).to_be_visible()
    check(page, "film, rendering", rules)
    told |= {"state": "failed", "problem": "`oma.mp4` cannot be read as a film"}
    expect(page.locator("#film-state")).to_contain_text("cannot be read", timeout=WAIT)
    check(page, "film, failed", rules)
    told.clear()
    page.unroute("**/render")
    page.click("#film-render")
    expect(page.locator("#film-download")).to_be_visible(timeout=WAIT)
    check(page, "film, done", rules)
    page.route("**/list", lambda route: route.fulfill(status=500, json={"detail": "Not now"}))
    page.click("#film-list")
    expect(page.locator("#film-problem")).to_be_visible()
    check(page, "film, a refused request", rules)
    visit.errors = [text for text in visit.errors if "500" not in text]
    visit.leave()


def test_the_page_of_the_api(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}{API[1:]}/docs")
    check(page, "API")
    page.close()


def test_the_token_page(browser: Browser, tmp_path: Path) -> None:
    from koalarize.web.token_page import token_page

    path = tmp_path / "token.html"
    path.write_bytes(token_page(wrong=True)[0])
    page = browser.new_page()
    page.goto(path.as_uri())
    check(page, "token")
    page.close()
