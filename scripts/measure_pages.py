"""Measure how prints on an album's page are coloured: all looked at together, and each by itself.

    python scripts/measure_pages.py --data PHOTOS [--pages 20] [--turned 0] [--out FOLDER]

A page is a made one: 2 to 9 photos, half of them with a white border, on ground of one of five
greys with grain and a slope of light. Printed are how many of a page's prints were found, and mean
ab errors within the photos: of grey, of the page looked at as one picture, of the page as it is
coloured; and the mean chroma beside the prints, before and now.

Not here: a single print on a mat, what ``koalarize lab evaluate`` scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.plan import plan
from koalarize.lab.datasets.sources import load_pictures
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN

Array = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

_SHAPES = ((2, 1), (2, 2), (3, 2), (2, 3), (3, 3))  # columns and rows of prints
_CELL = (460, 420)  # pixels: width and height of a print's place
_GROUNDS = (35, 60, 110, 160, 205)
_BORDER = 12  # pixels of white paper
_BESIDE = 20  # pixels: what is nearer to a photo is no page

#: Mode and colour of a print's paper, of where it lies, and of where its photo does.
_SHEETS = (("RGB", (238, 238, 238)), ("L", 255), ("L", 0))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument(
        "--turned", type=float, default=0.0, help="degrees by which prints lie askew"
    )
    parser.add_argument("--model", default="koala")
    parser.add_argument("--out", type=Path, help="write the coloured pages here")
    options = parser.parse_args()
    colorizer = Colorizer.load(options.model)
    rng = np.random.default_rng(5)
    needed = sum(across * down for across, down in _cycle(options.pages))
    pictures = load_pictures(options.data, limit=needed, max_side=360).arrays
    errors: list[tuple[float, float, float]] = []
    grounds: list[tuple[float, ...]] = []
    found = 0
    for number, (across, down) in enumerate(_cycle(options.pages)):
        shown = [
            pictures[at % len(pictures)] for at in range(len(errors), len(errors) + across * down)
        ]
        page, truth, masks = make_page(shown, across, options.turned, rng)
        looks = [colorizer.look(Photo(page), prints=prints) for prints in (False, True)]
        found += 0 if looks[1].page is None else len(looks[1].page.boxes)
        before, now = (plan(look, PLAIN).paint(page) for look in looks)
        coloured = [color.srgb_to_lab(srgb)[..., 1:] for srgb in (before, now)]
        for mask in masks:
            true = color.srgb_to_lab(truth[mask])[:, 1:]
            mean = [float(np.hypot(*(ab[mask] - true).T).mean()) for ab in coloured]
            errors.append((float(np.hypot(*true.T).mean()), *mean))
        ground = ~_widened(np.any(masks, axis=0))
        grounds.append(tuple(float(np.hypot(*ab[ground].T).mean()) for ab in coloured))
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(now).save(options.out / f"page-{number}.png")
    print(f"{len(errors)} photos on {options.pages} pages, of which {found} were found")
    print(
        "mean ab error: grey {:.2f}, as one picture {:.2f}, now {:.2f}".format(*np.mean(errors, 0))
    )
    print("mean chroma of the ground: {:.1f}, now {:.1f}".format(*np.mean(grounds, 0)))


def make_page(
    photos: Sequence[Array], across: int, turned: float, rng: np.random.Generator
) -> tuple[Array, Array, list[Bool]]:
    """Return a page (H, W) in grey, the photos on it in colour (H, W, 3), and where each lies."""
    down = len(photos) // across
    width, height = across * _CELL[0] + 60, down * _CELL[1] + 60
    tone = int(rng.choice(_GROUNDS))
    noise = Image.fromarray(np.clip(rng.normal(128, 20, (height, width)), 0, 255).astype(np.uint8))
    grain = np.asarray(noise.filter(ImageFilter.GaussianBlur(2)), np.float32) - 128
    levels = np.clip(tone + grain + np.linspace(-5, 5, width), 0, 255).astype(np.uint8)
    page = Image.fromarray(np.repeat(levels[..., None], 3, axis=-1))
    masks: list[Bool] = []
    for number, srgb in enumerate(photos):
        photo = Image.fromarray(srgb)
        photo.thumbnail((380, 330))
        border = int(rng.choice((0, _BORDER)))
        size = photo.width + 2 * border, photo.height + 2 * border
        sheet, print_, shown = (Image.new(mode, size, paper) for mode, paper in _SHEETS)
        sheet.paste(photo, (border, border))
        shown.paste(255, (border, border, border + photo.width, border + photo.height))
        angle = float(rng.uniform(-turned, turned))
        sheet, print_, shown = (
            part.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            for part in (sheet, print_, shown)
        )
        left = 30 + number % across * _CELL[0] + int(rng.integers(5, 25))
        top = 30 + number // across * _CELL[1] + int(rng.integers(5, 25))
        page.paste(sheet, (left, top), print_)
        mask = Image.new("L", page.size)
        mask.paste(shown, (left, top))
        masks.append(np.asarray(mask) == 255)
    truth = np.asarray(page)
    return np.asarray(page.convert("L")), truth, masks


def _cycle(count: int) -> list[tuple[int, int]]:
    return [_SHAPES[number % len(_SHAPES)] for number in range(count)]


def _widened(mask: Bool) -> Bool:
    image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
    for _ in range(_BESIDE // 2):
        image = image.filter(ImageFilter.MaxFilter(5))
    return np.asarray(image) > 0


if __name__ == "__main__":
    main()
