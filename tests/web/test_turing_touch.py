"""The page of `koalarize lab turing` under fingers, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Route, expect

import koalarize.web.study_page
from pages import IN_A_BROWSER

pytestmark = IN_A_BROWSER
HOST = "http://127.0.0.1:8765"
FILES = Path(koalarize.web.study_page.__file__).parent
STATE = {
    "mode": "pair", "seconds": 1.0, "size": 96, "person": None, "practice": 4, "answered": 0,
    "total": 7, "finished": False, "file": "s.json",
}  # fmt: skip


def answered(asked: Route) -> None:
    """Serve the page's own files, and a session that has not begun."""
    path = asked.request.url.removeprefix(HOST)
    if path == "/api/state":
        asked.fulfill(json=STATE)
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
