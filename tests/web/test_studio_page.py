"""The studio's page in a real browser: what a person does with mouse, touch and keyboard."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize import Photo
from koalarize.color import map_to_gamut, srgb_to_lab
from koalarize.steering.fields import bounds_of, help_of
from koalarize.steering.steering import Steering

pytest.importorskip("fastapi", reason="the studio needs fastapi")
pytest.importorskip("playwright", reason="driving the page needs playwright")
data = pytest.importorskip("skimage.data", reason="the photo comes from scikit-image")

from playwright.sync_api import Browser, Route, expect  # noqa: E402

from pages import (  # noqa: E402
    ARTIST,
    IN_A_BROWSER,
    WAIT,
    Visit,
    check_exif,
    check_hint,
    check_lightness,
    colourings,
    drop,
    name_colour,
    save,
    spot,
    tab_to,
    wait_for_colour,
)

pytestmark = IN_A_BROWSER


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    yield visit
    visit.leave()


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Visit]:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, address, viewport=size, has_touch=True, is_mobile=True)
    yield visit
    visit.leave()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey photo of a cup of coffee, 600 x 400, with EXIF."""
    exif = Image.Exif()
    exif[0x013B] = ARTIST
    exif.get_ifd(0x8769)[0x9003] = "1931:05:17 12:00:00"
    path = tmp_path_factory.mktemp("photos") / "grandma's cup.jpg"
    Image.fromarray(data.coffee()).convert("L").save(path, quality=92, exif=exif)
    return path


def test_a_photo_is_dropped_steered_and_saved(visit: Visit, photo: Path, tmp_path: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    expect(page.locator("#status")).to_contain_text("Coloured in")
    expect(page.locator("#status")).to_contain_text("Click on the photo where a colour is wrong")

    divider = page.get_by_role("slider", name="Divider")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    box = divider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 200, box["y"] + 100, steps=4)
    page.mouse.up()
    share = int(divider.get_attribute("aria-valuenow") or 50)
    assert 20 < share < 40

    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "dark green")
    page.keyboard.press("Escape")
    page.mouse.click(*spot(page, 60, 60))
    name_colour(page, "#3040c0")
    page.keyboard.press("Escape")
    expect(page.locator("#hint-list li")).to_have_count(2)
    expect(page.locator(".hint")).to_have_count(2)

    before = colourings(page)
    page.keyboard.press("Control+z")
    wait_for_colour(page, before)
    expect(page.locator("#hint-list li")).to_have_count(1)

    saved = save(page, "[data-format=png]", tmp_path / "saved.png")
    expect(page.locator("#status")).to_contain_text("Saved")
    assert Image.open(saved).size == (600, 400)
    check_hint(saved, 480, 330, "#1f4a27")
    check_lightness(saved, photo)
    check_exif(saved)
    check_exif(save(page, "[data-format=jpeg]", tmp_path / "saved.jpg"))
    assert Image.open(save(page, "[data-format=tiff]", tmp_path / "saved.tif")).format == "TIFF"


def test_a_phone_does_the_same_by_touch(phone: Visit, photo: Path, tmp_path: Path) -> None:
    page = phone.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.touchscreen.tap(*spot(page, 480, 330))
    name_colour(page, "dark green")
    page.get_by_role("button", name="Close", exact=True).tap()
    page.touchscreen.tap(*spot(page, 60, 60))
    name_colour(page, "navy")
    page.get_by_role("button", name="Close", exact=True).tap()
    expect(page.locator(".hint")).to_have_count(2)
    before = colourings(page)
    page.get_by_role("button", name="Undo").tap()
    wait_for_colour(page, before)
    expect(page.locator(".hint")).to_have_count(1)
    page.locator("#sheet-handle").tap()
    expect(page.locator("#vividness")).to_be_visible()
    wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wider
    saved = save(page, "[data-format=png]", tmp_path / "saved.png")
    check_hint(saved, 480, 330, "#1f4a27")
    check_lightness(saved, photo)


