"""Letters of all pages, and what holds them, follow the size that is set in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import koalarize.web as web

ROOM = Path(web.__file__).parent
PAGES = sorted(path for path in ROOM.rglob("*") if path.suffix in {".css", ".js", ".html", ".py"})
LETTERS = re.compile(r"(?:\bfont(?:-size)?|\bline-height)\s*:[^;}]*?\d+px")
#: The size of the root decides what a rem is: a page that sets it takes the choice away.
ROOT = re.compile(r"(?::root|\bhtml\b)[^{};]*\{[^}]*?\bfont(?:-size)?\s*:[^;}]*")
WINDOWS = re.compile(r"\((?:max|min)-(?:width|height):\s*[\d.]+px\)")


def found(rule: re.Pattern[str]) -> dict[str, list[str]]:
    """What is found of a rule, by the file's name."""
    listed = {path.name: rule.findall(path.read_text(encoding="utf-8")) for path in PAGES}
    return {name: hits for name, hits in listed.items() if hits}


def test_no_letter_has_a_size_in_pixels() -> None:
    # A chart's labels are drawn with it, and grow with it.
    assert found(LETTERS) == {"page.css": ["font-size: 13px"]}


def test_no_page_sets_what_a_rem_is() -> None:
    assert found(ROOT) == {}


def test_a_window_is_narrow_or_low_by_its_letters() -> None:
    assert found(WINDOWS) == {}
