"""Prints on a page: found, looked at each by itself, steered where they lie."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fakes import ClassifyingEngine, FakeEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.look import Look
from koalarize.colorizer.pages import asked_of_each
from koalarize.colorizer.plan import plan, suggestions
from koalarize.colorizer.prints import SIDE, has_page, prints_of
from koalarize.engines.engine import AuthorsWay
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

PRINT = data.camera()[::3, ::3]  # 171 x 171
OTHER = data.moon()[:171, :230]
PLACES = ((30, 40, PRINT), (30, 280, OTHER), (250, 60, PRINT[:, ::-1]))


def ground(tone, shape=(SIDE + 76, 560), slope=8.0):
    """Return a page's paper, with grain and a slope of light."""
    grain = np.random.default_rng(0).normal(0, 2, shape)
    light = np.linspace(-slope / 2, slope / 2, shape[1])
    return np.clip(tone + grain + light, 0, 255).astype(np.uint8)


def album(tone=150, border=6, askew=0.0):
    """Return a page with three prints."""
    page = Image.fromarray(ground(tone))
    for top, left, levels in PLACES:
        sheet = Image.fromarray(np.pad(levels, border, constant_values=245))
        lies = Image.new("L", sheet.size, 255)
        turned = [one.rotate(askew, expand=True) for one in (sheet, lies)]
        page.paste(turned[0], (left - border, top - border), turned[1])
    return np.array(page)


def found(levels):
    """Return the prints of a picture as people see them in it, whole pixels of it."""
    image = Image.fromarray(levels)
    scale = SIDE / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    prints = prints_of(color.grey_to_lightness(np.asarray(image)))
    return None if prints is None else prints.scaled(*levels.shape)


@pytest.mark.parametrize("tone", [40, 90, 150, 215])
@pytest.mark.parametrize("askew", [0.0, 2.5])
def test_prints_on_a_page_are_found(tone, askew):
    boxes = found(album(tone, askew=askew))
    assert boxes is not None
    assert len(boxes) == len(PLACES)
    wider = 6 + (0 if askew == 0 else 9)
    for (left, top, right, bottom), (row, column, levels) in zip(
        sorted(boxes), sorted(PLACES, key=lambda place: place[1]), strict=True
    ):
        height, width = levels.shape
        expected = (column - 6, row - 6, column + width + wider, row + height + wider)
        assert np.abs(np.subtract((left, top, right, bottom), expected)).max() <= 4


def test_a_print_with_a_part_of_the_page_s_tone_is_found_whole():
    page = album(150, border=0)
    top, left, _ = PLACES[1]
    page[top : top + 40, left + 80 : left + 160] = page[0, 0]
    boxes = found(page)
    assert boxes is not None
    assert len(boxes) == len(PLACES)


def test_what_is_no_print_is_left_out():
    page = album()
    rows, columns = np.indices(page.shape)
    page[np.hypot(rows - 350, columns - 420) < 45] = 20  # round: a medal
    page[240:243, 300:380] = 30  # writing
    boxes = found(page)
    assert boxes is not None
    assert len(boxes) == len(PLACES)


@pytest.mark.parametrize(
    "picture",
    [
        data.camera(),
        data.moon(),
        data.page(),
        data.coins(),
        np.full((300, 300), 120, np.uint8),
        np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8),
        np.full((1, 400), 120, np.uint8),
    ],
    ids=["photo", "moon", "text", "coins", "blank", "noise", "line"],
)
def test_other_pictures_are_no_pages(picture):
    look = Colorizer(FakeEngine()).look(Photo(np.ascontiguousarray(picture)))
    assert look.page is None


