"""The studio in a real browser while the service is away, and once it is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect
from restarted import Here, here

from pages import IN_A_BROWSER, Visit, drop_and_wait, leave_empty, spot, wait_until_kept
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))
OPA = ("opa.png", picture(50, 40, "PNG"))

#: How much is painted on the small picture of the second photo.
PAINTED = """() => {
  const canvas = document.querySelectorAll("#film .tile canvas")[1];
  const {data} = canvas.getContext("2d").getImageData(96, 96, 1, 1);
  return data[3];
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
    visit.leave("ERR_", "404")


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """One page for all tests; each leaves it empty."""
    yield visit.page
    leave_empty(visit.page)


def test_no_menu_says_that_the_service_is_away_once_it_is_back(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.context.set_offline(True)
    page.click("#save")
    page.click("[data-format=png]")
    expect(page.locator("#save-problem")).to_contain_text("does not answer")
    page.context.set_offline(False)
    expect(page.locator("#save-problem")).to_be_hidden()
    page.keyboard.press("Escape")


def test_likely_colours_of_an_open_hint_come_when_the_service_is_back(page: Page) -> None:
    drop_and_wait(page, OMA)
    page.route("**/suggestions", lambda asked: asked.abort())
    page.mouse.click(*spot(page, 20, 20, 60, 40))
    expect(page.locator("#editor .problem").first).to_contain_text("does not answer")
    page.unroute("**/suggestions")
    expect(page.locator("#editor .swatch .paint").first).to_be_visible()
    expect(page.locator("#editor .problem").first).to_be_hidden()
    page.keyboard.press("Escape")


def test_small_pictures_come_when_the_service_is_back(page: Page) -> None:
    page.route("**/preview", lambda asked: asked.abort() if small(asked) else asked.continue_())
    drop_and_wait(page, OMA, OPA)
    expect(page.locator("#notice")).to_contain_text("does not answer")
    assert page.evaluate(PAINTED) == 0
    page.unroute("**/preview")
    page.wait_for_function(PAINTED)


def small(asked: object) -> bool:
    """Whether a request is for a small picture of the film strip."""
    return '"side":320' in asked.request.post_data  # type: ignore[attr-defined]


def test_a_page_is_told_that_the_service_was_upgraded(page: Page) -> None:
    drop_and_wait(page, OMA)
    upgraded = {"status": "ok", "version": "99.0", "busy": 0, "waiting": 0, "photos": 0}
    page.route("**/health", lambda asked: asked.fulfill(json=upgraded))
    page.context.set_offline(True)
    page.locator("#vividness").fill("1.2")
    expect(page.locator("#notice")).to_contain_text("does not answer")
    page.context.set_offline(False)
    expect(page.locator("#notice")).to_contain_text("koalarize 99.0 runs now")
    page.unroute("**/health")
    wait_until_kept(page, "([photo]) => photo.edit.vividness === 1.2")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("#vividness")).to_have_value("1.2")
    expect(page.locator("#notice")).to_be_hidden()