def test_the_keyboard_is_enough(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    tab_to(page, ".example:nth-of-type(3)")
    page.keyboard.press("Enter")
    wait_for_colour(page)
    expect(page.locator("#viewer")).to_be_focused()  # the example's button is gone
    page.keyboard.press("n")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#editor .swatch .paint")
    tab_to(page, ".swatch:nth-of-type(2)")
    before = colourings(page)
    page.keyboard.press("Enter")
    wait_for_colour(page, before)
    tab_to(page, "ab-picker")
    name = page.locator("ab-picker").get_attribute("aria-valuetext")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert page.locator("ab-picker").get_attribute("aria-valuetext") != name
    page.keyboard.press("Escape")
    expect(page.locator(".hint")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator(".hint")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(page.locator(".hint")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("Undone: deleted hint")
    expect(page.locator("#redo")).to_have_accessible_name("Redo: deleted hint")
    for key in ("Control+z", "Control+Shift+z"):
        page.keyboard.press(key)
    expect(page.locator(".hint")).to_have_count(1)
    for does, opacity in ((page.keyboard.down, "0"), (page.keyboard.up, "1")):
        does("h")
        expect(page.locator("#hints")).to_have_css("opacity", opacity)
    tab_to(page, ".divider")
    page.keyboard.press("End")
    expect(page.locator(".divider")).to_have_attribute("aria-valuenow", "100")
    page.keyboard.press("Control+s")
    page.keyboard.press("Tab")
    with page.expect_download(timeout=WAIT) as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "coffee.color.png"


def test_the_command_line_replays_a_session(visit: Visit, photo: Path, tmp_path: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.mouse.click(*spot(page, 400, 60))
    name_colour(page, "brick red")
    page.keyboard.press("Escape")
    before = colourings(page)
    page.locator("#vividness").fill("1.2")
    page.locator("#warmth").fill("0.3")
    wait_for_colour(page, before)
    session = save(page, "#save-session", tmp_path / "session.json")
    saved = save(page, "[data-format=png]", tmp_path / "saved.png")
    assert json.loads(session.read_text())

    replayed = tmp_path / "replayed.png"
    command = [sys.executable, "-m", "koalarize", photo, "--session", session, "-o", replayed]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    assert np.array_equal(np.asarray(Image.open(replayed)), np.asarray(Image.open(saved)))

    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    wait_for_colour(page)  # a request under way when its photo closes is answered 404
    page.click("#save")
    page.click("#close-all")
    drop(page, (session.name, session.read_bytes()))
    expect(page.locator("#status")).to_contain_text("open the photo")
    drop(page, (photo.name, photo.read_bytes()))
    expect(page.locator(".hint")).to_have_count(1)
    assert page.locator("#vividness").input_value() == "1.2"
    wait_for_colour(page)
    again = save(page, "[data-format=png]", tmp_path / "again.png")
    assert again.read_bytes() == saved.read_bytes()


def test_several_photos_keep_their_own_state(visit: Visit, photo: Path) -> None:
    page = visit.page
    small = io.BytesIO()
    Image.fromarray(data.camera()).resize((200, 150)).save(small, "PNG")
    drop(page, (photo.name, photo.read_bytes()), ("camera.png", small.getvalue()), ("a.txt", b"no"))
    wait_for_colour(page)
    page.mouse.click(*spot(page, 480, 330))
    name_colour(page, "dark green")
    page.keyboard.press("Escape")
    tiles = page.locator("#film .tile-place .tile")
    expect(tiles).to_have_count(3)
    tiles.nth(1).click()
    expect(page.locator("#photo-title")).to_contain_text("200 × 150")
    expect(page.locator(".hint")).to_have_count(0)
    tiles.nth(2).click()
    expect(page.locator("#notice")).to_contain_text("picture")
    page.get_by_role("button", name="Remove", exact=True).click()
    tiles.nth(0).click()
    expect(page.locator(".hint")).to_have_count(1)
    told: list[str] = []
    page.on("dialog", lambda dialog: (told.append(dialog.type), dialog.accept()))
    page.reload()
    assert told == ["beforeunload"]  # the hint was not saved
    assert visit.errors  # the browser reports the refused upload by itself
    visit.errors = [text for text in visit.errors if "415" not in text]


def test_escape_puts_a_dragged_hint_back(visit: Visit, photo: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.mouse.click(*spot(page, 360, 200))
    name_colour(page, "teal")
    page.mouse.move(*spot(page, 360, 200))
    page.mouse.down()
    page.mouse.move(*spot(page, 450, 100), steps=8)
    hint = page.locator(".hint")
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 75 % across, 25 % down")
    page.keyboard.press("Escape")
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 60 % across, 50 % down")
    page.mouse.move(*spot(page, 300, 300), steps=2)
    page.mouse.up()
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 60 % across, 50 % down")
    expect(page.locator("#editor")).to_be_visible()  # it was open, and the key was for the drag
    expect(page.get_by_role("button", name="Undo: new hint")).to_be_enabled()


def test_a_hint_is_dragged_brushed_and_deleted(visit: Visit, photo: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.mouse.click(*spot(page, 360, 200))
    name_colour(page, "teal")
    page.keyboard.press("Escape")
    hint = page.locator(".hint")
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 60 % across, 50 % down")
    before = colourings(page)
    page.mouse.move(*spot(page, 360, 200))
    page.mouse.down()
    page.mouse.move(*spot(page, 450, 100), steps=8)
    page.mouse.up()
    wait_for_colour(page, before)
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 75 % across, 25 % down")
    expect(page.locator("#editor")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()  # the whole drag is one step
    expect(hint).to_have_attribute("aria-label", "Hint 1: teal, 60 % across, 50 % down")

    hint.click()
    expect(page.locator("#editor")).to_be_visible()
    before = colourings(page)
    page.get_by_label("Brush radius").fill("80")
    wait_for_colour(page, before)
    page.get_by_label("Colour name or #rrggbb").fill("no such colour")
    page.keyboard.press("Enter")
    assert page.locator("#editor :invalid").count() == 1
    expect(page.locator("#hint-list li")).to_have_count(1)
    page.get_by_role("button", name="Delete this hint").click()
    expect(hint).to_have_count(0)


def fewer_colourings(route: Route) -> None:
    steering = json.loads(route.request.post_data or "{}")["steering"]
    if route.request.url.endswith("/alternatives"):
        route.fulfill(json={"alternatives": [{"alternative": 0, "difference": 0, "preview": ""}]})
    elif steering.get("alternative"):
        problem = {"type": "urn:koalarize:problem:not-allowed", "title": "Not allowed"}
        route.fulfill(status=422, json=problem | {"detail": "`alternative` is 1 but there is none"})
    else:
        route.continue_()


def test_colours_reference_and_other_colourings(visit: Visit, photo: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.wait_for_selector("#alternatives button:nth-of-type(2)")
    before = colourings(page)
    page.click("#alternatives button:nth-of-type(2)")
    wait_for_colour(page, before)
    second = page.locator("#alternatives button:nth-of-type(2)")
    expect(second).to_have_attribute("aria-pressed", "true")
    # The network sees the photo otherwise as a negative, and may have fewer colourings of it.
    for asked in ("preview", "alternatives"):
        page.route(f"**/{asked}", fewer_colourings)
    page.get_by_label("Negative").check()
    expect(page.locator("#notice")).to_contain_text("colouring is no longer there")
    page.wait_for_selector("#alternatives button:first-of-type[aria-pressed=true]")
    for asked in ("preview", "alternatives"):
        page.unroute(f"**/{asked}")
    page.click("#undo")  # one step: both are as before
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Negative")).not_to_be_checked()

    colourful = io.BytesIO()
    Image.fromarray(data.astronaut()).save(colourful, "PNG")
    before = colourings(page)
    drop(page, ("astronaut.png", colourful.getvalue()), onto="#reference")
    wait_for_colour(page, before)
    expect(page.locator(".file-name")).to_have_text("astronaut.png")
    page.mouse.click(*spot(page, 480, 330))
    page.wait_for_selector("#editor .swatch .paint")
    page.click("#editor summary")
    before = colourings(page)
    page.locator("eye-dropper canvas").click(position={"x": 10, "y": 10})
    wait_for_colour(page, before)
    before = colourings(page)
    page.get_by_role("button", name="Keep grey").click()
    wait_for_colour(page, before)
    expect(page.locator("#hint-list li")).to_contain_text("grey")
    page.get_by_role("button", name="Remove the reference picture").click()
    expect(page.locator("#reference .drop-zone")).to_be_focused()
    said = page.locator("#reference-problem")
    expect(said).to_be_hidden()
    drop(page, (photo.name, photo.read_bytes()), onto="#reference")  # which is grey
    expect(said).to_have_text(re.compile("^The reference “.*” has next to no colours: it asks"))
    page.get_by_role("button", name="Remove the reference picture").click()
    expect(said).to_be_hidden()
    visit.errors = [text for text in visit.errors if "422" not in text]


def test_nothing_is_lost_when_the_server_is_away_or_busy(visit: Visit, photo: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    page.route("**/api/**", lambda route: route.abort())
    page.locator("#vividness").fill("1.5")
    expect(page.locator("#notice")).to_contain_text("No answer from koalarize")
    before = colourings(page)
    page.unroute("**/api/**")
    wait_for_colour(page, before)
    expect(page.locator("#notice")).to_be_hidden()

    problem = {"type": "urn:koalarize:problem:busy", "title": "Busy", "status": 429, "detail": ""}
    page.route(
        "**/preview",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}, json=problem),
        times=1,
    )
    before = colourings(page)
    page.locator("#vividness").fill("0.5")
    expect(page.locator("#status")).to_contain_text("waiting for a turn")
    wait_for_colour(page, before)

    # The server forgets photos after a while, or when it is started again.
    page.evaluate(
        """async () => {
          const entries = performance.getEntriesByType("resource");
          const asked = entries.map(({name}) => /photos\\/([^/?]+)\\/preview/.exec(name));
          const [, id] = asked.find(Boolean);
          await fetch(`api/v1/photos/${id}`, {method: "DELETE"});
        }"""
    )
    before = colourings(page)
    page.locator("#warmth").fill("0.5")
    wait_for_colour(page, before)
    expected = re.compile(r"Failed to load resource.*(429|404|ERR_FAILED)")
    visit.errors = [text for text in visit.errors if not expected.search(text)]


def test_zooming_in_shows_the_pixels_that_are_saved(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    large = Image.fromarray(data.coffee()).convert("L").resize((3000, 2000))
    content = io.BytesIO()
    large.save(content, "JPEG", quality=92)
    drop(page, ("large.jpg", content.getvalue()))
    wait_for_colour(page)
    page.keyboard.press("c")
    with page.expect_response(re.compile("/region$")) as answer:
        page.keyboard.press("1")
    assert answer.value.ok
    asked = json.loads(answer.value.request.post_data or "{}")
    assert asked["scale"] == 1
    assert asked["width"] < 2000
    expect(page.locator("#actual")).to_have_text("100 %")
    page.wait_for_timeout(500)
    middle = page.evaluate(
        """() => {
          const canvas = document.querySelector("koala-viewer canvas");
          const [left, top] = [canvas.width / 2 - 20, canvas.height / 2 - 20];
          return Array.from(canvas.getContext("2d").getImageData(left, top, 40, 40).data);
        }"""
    )
    shown = np.array(middle, np.uint8).reshape(40, 40, 4)[..., :3].astype(int)
    saved = Image.open(save(page, "[data-format=png]", tmp_path / "large.png"))
    wanted = np.asarray(saved)[980:1020, 1480:1520].astype(int)
    assert np.abs(shown - wanted).mean() < 4
    page.keyboard.press("0")
    expect(page.locator("#actual")).not_to_have_text("100 %")
    page.mouse.dblclick(*spot(page, 700, 700, 3000, 2000))
    expect(page.locator("#actual")).to_have_text("100 %")
    page.wait_for_timeout(400)
    expect(page.locator(".hint")).to_have_count(0)


def test_the_pages_colour_science_is_the_packages(visit: Visit) -> None:
    names = visit.page.evaluate(
        "import('/static/js/names.js').then((module) => module.NAMES.length)"
    )
    assert names > 80
    hexes = ["#000000", "#ffffff", "#1f4a27", "#c03020", "#0000ff", "#7fb4e0", "#010203"]
    found = visit.page.evaluate(
        "(hexes) => import('/static/js/color.js').then((module) => hexes.map(module.hexToLab))",
        hexes,
    )
    srgb = np.array([[int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in hexes], np.uint8)
    assert np.allclose(found, srgb_to_lab(srgb), atol=2e-3)
    labs = [[30.0, 60.0, -80.0], [50.0, -90.0, 10.0], [70.0, 5.0, 9.0]]
    fitted = visit.page.evaluate(
        "(labs) => import('/static/js/color.js').then((module) => labs.map(module.fitToGamut))",
        labs,
    )
    assert np.allclose(fitted, map_to_gamut(np.array(labs, np.float32)), atol=0.3)


def test_the_controls_are_those_of_steering(visit: Visit, photo: Path) -> None:
    page = visit.page
    drop(page, (photo.name, photo.read_bytes()))
    wait_for_colour(page)
    shown = page.locator("#controls input").evaluate_all(
        "(inputs) => inputs.map(({id, type, min, max, value, checked, title, parentElement}) => "
        "({id, type, min, max, value, checked, title: title || parentElement.title}))"
    )
    found = {one["id"]: one for one in shown}
    for field in dataclasses.fields(Steering):
        bounds, one = bounds_of(field), found.pop(field.name, None)
        if bounds.kind not in (float, bool) or field.name == "straighten":
            assert one is None  # it has a control of its own
            continue
        assert one is not None
        assert one["title"] == help_of(field).text
        if bounds.kind is bool:
            assert (one["type"], one["checked"]) == ("checkbox", field.default)
        else:
            numbers = [float(one[key]) for key in ("min", "max", "value")]
            assert (one["type"], numbers) == ("range", [bounds.low, bounds.high, field.default])
    assert not found


def test_photo_fixture_is_grey_with_exif(photo: Path) -> None:
    assert Photo.read(photo).pixels.ndim == 2
    check_exif(photo)
