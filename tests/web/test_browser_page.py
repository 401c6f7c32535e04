"""The page that colours in the browser itself, in Chromium: photos come out as by the program."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from koalarize import Colorizer, Hint, Steering
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import read_mark
from koalarize.steering.crop import Crop
from koalarize.steering.recolor import Recolor
from koalarize.steering.session import Session

pytest.importorskip("playwright", reason="driving the page needs playwright")

from playwright.sync_api import Browser, Page, expect

from pages import (
    IN_A_BROWSER,
    Visit,
    drop,
    drop_and_wait,
    leave_empty,
    spot,
    wait_for_colour,
    wait_until_kept,
)
from sites import WITH_RUNTIME, served

ROOT = Path(__file__).parents[2]
ARTIST = "Oma"

pytestmark = [*IN_A_BROWSER, WITH_RUNTIME]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with the real network, below the root of a host."""
    with served(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser: Browser, address: str) -> Iterator[Visit]:
    """A visit for all tests, whose network is loaded once."""
    visit = Visit(browser, address)
    visit.page.on("dialog", lambda dialog: dialog.accept())  # changes that no file holds
    sent: list[str] = []
    visit.context.on("request", lambda asked: asked.method == "GET" or sent.append(asked.url))
    yield visit
    assert not sent  # nothing is uploaded, to its own host either
    visit.leave()


@pytest.fixture
def visit(opened: Visit) -> Iterator[Visit]:
    """A page without photos."""
    yield opened
    leave_empty(opened.page)


def grey(width: int = 300, height: int = 200, kind: str = "PNG", **save: Any) -> bytes:
    image = Image.open(ROOT / "examples" / "coffee.jpg").convert("L").resize((width, height))
    stream = io.BytesIO()
    image.save(stream, kind, **save)
    return stream.getvalue()


def saved(page: Page, kind: str) -> bytes:
    with page.expect_download() as download:
        page.click("#save")
        page.click(f'#save-menu [data-format="{kind}"]')
    return Path(download.value.path()).read_bytes()


def session_of(data: bytes, steering: Steering) -> bytes:
    from hashlib import sha256

    return Session("oma.png", sha256(data).hexdigest(), "koala", steering).dumps().encode()


STEERED = {
    "plainly": Steering(),
    "hinted": Steering(hints=(Hint(150.0, 120.0, "#3050c0", 4.0),), vividness=1.3),
    "turned": Steering(turn=90, hints=(Hint(40.0, 150.0, "#3050c0", 4.0),), warmth=0.3),
    "cropped": Steering(crop=Crop(30, 20, 200, 150), tint=0.2),
    "negative": Steering(negative=True, turn=180),
    "faded": Steering(faded=True),
    "recoloured": Steering(recolors=(Recolor("#a0602a", "#3050c0"),)),
}


@pytest.mark.parametrize("how", STEERED)
def test_a_session_gives_what_the_program_makes_of_it(
    how: str, visit: Visit, tmp_path: Path
) -> None:
    """The page opens the program's sessions: photo and steering are the same in both."""
    data, steering = grey(), STEERED[how]
    page = visit.page
    drop_and_wait(page, ("oma.png", data))
    if steering != Steering():
        drop_and_wait(page, ("oma.koalarize.json", session_of(data, steering)))
    (tmp_path / "oma.png").write_bytes(data)
    program = Colorizer.load("koala").photo(Photo.read(tmp_path / "oma.png"), steering).photo
    made = np.asarray(Image.open(io.BytesIO(saved(page, "png"))).convert("RGB")).astype(int)
    assert made.shape == program.pixels.shape
    off = np.abs(made - program.pixels)
    assert off.mean() < 0.02
    assert (off.max(axis=-1) > 1).mean() < 1e-3


def test_the_program_opens_the_pages_sessions(visit: Visit) -> None:
    page = visit.page
    drop_and_wait(page, ("oma.png", grey()))
    page.locator("#warmth").focus()
    page.keyboard.press("ArrowRight")
    with page.expect_download() as download:
        page.click("#save")
        page.click("#save-session")
    assert download.value.suggested_filename == "oma.koalarize.json"
    session = Session.loads(Path(download.value.path()).read_bytes())
    assert session.steering.warmth > 0
    assert session.model == "koala"


