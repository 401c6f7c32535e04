"""Fixtures of the REST service."""

from __future__ import annotations

import pytest
from PIL import Image

from rest import API, client, picture


@pytest.fixture(scope="module")
def service():
    with client() as opened:
        yield opened


@pytest.fixture(scope="module")
def exif():
    tags = Image.Exif()
    tags[0x010F] = "Box camera"
    return picture(exif=tags.tobytes(), dpi=(300, 300))


@pytest.fixture
def photo(service, exif):
    return f"{API}/photos/" + service.post(f"{API}/photos?name=oma.jpg", content=exif).json()["id"]


@pytest.fixture(scope="module")
def browser():
    """A browser; one a module, since Playwright's loop would be in the way of other tests."""
    from playwright.sync_api import sync_playwright

    from pages import ARGS, CHROMIUM

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def address():
    """The studio with its real network, in a process of its own, for all tests of its pages."""
    from pages import serving

    with serving() as found:
        yield found
