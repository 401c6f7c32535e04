"""The studio in a browser with what it cannot take as it is: damaged files, odd names, links."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect

from pages import IN_A_BROWSER, WAIT, Visit, colourings, drop, drop_and_wait, wait_for_colour
from rest import picture

pytestmark = IN_A_BROWSER
OMA = ("oma.png", picture(60, 40, "PNG"))
CUT = ("cut.jpg", picture(90, 60)[:-900])
CUT_PNG = ("cut.png", picture(90, 60, "PNG")[:-900])
MISSING = "t is cut short: what is missing of it is filled up"
OPEN = "Open what there is"


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    yield visit.page
    visit.leave("415", "404", "422")


def test_a_damaged_photo_is_opened_as_far_as_it_can_be_read(page: Page) -> None:
    drop_and_wait(page, OMA)
    drop(page, CUT)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The picture is damaged")
    expect(notice).to_contain_text("The file is damaged or cut short")
    expect(notice).not_to_contain_text("tolerant")  # a word for programs
    since = colourings(page)
    notice.get_by_role("button", name=OPEN).click()
    wait_for_colour(page, since)
    expect(notice).to_be_hidden()
    expect(page.locator("#status")).to_contain_text(f"I{MISSING}.")
    expect(page.locator("#photo-title")).to_contain_text(f"90 × 60, i{MISSING}")

    page.evaluate(  # as after a restart of the service
        """async () => {
          const made = (database) => new Promise((resolve) => {
            const asked = database.transaction("work").objectStore("work").getAll();
            asked.onsuccess = () => resolve(asked.result);
          });
          const opening = indexedDB.open("koalarize");
          await new Promise((resolve) => { opening.onsuccess = resolve; });
          while (!(await made(opening.result)).find(({ told, name }) => told && name === "cut.jpg"))
            await new Promise((resolve) => setTimeout(resolve, 50));
          const work = (await made(opening.result)).find(({ name }) => name === "cut.jpg");
          opening.result.close();
          await fetch(`api/v1/photos/${work.told.id}`, { method: "DELETE" });
        }"""
    )
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#photo-title")).to_contain_text(MISSING)


def test_damaged_photos_among_many_are_opened_together(page: Page) -> None:
    drop(page, CUT, OMA, ("text.png", b"hello"), CUT_PNG)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("3 of 4 photos cannot be used", timeout=WAIT)
    expect(notice).to_contain_text("cut.jpg: The file is damaged")  # the one on the table as well
    notice.get_by_role("button", name=f"{OPEN} of the 2 damaged ones").click()
    wait_for_colour(page)
    expect(page.locator("#film .failed")).to_have_count(1)


def test_photos_that_are_closed_are_no_longer_complained_of(page: Page) -> None:
    drop_and_wait(page, OMA, (f"{'long' * 30}.jpg", CUT[1]))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("cannot be used")
    assert notice.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    page.locator("#close-all").dispatch_event("click")
    expect(notice).to_be_hidden()


def test_what_was_said_of_one_photo_goes_with_it(page: Page) -> None:
    drop_and_wait(page, OMA)
    expect(page.locator("#status")).to_contain_text("Click on the photo")
    drop(page, ("text.png", b"hello"))
    expect(page.locator("#notice")).to_contain_text("Cannot be read as a picture")
    expect(page.locator("#notice button")).to_have_text(["Remove", ""])  # it would end alike
    expect(page.locator("#status")).to_be_hidden()


def test_a_name_does_not_run_backwards(page: Page) -> None:
    drop_and_wait(page, ("o\u202egnp.am\u2066a.png", OMA[1]))
    expect(page).to_have_title("ognp.ama.png – Koalarize studio")
    expect(page.locator("#photo-title strong")).to_have_text("ognp.ama.png")


def test_what_the_service_names_stands_in_quotes(page: Page) -> None:
    said = page.evaluate(
        """async () => {
          const { Problem } = await import("/static/js/api.js");
          return new Problem("No", "`vividness` is 7 but must be at most 5").detail;
        }"""
    )
    assert said == "“vividness” is 7 but must be at most 5"


def test_a_session_of_a_model_that_is_not_here_is_shown_with_the_usual_one(page: Page) -> None:
    drop_and_wait(page, OMA)
    session = page.evaluate(
        """async (id) => {
          const body = JSON.stringify({ steering: { vividness: 1.5 } });
          const headers = { "Content-Type": "application/json" };
          const asked = { method: "POST", headers, body };
          const session = await (await fetch(`api/v1/photos/${id}/session`, asked)).json();
          session.steering.model = "ddcolor";
          return JSON.stringify(session);
        }""",
        hashlib.sha256(OMA[1]).hexdigest(),
    )
    drop_and_wait(page, ("oma.koalarize.json", session.encode()))
    expect(page.locator("#notice")).to_contain_text("The model “ddcolor” is not here")
    expect(page.locator("#notice")).to_contain_text("“koala” colours this photo in its place")
    expect(page.locator("#vividness")).to_have_value("1.5")
    expect(page.locator("#model")).to_have_value("koala")


@pytest.mark.parametrize(
    ("way", "said"),
    [("drop", "That was a link"), ("paste", "There is no picture in the clipboard")],
)
def test_a_link_is_no_picture(page: Page, way: str, said: str) -> None:
    taken = """([selector, way]) => {
      const data = new DataTransfer();
      data.setData(way === "drop" ? "text/uri-list" : "text/plain", "https://example.org/a.jpg");
      const options = { bubbles: true, cancelable: true };
      const event = way === "drop"
        ? new DragEvent("drop", { dataTransfer: data, ...options })
        : new ClipboardEvent("paste", { clipboardData: data, ...options });
      document.querySelector(selector).dispatchEvent(event);
      return event.defaultPrevented;
    }"""
    assert not page.evaluate(taken, ["#recolor-was", way])
    expect(page.locator("#notice")).to_be_hidden()
    assert page.evaluate(taken, ["#stage", way]) is (way == "drop")
    expect(page.locator("#notice")).to_contain_text(said)
