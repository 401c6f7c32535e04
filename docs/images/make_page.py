"""Make the picture of an album's page: in grey, looked at as one picture, and as it is coloured.

    python docs/images/make_page.py

The prints are the examples of this repository.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.plan import plan
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
PLACES = {
    "astronaut": (60, 50, 2),
    "chelsea": (690, 70, -2),
    "coffee": (40, 640, -1),
    "rocket": (640, 610, 1),
}
SIZE = (1280, 1120)
SHOWN = 560  # pixels: width of each of the three


def page() -> Image.Image:
    """Return the page, in grey."""
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(128, 20, SIZE[::-1]), 0, 255).astype(np.uint8)
    grain = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)), np.float32) - 128
    paper = Image.fromarray(
        np.clip(104 + grain + np.linspace(-5, 5, SIZE[0]), 0, 255).astype(np.uint8)
    )
    for name, (left, top, turned) in PLACES.items():
        photo = Image.open(EXAMPLES / f"{name}.jpg").convert("L")
        photo.thumbnail((520, 480))
        sheet = Image.new("L", (photo.width + 28, photo.height + 28), 236)
        sheet.paste(photo, (14, 14))
        lies = Image.new("L", sheet.size, 255)
        sheet, lies = (
            one.rotate(turned, Image.Resampling.BICUBIC, expand=True) for one in (sheet, lies)
        )
        paper.paste(sheet, (left, top), lies)
    return paper


def main() -> None:
    """Make it."""
    colorizer = Colorizer.load()
    grey = np.asarray(page())
    shown = [Image.fromarray(grey).convert("RGB")]
    for prints in (False, True):
        look = colorizer.look(Photo(grey), prints=prints)
        shown.append(Image.fromarray(np.ascontiguousarray(plan(look, PLAIN).paint(grey))))
    height = round(SHOWN * SIZE[1] / SIZE[0])
    sheet = Image.new("RGB", (3 * SHOWN + 2 * 12, height), "white")
    for number, picture in enumerate(shown):
        small = picture.resize((SHOWN, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (number * (SHOWN + 12), 0))
    sheet.save(HERE / "page.jpg", quality=86, optimize=True)


if __name__ == "__main__":
    main()