def test_a_click_offers_likely_colours_and_one_of_them_is_taken(visit: Visit) -> None:
    page = visit.page
    drop_and_wait(page, ("oma.png", grey()))
    since = page.locator("body").get_attribute("data-coloured")
    page.mouse.click(*spot(page, 220, 150, 300, 200))
    swatch = page.locator("#editor .swatch[data-color]")
    expect(swatch.first).to_be_visible()
    swatch.last.click()
    wait_for_colour(page, int(since or 0))
    expect(page.locator("#hint-list li")).to_have_count(1)


def test_what_a_jpeg_says_is_carried_and_the_mark_added(visit: Visit, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x013B] = 6, ARTIST
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    )
    xmp += b'syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    xmp += b'dc:source="attic"/></rdf:RDF></x:xmpmeta>'
    data = grey(300, 200, "JPEG", exif=tags, xmp=xmp, comment=b"found in a box")
    page = visit.page
    drop_and_wait(page, ("oma.jpg", data))
    expect(page.locator("#photo-title")).to_contain_text("200 × 300")
    path = tmp_path / "oma.color.jpg"
    path.write_bytes(saved(page, "jpeg"))
    with Image.open(path) as made:
        assert made.size == (200, 300)
        assert made.getexif()[0x013B] == ARTIST
        assert made.getexif()[0x0112] == 1
        assert made.info["comment"] == b"found in a box"
        assert b'dc:source="attic"' in made.info["xmp"]
    mark = read_mark(path)
    assert mark is not None
    assert mark.provenance.model == "koala"
    assert mark.provenance.software.startswith("koalarize ")
    again = saved(page, "png")
    with Image.open(io.BytesIO(again)) as made:
        assert made.getexif()[0x013B] == ARTIST
        assert b"DigitalSourceType" in made.info["xmp"]


def test_no_mark_where_none_is_wanted(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    drop_and_wait(page, ("oma.png", grey()))
    page.locator("#mark").uncheck()
    path = tmp_path / "oma.png"
    path.write_bytes(saved(page, "png"))
    assert read_mark(path) is None


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("oma.tif", grey(kind="TIFF"), "does not open this TIFF"),
        ("film.mp4", b"\0\0\0\x18ftypmp42", "colours photos"),
        ("oma.txt", b"no picture", "Not a picture"),
        ("oma.png", grey()[:60], "does not open this PNG"),
    ],
)
def test_what_it_does_not_open_is_told(name: str, data: bytes, said: str, visit: Visit) -> None:
    drop(visit.page, (name, data))
    expect(visit.page.locator("#notice")).to_contain_text(said)


def test_it_works_without_a_network_once_it_was_opened(browser: Browser, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.page
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    visit.context.set_offline(True)
    page.reload()
    page.wait_for_selector(".example")
    drop_and_wait(page, ("oma.png", grey()))
    visit.context.set_offline(False)
    visit.leave()


def test_work_outlives_a_reload_and_all_photos_are_saved_at_once(visit: Visit) -> None:
    page = visit.page
    drop_and_wait(page, ("oma.png", grey()), ("opa.jpg", grey(200, 300, "JPEG")))
    page.locator("#warmth").focus()
    page.keyboard.press("ArrowRight")
    wait_until_kept(page, "(photos) => photos.length === 2 && photos[0].edit.warmth > 0")
    page.reload()
    wait_for_colour(page)
    expect(page.locator("#warmth")).not_to_have_value("0")
    with page.expect_download() as download:
        page.click("#save")
        page.click("#save-all")
    with zipfile.ZipFile(download.value.path()) as saved_all:
        assert saved_all.namelist() == ["oma.color.png", "opa.color.jpg"]


def test_what_only_the_program_does_is_not_shown(visit: Visit) -> None:
    page = visit.page
    drop_and_wait(page, ("oma.png", grey()))
    for hidden in ("#colourings", "#reference", "#model", "#film-work", "#keep_color", "#best"):
        expect(page.locator(hidden)).to_be_hidden()
    for shown in ("#vividness", "#warmth", "#faded", "#recolor-form", "#turn", "#crop", "#level"):
        expect(page.locator(shown)).to_be_visible()