def test_edges_of_two_tones_are_no_page():
    levels = album()
    levels[:, : levels.shape[1] // 2] = levels[:, : levels.shape[1] // 2] // 2
    assert not has_page(color.grey_to_lightness(levels))
    assert has_page(color.grey_to_lightness(album()))


def test_each_print_is_coloured_as_it_is_alone():
    colorizer = Colorizer(ClassifyingEngine())
    page = album(border=0)
    coloured = color.srgb_to_lab(colorizer(page))
    for top, left, levels in PLACES:
        height, width = levels.shape
        part = coloured[top : top + height, left : left + width, 1:]
        alone = color.srgb_to_lab(colorizer(page[top : top + height, left : left + width]))[..., 1:]
        # All but the edges, and the middle, where this engine's two halves meet.
        inside = np.s_[12:-12, [*range(12, width // 3), *range(width * 2 // 3, width - 12)]]
        assert np.abs(part - alone)[inside].mean() < 0.2
        whole = plan(colorizer.look(Photo(page), prints=False), Steering()).paint(page)
        there = color.srgb_to_lab(whole)[top : top + height, left : left + width, 1:]
        assert np.abs(there - alone)[inside].mean() > 5


def test_the_page_stays_grey():
    page = album()
    coloured = color.srgb_to_lab(Colorizer(FakeEngine())(page))
    assert np.hypot(*coloured[:18, :, 1:].T).max() < 0.5
    assert np.hypot(*coloured[60:160, 70:180, 1:].T).mean() > 10


def test_the_network_sees_nothing_but_the_prints():
    engine = FakeEngine()
    Colorizer(engine)(album())
    assert len(engine.seen) == len(PLACES)


def test_what_is_no_print_on_a_page_is_coloured_as_a_part_of_it():
    page = album()
    rows, columns = np.indices(page.shape)
    page[np.hypot(rows - 350, columns - 420) < 60] = 20
    engine = FakeEngine()
    coloured = color.srgb_to_lab(Colorizer(engine)(page))
    assert len(engine.seen) == len(PLACES) + 1
    assert np.hypot(*coloured[340:360, 410:430, 1:].T).mean() > 5


def test_a_hint_in_a_print_colours_that_one_alone():
    colorizer = Colorizer(FakeEngine())
    page = album()
    top, left, _ = PLACES[1]
    asked = Steering(hints=(Hint(left + 100, top + 80, "#3040e0"),), reach=3.0)
    before, after = (
        color.srgb_to_lab(colorizer(page, one))[..., 1:] for one in (Steering(), asked)
    )
    moved = np.hypot(*np.moveaxis(after - before, -1, 0))
    assert moved[top + 80, left + 100] > 20
    for other in (PLACES[0], PLACES[2]):
        row, column, levels = other
        assert moved[row : row + levels.shape[0], column : column + levels.shape[1]].max() == 0
    assert moved[:10].max() == 0


def test_a_hint_beside_the_prints_colours_the_page():
    colorizer = Colorizer(FakeEngine())
    page = album()
    asked = Steering(hints=(Hint(500, 300, "#8a6a4a"),), reach=3.0)
    before, after = (
        color.srgb_to_lab(colorizer(page, one))[..., 1:] for one in (Steering(), asked)
    )
    moved = np.hypot(*np.moveaxis(after - before, -1, 0))
    assert moved[300, 500] > 10
    for row, column, levels in PLACES:
        inside = np.s_[
            row + 8 : row + levels.shape[0] - 8, column + 8 : column + levels.shape[1] - 8
        ]
        assert moved[inside].mean() < 0.05


def test_what_is_likely_in_a_print_is_what_is_likely_in_it_alone():
    colorizer = Colorizer(ClassifyingEngine())
    page = album(border=0)
    top, left, levels = PLACES[1]
    height, width = levels.shape
    alone = colorizer.look(Photo(page[top : top + height, left : left + width]))
    look = colorizer.look(Photo(page))
    for x in (20, width - 20):
        there = suggestions(look, Steering(), (left + x, top + 60), 3)
        expected = suggestions(alone, Steering(), (x, 60), 3)
        assert [(one.a, one.b) for one in there] == [(one.a, one.b) for one in expected]


def test_alternatives_are_those_of_the_prints():
    colorizer = Colorizer(ClassifyingEngine())
    page = album(border=0)
    look = colorizer.look(Photo(page))
    assert look.page is not None
    counts = [len(one.alternatives()) for one in look.page.looks]
    count = look.count_alternatives()
    assert count == max(counts) > 0
    plain, other = (plan(look, Steering(alternative=n)).paint(page) for n in (0, count))
    assert (plain != other).any()
    assert (plain[:20] == other[:20]).all()
    with pytest.raises(OptionError, match=f"`alternative` is {count + 1} but this photo has"):
        plan(look, Steering(alternative=count + 1))


def test_a_model_shown_as_its_authors_do_sees_the_page():
    engine = FakeEngine()
    engine.info = dataclasses.replace(engine.info, authors=AuthorsWay(64), faithful=True)
    assert Look(engine, Photo(album())).page is None


def test_depth_and_place_do_not_change_what_is_found():
    colorizer = Colorizer(FakeEngine())
    page = album()
    deep = colorizer.look(Photo(page.astype(np.uint16) * 257))
    colour = colorizer.look(Photo(np.repeat(page[..., None], 3, -1)))
    plain = colorizer.look(Photo(page))
    assert plain.page is not None
    assert deep.page is not None
    assert colour.page is not None
    assert deep.page.boxes == colour.page.boxes == plain.page.boxes


def test_the_paper_of_a_print_on_a_page_stays_grey():
    """A print's white border is a page of its own: what the network sees is the photo."""
    engine = FakeEngine()
    page = album(border=20)
    look = Colorizer(engine).look(Photo(page))
    assert look.page is not None
    nested = [one.page for one in look.page.looks]
    assert all(one is not None and len(one.boxes) == 1 for one in nested)
    coloured = color.srgb_to_lab(Colorizer(engine)(page))
    assert len(engine.seen) == len(PLACES)
    top, left, levels = PLACES[0]
    chroma = np.hypot(*np.moveaxis(coloured[..., 1:], -1, 0))
    assert chroma[top - 14 : top - 4, left : left + levels.shape[1]].max() < 2
    assert chroma[top + 20 : top + 120, left + 20 : left + 120].mean() > 10


def test_colours_reach_the_edges_of_a_print():
    page = album(border=0)
    chroma = np.hypot(
        *np.moveaxis(color.srgb_to_lab(Colorizer(FakeEngine())(page))[..., 1:], -1, 0)
    )
    for top, left, levels in PLACES:
        height, width = levels.shape
        ring = np.ones((height, width), bool)
        ring[3:-3, 3:-3] = False
        seen = ring & (levels > 40) & (levels < 215)
        there = chroma[top : top + height, left : left + width]
        assert there[seen].mean() > 0.6 * there[~ring].mean()


def many(count, side=60, sheet=(600, 600)):
    """Return a page with so many small prints in rows."""
    page = ground(110, sheet, slope=2.0)
    across = sheet[1] // (side + 20)
    levels = np.array(Image.fromarray(PRINT).resize((side, side)))
    for number in range(count):
        row, column = divmod(number, across)
        top, left = 20 + row * (side + 20), 20 + column * (side + 20)
        page[top : top + side, left : left + side] = levels
    return page


def test_more_prints_than_a_contact_sheet_has_are_a_pattern():
    assert len(found(many(40)) or ()) == 40
    assert found(many(41)) is None


def test_few_stamps_on_a_large_sheet_are_no_page():
    assert found(many(16)) is None  # a sixth of the sheet
    assert len(found(many(25)) or ()) == 25


def test_writing_on_a_page_is_no_part_of_a_print():
    page = album(215)
    page[120:124, 120:300] = 20  # a line of ink from one print to its neighbour
    page[122:126, 200:206] = 20
    boxes = found(page)
    assert boxes is not None
    assert len(boxes) == len(PLACES)


def test_hints_of_other_prints_do_not_change_what_is_likely():
    colorizer = Colorizer(ClassifyingEngine())
    look = colorizer.look(Photo(album(border=0)))
    top, left, _ = PLACES[1]
    other = Hint(PLACES[0][1] + 20.0, PLACES[0][0] + 20.0, "#ff0000")
    spot = (left + 20, top + 60)
    plain, hinted = (suggestions(look, Steering(hints=h), spot, 3) for h in ((), (other,)))
    assert plain == hinted


def test_a_print_with_fewer_other_colourings_keeps_the_network_s_own(monkeypatch):
    look = Colorizer(ClassifyingEngine()).look(Photo(album(border=0)))
    assert look.page is not None
    fewer = look.page.looks[1]
    count = look.count_alternatives()
    found = fewer.alternatives()[: count - 1]
    monkeypatch.setattr(fewer, "alternatives", lambda: found)
    asked = asked_of_each(Steering(alternative=count), look.page)
    assert [one.alternative for one in asked] == [count, 0, count]
    page = album(border=0)
    plain, other = (plan(look, Steering(alternative=n)).paint(page) for n in (0, count))
    left, top, right, bottom = look.page.inner[1]
    assert (plain[top:bottom, left:right] == other[top:bottom, left:right]).all()
    assert (plain != other).any()


def test_the_page_in_the_corners_of_an_askew_print_s_box_stays_grey():
    page = np.array(Image.fromarray(ground(215)))
    sheet, lies = Image.new("L", (240, 240), 90), Image.new("L", (240, 240), 255)
    turned = [one.rotate(3.0, expand=True) for one in (sheet, lies)]
    image = Image.fromarray(page)
    image.paste(turned[0], (60, 60), turned[1])
    page = np.array(image)
    look = Colorizer(FakeEngine()).look(Photo(page))
    assert look.page is not None
    ((left, top, right, bottom),) = look.page.prints.scaled(*page.shape)
    coloured = color.srgb_to_lab(Colorizer(FakeEngine())(page))
    chroma = np.hypot(*np.moveaxis(coloured[..., 1:], -1, 0))
    rows, columns = np.indices(page.shape)
    box = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    paper = box & (page > 190)
    assert paper.sum() > 1000
    print_s = chroma[box & (page == 90)].mean()
    assert print_s > 8
    assert chroma[paper].mean() < print_s / 3  # not 0: this engine's grid is coarse
