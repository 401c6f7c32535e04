"""The page that colours in the browser gives what the program gives, step by step the same.

The page's JavaScript is a second copy of the program's arithmetic. Each photo here needs another
step of it: take one away, and its photo comes out otherwise.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from koalarize import Colorizer, Hint, Steering
from koalarize.colorizer.look import Look
from koalarize.colorizer.plan import suggestions
from koalarize.photo.photo import Photo
from koalarize.steering.recolor import Recolor
from koalarize.web.browser.runtime import taken
from koalarize.web.browser.site import write_site
from sites import RUNTIME, WITH_RUNTIME

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DRIVER = Path(__file__).with_name("colored_in_node.mjs")

pytestmark = [
    pytest.mark.slow,
    WITH_RUNTIME,
    pytest.mark.skipif(shutil.which("node") is None, reason="no node"),
]

UInt8 = npt.NDArray[np.uint8]


def example(name: str = "astronaut") -> Image.Image:
    return Image.open(EXAMPLES / f"{name}.jpg").convert("L")


def faded() -> Image.Image:
    return example().point(lambda level: 100 + level // 3)


def album() -> Image.Image:
    page = Image.new("L", (1000, 720), 236)
    places = {
        "astronaut": (50, 40),
        "chelsea": (520, 60),
        "coffee": (480, 370),
        "rocket": (20, 430),
    }
    for name, place in places.items():
        page.paste(example(name).resize((400, 270)), place)
    return page


def drawing() -> Image.Image:
    page = np.full((400, 300), 250, np.uint8)
    page[40:380:20, 30:270] = 30
    return Image.fromarray(page)


def matted(tone: int) -> Image.Image:
    """A photo so small in its mat that it is no print on a page."""
    return ImageOps.expand(example().resize((110, 110)), 195, tone)


def torn() -> Image.Image:
    """The same on paper that is torn and written on, so that a line of it is not all paper."""
    framed = np.asarray(matted(250)).copy()
    framed[:60, :60] = 90
    return Image.fromarray(framed)


def violet() -> Image.Image:
    """What the network paints violet: people in dark clothes."""
    return example().point(lambda level: level // 2).crop((100, 200, 500, 500))


SUIT = {"x": 215.0, "y": 360.0, "color": "#ff8000"}
EYE = {"x": 203.0, "y": 103.0, "color": "#2050d0"}


@dataclass
class Case:
    """A photo, and what is asked of it."""

    make: Callable[[], Image.Image]
    asked: dict[str, Any] = field(default_factory=dict)
    spot: tuple[float, float] | None = None
    prints: int = 0

    @property
    def steering(self) -> Steering:
        hints = tuple(Hint(**hint) for hint in self.asked.get("hints", ()))
        recolors = tuple(Recolor(**one) for one in self.asked.get("recolors", ()))
        return Steering(**{**self.asked, "hints": hints, "recolors": recolors})


CASES = {
    "portrait": Case(example, spot=(100, 400)),
    "landscape": Case(lambda: example("coffee")),
    "odd sides": Case(lambda: example("chelsea").crop((3, 5, 450, 298))),
    "large": Case(lambda: example("rocket").resize((2100, 1401))),
    "small": Case(lambda: example("coffee").resize((32, 24))),
    "tiny": Case(lambda: example().resize((9, 5))),
    "panorama": Case(lambda: example("rocket").resize((1500, 120))),
    "strip": Case(lambda: example("rocket").resize((1600, 50))),
    "faded": Case(faded),
    "faded on paper": Case(lambda: ImageOps.expand(faded(), 60, 250), prints=1),
    "faded in a corner": Case(lambda: ImageOps.expand(faded(), (60, 60, 0, 0), 250)),
    "mat": Case(lambda: matted(150)),
    "torn paper": Case(torn),
    "bars": Case(lambda: ImageOps.expand(example(), (0, 60), 20)),
    "blank": Case(lambda: Image.new("L", (300, 200), 200)),
    "drawing": Case(drawing),
    "night": Case(lambda: example().point(lambda level: level // 12)),
    "dark": Case(violet),
    "album": Case(album, {"hints": [{"x": 200, "y": 250, "color": "#ff8000"}]}, (200, 250), 4),
    "one print": Case(lambda: ImageOps.expand(example(), (700, 300), 90), prints=1),
    "one hint": Case(example, {"hints": [SUIT]}, (60, 60)),
    "small thing": Case(example, {"hints": [EYE]}),
    "far": Case(example, {"hints": [{**SUIT, "reach": 2.5}]}),
    "several": Case(
        example,
        {"hints": [SUIT, EYE, {"x": 30, "y": 30, "color": "#d00000"}], "reach": 0.2},
    ),
    "bright": Case(
        lambda: example("coffee"), {"hints": [{"x": 250.0, "y": 30.0, "color": "#ff2020"}]}
    ),
    "wide": Case(example, {"hints": [{**SUIT, "radius": 60.0}]}),
    "steered": Case(example, {"vividness": 1.4, "warmth": 0.4, "tint": -0.3}),
    "recoloured": Case(
        lambda: example("coffee"),
        {
            "recolors": [
                {"was": "#a0602a", "becomes": "#3050c0"},
                {"was": "#3050c0", "becomes": "#30a040"},
            ]
        },
    ),
    "restored": Case(faded, {"faded": True}),
}


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load("koala")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[UInt8, dict[str, Any]]]:
    """What the page's modules make of each case: pixels, and what they say of it."""
    folder = tmp_path_factory.mktemp("browser")
    write_site(folder / "site", taken(RUNTIME), model="koala")
    photos: list[dict[str, Any]] = []
    for number, case in enumerate(CASES.values()):
        image = case.make()
        path = folder / f"{number}.raw"
        path.write_bytes(image.convert("RGBA").tobytes())
        plain = {"hints": [], "recolors": [], "vividness": 1, "warmth": 0, "tint": 0, "reach": 0.5}
        photo = {"path": str(path), "width": image.width, "height": image.height}
        asked = {"steering": plain | case.asked, "restore": case.asked.get("faded", False)}
        photos.append({**photo, **asked, "spot": case.spot})
    job = folder / "job.json"
    job.write_text(json.dumps({"site": str(folder / "site"), "photos": photos}))
    ran = subprocess.run(["node", DRIVER, job], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    found: dict[str, tuple[UInt8, dict[str, Any]]] = {}
    for name, photo, said in zip(CASES, photos, json.loads(ran.stdout), strict=True):
        pixels = np.fromfile(photo["path"], np.uint8)
        found[name] = pixels.reshape(photo["height"], photo["width"], 4), said
    return found


def look_at(colorizer: Colorizer, image: Image.Image, tmp_path: Path) -> Look:
    image.convert("RGB").save(tmp_path / "photo.png")
    return colorizer.look(Photo.read(tmp_path / "photo.png"))


@pytest.mark.parametrize("name", CASES)
def test_a_photo_gets_the_colours_that_the_program_gives_it(name, colorizer, told) -> None:
    case, (pixels, _) = CASES[name], told[name]
    expected = colorizer(np.asarray(case.make().convert("RGB")), case.steering).astype(int)
    off = np.abs(pixels[..., :3] - expected)
    assert off.mean() < 0.01  # levels; float32 and float64 round a few of them otherwise
    assert (off.max(axis=-1) > 1).mean() < 1e-4
    assert (pixels[..., 3] == 255).all()


@pytest.mark.parametrize("name", ["portrait", "album", "one hint"])
def test_likely_colours_are_those_of_the_program(name, colorizer, told, tmp_path) -> None:
    case, (_, said) = CASES[name], told[name]
    assert case.spot is not None
    look = look_at(colorizer, case.make(), tmp_path)
    expected = suggestions(look, case.steering, case.spot, 5)
    assert [one["color"] for one in said["likely"]] == [one.color for one in expected]
    shares = [one.probability for one in expected]
    assert [one["probability"] for one in said["likely"]] == pytest.approx(shares, abs=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_and_how_many_prints_is_told(name, colorizer, told, tmp_path) -> None:
    case, (_, said) = CASES[name], told[name]
    look = look_at(colorizer, case.make(), tmp_path)
    assert said["prints"] == case.prints == (0 if look.page is None else len(look.page.looks))
    looks = [look] if look.page is None else [look, *look.page.looks]
    assert said["shows"] == pytest.approx(max(one.calm.max() for one in looks), abs=1e-4)
