"""Draw the sheets of ``docs/colours.md``: twelve pictures in 0.3.0 and now, also with one hint.

    python docs/images/make_colors.py --before SRC

SRC is the folder ``src`` of a checkout of version 0.3.0. The pictures are scikit-image's and
drawings of ``koalarize.lab.datasets.sample``; the grey ones have the CIELAB lightness of what they
show.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage import data

from koalarize import color
from koalarize.lab.datasets.sample import draw_scene

Srgb = npt.NDArray[np.uint8]

_HERE = Path(__file__).parent
_HEIGHT = 190
_COLUMNS = ("grey", "0.3.0", "now", "one hint, 0.3.0", "one hint, now")
_TITLE = 22
_GAP = 6


@dataclass(frozen=True)
class Shown:
    """A picture and the hint it gets.

    Attributes:
        name: of the picture.
        make: returns it in grey or colour.
        at: where the hint goes, as shares of width and height.
        tint: its colour.
        fade: whether L* is squeezed into 40..80 first.
    """

    name: str
    make: Callable[[], Srgb]
    at: tuple[float, float]
    tint: str
    fade: bool = False


def _scene(seed: int) -> Callable[[], Srgb]:
    return lambda: draw_scene(np.random.default_rng(seed))


_PICTURES = (
    Shown("astronaut", data.astronaut, (0.45, 0.735), "#e07020"),
    Shown("chelsea", data.chelsea, (0.55, 0.62), "#b8763c"),
    Shown("coffee", data.coffee, (0.5, 0.62), "#2f55a8"),
    Shown("rocket", data.rocket, (0.25, 0.2), "#4a6fa8"),
    Shown("camera", data.camera, (0.42, 0.6), "#5a2f26"),
    Shown("coins", data.coins, (0.16, 0.2), "#b5722f"),
    Shown("moon", data.moon, (0.5, 0.5), "#8a7f60"),
    Shown("page", data.page, (0.5, 0.5), "#c03020"),
    Shown("astronaut, faded", data.astronaut, (0.45, 0.735), "#e07020", fade=True),
    Shown("coffee, faded", data.coffee, (0.5, 0.62), "#2f55a8", fade=True),
    Shown("a drawing", _scene(3), (0.5, 0.15), "#d08040"),
    Shown("another drawing", _scene(8), (0.5, 0.9), "#a08a30"),
)


def main() -> None:
    """Write ``colours-1.jpg`` and ``colours-2.jpg``, six pictures each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, metavar="SRC")
    before: Path = parser.parse_args().before
    now = _HERE.parent.parent / "src"
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(shown, before, now, Path(folder)) for shown in _PICTURES]
    for number in (0, 1):
        sheet = _sheet(rows[6 * number : 6 * number + 6])
        sheet.save(_HERE / f"colours-{number + 1}.jpg", quality=86)


def _row(shown: Shown, before: Path, now: Path, folder: Path) -> list[Image.Image]:
    """Return the pictures of one row, in the order of the columns."""
    grey = _grey(shown)
    path = folder / "grey.png"
    grey.save(path)
    x, y = (round(share * side) for share, side in zip(shown.at, grey.size, strict=True))
    hint = ("--hint", f"{x},{y}={shown.tint}")
    made = [_colored(path, source) for source in (before, now)]
    hinted = [_marked(_colored(path, source, *hint), (x, y)) for source in (before, now)]
    return [grey.convert("RGB"), *made, *hinted]


def _grey(shown: Shown) -> Image.Image:
    picture = shown.make()
    lightness = (
        color.grey_to_lightness(picture)
        if picture.ndim == 2
        else color.srgb_to_lab(np.ascontiguousarray(picture[..., :3]))[..., 0]
    )
    if shown.fade:
        lightness = 40 + lightness * 0.4
    lab = np.stack([lightness, np.zeros_like(lightness), np.zeros_like(lightness)], axis=-1)
    return Image.fromarray(color.lab_to_srgb(lab.astype(np.float32), dtype=np.uint8)[..., 0])


def _colored(path: Path, source: Path, *words: str) -> Image.Image:
    target = path.with_name("made.png")
    subprocess.run(
        [sys.executable, "-m", "koalarize", str(path), "-o", str(target), "--overwrite", *words],
        env=os.environ | {"PYTHONPATH": str(source)},
        check=True,
        capture_output=True,
    )
    with Image.open(target) as image:
        return image.convert("RGB")


def _marked(image: Image.Image, place: tuple[int, int]) -> Image.Image:
    """Draw a ring around the hint."""
    radius = max(image.size) // 40
    x, y = place
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(image).ellipse(box, outline="white", width=max(2, radius // 5))
    return image


def _sheet(rows: list[list[Image.Image]]) -> Image.Image:
    width = max(round(row[0].width * _HEIGHT / row[0].height) for row in rows)
    size = (
        len(_COLUMNS) * (width + _GAP) - _GAP,
        _TITLE + len(rows) * (_HEIGHT + _GAP) - _GAP,
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, title in enumerate(_COLUMNS):
        draw.text((number * (width + _GAP), 4), title, fill="black")
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            side = round(image.width * _HEIGHT / image.height)
            small = image.resize((side, _HEIGHT), Image.Resampling.LANCZOS)
            left = across * (width + _GAP) + (width - side) // 2
            sheet.paste(small, (left, _TITLE + down * (_HEIGHT + _GAP)))
    return sheet


if __name__ == "__main__":
    main()
